//! `subscribe`: a replica of some tables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Template, Text};

/// Sends `subscribe`, awaits `subscribed` and the first complete update, and keeps a replica from then on. Binds the name in `as` to
/// `${s.shape}`, `${s.id}` and `${s.to}` (the `to` of the first complete update).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Subscribe {
    /// Where.
    pub conn: Text,
    /// The tables: a list of names, or an object of names with their settings.
    pub tables: Template,
    /// The `cursor` to send, `{"epoch": ..., "version": ...}`. Without it, and without `resume`, none is sent.
    pub cursor: Option<Template>,
    /// The name of an earlier subscription, of this or another connection, open or not: goes on from its rows and its cursor.
    pub resume: Option<Text>,
    /// Names the subscription.
    pub r#as: Option<Text>,
    /// What to await.
    #[serde(default)]
    pub r#await: SubscribeAwait,
    /// Expects this error code instead of `subscribed`.
    pub refused: Option<Text>,
    /// A pattern that each part of the first complete update must match, as `{"replace": {"$absent": true}}`.
    pub expect: Option<Template>,
}

/// What a `subscribe` awaits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscribeAwait {
    /// `subscribed` and the first complete update.
    #[default]
    Update,
    /// `subscribed`.
    Subscribed,
    /// Nothing.
    Nothing,
}
