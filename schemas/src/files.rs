//! The schema files themselves, embedded: for whoever shows them, serves them or reads them in another way.

pub use crate::generated::files::{ERRORS, MESSAGES, SCHEMAS};

/// A file of `v1/`, with its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaFile {
    /// The path within `v1/`, as in `messages/push.json`.
    pub path: &'static str,
    /// The text.
    pub text: &'static str,
}

/// The `$id` of the schema at this path within `v1/`.
#[must_use]
pub fn id(path: &str) -> String {
    format!("syncline:/v1/{path}")
}
