//! Resumes from cursors all over a log: with what the log says that was there, a replica must come to what is there now.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::drive::{Cx, Session, State, Stop};
use crate::facts::{Facts, Filters};
use crate::history::{ConnIx, Frame};

/// Of no more bytes written a log is resumed: what follows each cursor is sent again.
pub(super) const BYTES_MAX: usize = 64 * 1024;

/// From so many cursors all tables are resumed.
const CURSORS: u64 = 8;

/// So many shapes with filters are resumed, each from so many cursors.
const FILTERED: usize = 4;
const FILTERED_CURSORS: u64 = 4;

/// Tables, each with its settings.
type Tables = Map<String, Value>;

/// Resumes all tables of a workspace, and the shapes with filters that anybody had.
pub(super) async fn all(cx: &Cx, workspace: String, tables: &BTreeSet<String>) -> Result<(), Stop> {
    let (conn, welcome) = reader(cx, &workspace).await?;
    let limit = cx.with(|state| state.facts.limit(conn, "shapeTablesMax"));
    if tables.len() as u64 <= limit.unwrap_or(1) {
        cx.recall(conn, tables).await?;
        let whole = tables.iter().map(|table| (table.clone(), json!({})));
        resume(cx, conn, &welcome, (&whole.collect(), CURSORS)).await?;
    }
    for shape in cx.with(|state| filtered(state, &workspace)) {
        // Under other filters a live shape would begin anew, whatever its cursor (FLT-CHANGE): each has a connection of its own.
        let (conn, welcome) = reader(cx, &workspace).await?;
        resume(cx, conn, &welcome, (&shape, FILTERED_CURSORS)).await?;
    }
    Ok(())
}

async fn reader(cx: &Cx, workspace: &str) -> Result<(ConnIx, Arc<Frame>), Stop> {
    let name = format!("audit-{}", cx.with(State::counted));
    cx.connect(&name, &Session::reader(workspace.to_owned()))
        .await
}

/// Resumes from so many cursors, the first of them 0.
async fn resume(
    cx: &Cx,
    conn: ConnIx,
    welcome: &Frame,
    (shape, cursors): (&Tables, u64),
) -> Result<(), Stop> {
    let (Some(epoch), Some(head)) = (welcome.string("epoch"), welcome.number("version")) else {
        return Ok(());
    };
    let count = cursors.min(head);
    for version in (0..count).map(|index| head * index / count) {
        let cursor = json!({ "epoch": epoch, "version": version });
        cx.read_shape(conn, shape.clone(), Some(&cursor)).await?;
    }
    Ok(())
}

/// The first few shapes with filters that were subscribed to in a workspace, each once.
fn filtered(state: &State, workspace: &str) -> Vec<Tables> {
    let facts = &state.facts;
    let subs = { facts.subs.iter() }
        .filter(|sub| !sub.filters.is_empty() && facts.conns[sub.conn].workspace() == workspace);
    let shapes: BTreeSet<(&BTreeSet<String>, &Filters)> =
        subs.map(|sub| (&sub.tables, &sub.filters)).collect();
    let serves = |(_, filters): &(&BTreeSet<String>, &Filters)| {
        !{ filters.all() }.any(|(table, _)| may_be_of_documents(facts, workspace, table))
    };
    let settings = |filters: &Filters, table: &str| match filters.of_table(table) {
        Some(filter) => json!({ "where": filter }),
        None => json!({}),
    };
    let shape = |(tables, filters): (&BTreeSet<String>, &Filters)| {
        let named = { tables.iter() }.map(|table| (table.clone(), settings(filters, table)));
        named.collect()
    };
    let shapes = shapes.into_iter().filter(serves);
    shapes.take(FILTERED).map(shape).collect()
}

/// Whether anybody has asked for a table to be one of documents: no filter is served of such (DOC-FILTER).
fn may_be_of_documents(facts: &Facts, workspace: &str, table: &str) -> bool {
    let asks = |op: &Value| op["table"] == table && op.get("kind").is_some();
    let mutations = facts.ledger.of_workspace(workspace).iter();
    let ops = mutations.filter_map(|index| facts.ledger.mutations[*index].ops()?.as_array());
    ops.flatten().any(asks)
}
