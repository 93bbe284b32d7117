//! `reach`: a replica comes to a version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Number, Text};

/// Awaits that a subscription's cursor is at least this version. A server owes that to the author of a mutation in the shape, and to others if
/// the version changed a row of the shape.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Reach {
    /// The subscription's name.
    pub sub: Text,
    /// The version.
    pub version: Number,
}
