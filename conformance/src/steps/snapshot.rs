//! `snapshot`: what the server holds.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::expected;
use super::rows::{AbsentRow, Row, yes};
use crate::drive::{Cx, Session, State, Stop};
use crate::scenario::{Template, Text};

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

impl Snapshot {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let expected = expected(cx, &self.rows, &self.absent, self.exactly)?;
        let tables: BTreeSet<String> = match &self.tables {
            Some(tables) => tables
                .iter()
                .map(|table| cx.string(&table.0))
                .collect::<Result<_, _>>()?,
            None => expected
                .rows
                .iter()
                .map(|(key, _, _)| key)
                .chain(&expected.absent)
                .map(|key| key.0.clone())
                .collect(),
        };
        if tables.is_empty() {
            return Err(Stop::misuse("a snapshot of no tables"));
        }
        let workspace = self
            .workspace
            .as_ref()
            .map_or_else(|| cx.workspace(), |workspace| cx.text(workspace))?;
        let name = format!("snapshot-{}", cx.with(State::counted));
        let (conn, _) = cx.connect(&name, &Session::reader(workspace)).await?;
        let mut rows = BTreeMap::new();
        let mut at = Vec::new();
        for shape in cx.read(conn, &tables, None).await? {
            cx.with(|state| {
                let sub = &state.facts.subs[shape];
                rows.extend(sub.replica.rows.clone());
                at.extend(sub.parts.iter().map(|part| part.at));
            });
        }
        cx.link(conn)?.close().await;
        expected
            .check(cx, &rows)
            .map_err(|difference| difference.at(at))
    }
}
