//! `unsubscribe`: ends a replica.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::Text;

/// Sends `unsubscribe` for a subscription and awaits nothing (there is no answer). Its rows can still be resumed from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Unsubscribe {
    /// The subscription's name.
    pub sub: Text,
}
