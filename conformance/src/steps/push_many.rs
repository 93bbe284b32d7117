//! `push_many`: a load of mutations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Number, Template, Text};

use super::push::PushAwait;

/// Pushes many new mutations of the connection's client, pipelined as far as `limits.inFlightMax` allows, and awaits that all are applied. Binds the
/// name in `as` to `${p.firstVersion}`, `${p.lastVersion}`, `${p.firstSeq}`, `${p.lastSeq}`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PushMany {
    /// Where.
    pub conn: Text,
    /// How many mutations.
    pub count: Number,
    /// How many in one push, at most `limits.pushMutationsMax`. Without it: 1.
    pub per_push: Option<Number>,
    /// The variable that counts them, from 0. Without it: `i`.
    #[serde(default = "counter")]
    pub var: String,
    /// The ops of each: a list.
    pub ops: Template,
    /// Names the load.
    pub r#as: Option<Text>,
    /// What to await. With `nothing`, `count` must not pass `limits.inFlightMax`.
    #[serde(default)]
    pub r#await: PushAwait,
}

pub(crate) fn counter() -> String {
    "i".to_owned()
}
