//! `expect`: one frame that must come.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Number, Template, Text};

/// Awaits the next frame of the connection that matches. Looks on from behind the frame that the last `expect`, `expect_error` or `mark` of this
/// connection ended at, and passes over frames that other steps have awaited (welcomes, acks, pongs, first updates).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expect {
    /// Whose frames.
    pub conn: Text,
    /// The pattern of the frame.
    pub frame: Template,
    /// true: the very next frame that is no `update` must match; what does not match is a failure at once.
    #[serde(default)]
    pub strict: bool,
    /// Names to bind, each with the JSON Pointer of its value in the frame.
    #[serde(default)]
    pub bind: BTreeMap<String, String>,
    /// Waits so many milliseconds longer than the usual deadline, for what the protocol lets a server take its time with.
    pub patience_ms: Option<Number>,
}
