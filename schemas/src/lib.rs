//! The messages of Syncline v1: Rust types generated from the JSON Schemas in `v1/`, and the strict reading of a frame.
//!
//! The schemas are the only source of the messages' shapes. The types in [`ClientMessage`] and [`ServerMessage`] are generated from
//! them by a test of this crate, which fails when they are stale; [`validate`] asks the schemas
//! themselves. What is generated accepts exactly what the schemas accept, and a differential test compares the two.
//!
//! ```
//! use syncline_schemas::{ClientMessage, Ping};
//!
//! let frame = ClientMessage::Ping(Ping { t: 7 }).encode();
//! assert_eq!(frame, r#"{"type":"ping","t":7}"#);
//! let message = ClientMessage::decode(&frame, 64).expect("what was encoded can be decoded");
//! assert_eq!(message, ClientMessage::Ping(Ping { t: 7 }));
//! ```
#![forbid(unsafe_code)]

mod author;
pub mod base64;
mod decode;
mod digest;
pub mod errors;
mod fields;
pub mod files;
mod filter;
mod forms;
mod generated;
mod json;
pub mod marks;
mod op;
mod rules;
mod settings;
mod strict;
mod tagged;
pub mod validate;
mod violation;

pub use author::author;
pub use decode::{DecodeError, DecodeErrorKind};
pub use digest::{RowNumber, RowsDigest};
pub use filter::{Bound, Filter, Side};
pub use forms::Pattern;
pub use generated::limits::*;
pub use generated::messages::*;
pub use generated::op::*;
pub use generated::patterns;
pub use generated::shared::*;
pub use json::{Json, JsonObject};
pub use op::OpError;
pub use rules::{JUDGED_MAX, Rules};
pub use strict::DEPTH_CEILING;
pub use violation::Violation;

/// The WebSocket subprotocol that names this version of the protocol.
pub const SUBPROTOCOL: &str = "syncline.v1";
