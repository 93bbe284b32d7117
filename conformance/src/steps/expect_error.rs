//! `expect_error`: an `error` with a registered code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Number, Template, Text};

/// Awaits the `error` that answers the frame sent last on this connection, with this code and the `scope` and `retryable` that the registry
/// gives it. After an error of scope connection, `expect_close` comes next.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectError {
    /// Whose frames.
    pub conn: Text,
    /// The code, as in the registry.
    pub code: Text,
    /// A pattern for `re`. Without it: the number of the frame sent last (for a code that the registry gives no `re`: none asked for).
    pub re: Option<Template>,
    /// A pattern for `at`. Without it none is asked for.
    pub at: Option<Template>,
    /// Waits so many milliseconds longer than the usual deadline.
    pub patience_ms: Option<Number>,
}
