//! What the schemas and the registry say, in Rust.
//!
//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.

pub(crate) mod errors;
pub(crate) mod files;
pub(crate) mod limits;
pub(crate) mod messages;
pub(crate) mod op;
pub mod patterns;
pub(crate) mod shared;
