//! `snapshot`: what the server holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Template, Text};

use super::rows::{AbsentRow, Row, yes};

/// Reads tables on a fresh connection without `clientId`, and compares the rows of the first complete update.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Snapshot {
    /// The tables to read: a list. Without it: those that `rows` and `absent` name.
    pub tables: Option<Vec<Template>>,
    /// The rows that must be there.
    pub rows: Vec<Row>,
    /// false: other rows may be there too.
    #[serde(default = "yes")]
    pub exactly: bool,
    /// Rows that must not be there, for where `exactly` is false.
    #[serde(default)]
    pub absent: Vec<AbsentRow>,
    /// Without it: `${workspace}`.
    pub workspace: Option<Text>,
}
