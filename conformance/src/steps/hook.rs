//! `hook`: something done to the server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::Hook as Name;

/// Has the target do something to the server that a URL alone cannot; the scenario must name it in `needs.hooks`. After `restart`, `kill` and
/// `restore` all connections are expected to end; `connect` then waits for the server to be back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hook {
    /// Which one.
    pub hook: Name,
}
