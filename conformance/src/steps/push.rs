//! `push`: mutations, as a client would send them or not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Number, Template, Text};

/// Sends one `push` of the connection's client and awaits its `ack`. `seq`, `opId`, `follows` and `epoch` are those of the client's chain unless
/// they are given. What the server defers is sent again after `retryAfterMs`, unless a deferral is what `results` asks for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Push {
    /// Where.
    pub conn: Text,
    /// Names of earlier mutations to send again unchanged, before the new ones.
    #[serde(default)]
    pub retry: Vec<Text>,
    /// New mutations.
    #[serde(default)]
    pub mutations: Vec<Mutation>,
    /// Overrides `follows`; `{"$absent": true}` leaves it out.
    pub follows: Option<Template>,
    /// Overrides `epoch`.
    pub epoch: Option<Template>,
    /// What the ack's results must be, in order and no more: a list of `"applied"`, `"rejected"`, `"rejected:no_ops"`, `"refused:seq_gap"`,
    /// `"deferred"`, `"outcome"` (applied or rejected) or patterns of a result; or a pattern of the whole list. Without it every
    /// mutation must be applied.
    pub results: Option<Template>,
    /// Names the push: `${p.re}`, its frame's number, and once it is answered `${p.results}`.
    pub r#as: Option<Text>,
    /// What to await.
    #[serde(default)]
    pub r#await: PushAwait,
}

/// A new mutation of a push.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mutation {
    /// Names it: `${m.seq}`, `${m.opId}`, and once its outcome is known `${m.status}`, `${m.version}`, `${m.code}`.
    pub r#as: Option<Text>,
    /// The ops: a list, as they are sent.
    pub ops: Template,
    /// Overrides the next `seq` of the client's chain.
    pub seq: Option<Template>,
    /// Overrides a fresh `opId`.
    pub op_id: Option<Template>,
    /// How old the client says that the write is. Without it the member is not sent.
    pub age_ms: Option<Number>,
}

/// What a push awaits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushAwait {
    /// The `ack`.
    #[default]
    Ack,
    /// Nothing: pipelined, or to be lost. `await_acks` may ask later.
    Nothing,
}
