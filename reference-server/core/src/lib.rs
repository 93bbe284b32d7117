//! The engine of a Syncline workspace, without IO: frames in, records and frames out.
//!
//! [`Engine`] is a deterministic state machine over the log of outcomes. It has no clock, no randomness, no sockets and no files: time, names and
//! the room of a connection's queue are arguments, so the server, a simulator and a test drive the very same thing.
//! Its modules have the names of the specification's chapters: `connection`, `subscriptions`, `mutations`, `updates`, `digests`, `history`, `presence`; what lies
//! under them is `state`, the machine itself, with `table`, `clients` and `truncation`.
//!
//! ```
//! use syncline_schemas::{Hello, Limits};
//! use syncline_server_core::{Config, Engine, Input, Output, SessionKey, read_frame};
//!
//! let mut engine = Engine::open(Config::default(), "e1".to_owned(), None, [])?;
//! let session = SessionKey(1);
//! let hello = Hello { workspace: "w".into(), client_id: Some("ann".into()), acked_seq: None, capabilities: None };
//! engine.enqueue(Input::Open { session, name: "x7".into(), hello });
//! let push = r#"{"type":"push","epoch":"e1","mutations":[{"seq":1,"opId":"a","ops":[{"op":"set","table":"t","key":"k","value":7}]}]}"#;
//! engine.enqueue(Input::Frame { session, re: 2, request: read_frame(push, &Limits::default(), &[]).expect("valid") });
//!
//! assert_eq!(engine.decide(1_700_000_000_000).len(), 1); // one record: append it, then
//! engine.committed();
//! engine.pump(|_| usize::MAX);
//! let Some(Output::Frame { text: welcome, .. }) = engine.poll_output() else { panic!() };
//! let Some(Output::Frame { text: ack, .. }) = engine.poll_output() else { panic!() };
//! assert!(welcome.contains(r#""type":"welcome""#));
//! assert_eq!(ack, r#"{"type":"ack","re":2,"results":[{"status":"applied","seq":1,"opId":"a","version":1}]}"#);
//! # Ok::<(), syncline_server_core::OpenError>(())
//! ```
#![forbid(unsafe_code)]

mod checkpoint;
mod clients;
mod config;
mod conflicts;
mod connection;
mod decide;
mod declare;
mod digests;
mod documents;
mod encode;
mod engine;
mod fields;
mod filters;
mod history;
mod io;
mod journal;
mod json;
mod mutations;
mod names;
mod presence;
mod rate;
mod record;
mod request;
mod resolver;
mod schema;
mod sequences;
mod sessions;
mod shapes;
mod state;
mod step;
mod subscriptions;
mod table;
mod tables;
mod time;
mod truncation;
mod updates;

pub use checkpoint::Checkpoint;
pub use config::{CAPABILITIES, Config, Retention};
pub use conflicts::{Kept, Trail};
pub use connection::{close_code, error, read_frame, read_hello};
pub use engine::{Engine, OpenError};
pub use fields::{Entries, Entry};
pub use io::{Input, Output, SessionKey};
pub use record::{
    Decided, Decision, Declared, DocumentEffect, Effect, Event, Raise, Record, Rejection, Truncated,
};
pub use request::{Push, Request};
pub use resolver::{Conflict, Resolution, Resolver, Resolvers};
pub use schema::Schema;
pub use tables::Settings;
pub use truncation::CLIENT_MARGIN_MS;
