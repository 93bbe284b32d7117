//! `rows`: what a replica holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Template, Text};

/// Awaits that a subscription's replica has all that was acknowledged so far of its tables, then compares its rows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rows {
    /// The subscription's name.
    pub sub: Text,
    /// The rows that must be there.
    pub rows: Vec<Row>,
    /// false: other rows may be there too.
    #[serde(default = "yes")]
    pub exactly: bool,
    /// Rows that must not be there, for where `exactly` is false.
    #[serde(default)]
    pub absent: Vec<AbsentRow>,
    /// true: awaits nothing, compares what the replica holds now.
    #[serde(default)]
    pub now: bool,
}

/// A row that must be there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Row {
    /// Its table.
    pub table: Template,
    /// Its key (a string, or a generator of one).
    pub key: Template,
    /// A pattern for its value. Unlike in frames, objects must have no other members. Without it any value will do.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Template>,
    /// A pattern for its version.
    pub version: Option<Template>,
}

/// A row that must not be there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AbsentRow {
    /// Its table.
    pub table: Template,
    /// Its key.
    pub key: Template,
}

pub(crate) fn yes() -> bool {
    true
}

/// A member that is there, `null` included.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Template>, D::Error> {
    Template::deserialize(source).map(Some)
}
