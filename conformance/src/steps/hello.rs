//! `hello`: a session on a connection that is open.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Number, Template, Text};

/// Says `hello` on a connection made by `open`, and awaits `welcome`. Otherwise as `connect`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hello {
    /// Where to say it.
    pub conn: Text,
    /// The `clientId`. Without it the session only reads.
    pub client: Option<Text>,
    /// Without it: `${workspace}`.
    pub workspace: Option<Text>,
    /// Without it: up to where this client has learnt its outcomes in this scenario.
    pub acked_seq: Option<Number>,
    /// What the client says that it understands. Without it the member is not sent.
    pub capabilities: Option<Vec<Text>>,
    /// A pattern that the `welcome` must match.
    pub expect: Option<Template>,
    /// What to await; `nothing` leaves the answer to later steps.
    #[serde(default)]
    pub r#await: HelloAwait,
}

/// What a `hello` awaits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HelloAwait {
    /// The `welcome`.
    #[default]
    Welcome,
    /// Nothing.
    Nothing,
}
