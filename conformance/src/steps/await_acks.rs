//! `await_acks`: the answers to pushes that were not awaited.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Template, Text};

/// Awaits the acks of all pushes of the connection that are not answered yet.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AwaitAcks {
    /// Which connection.
    pub conn: Text,
    /// What the results of these acks, one ack after the other, must be, as in `push`. Without it they may be anything.
    pub results: Option<Template>,
}
