//! Documents, as the specification's chapter has them, held as rows: a document's value is the list of its entries in the order of their places, its version
//! that of the last entry that was written. So whatever is judged of rows is judged of documents.

use serde_json::{Value, json};

use super::log::Patched;
use crate::history::whole;

/// The place of an entry: what it covers, or its version.
fn place(entry: &Value) -> u64 {
    let covers = entry.get("covers").and_then(whole);
    covers
        .or_else(|| entry.get("version").and_then(whole))
        .unwrap_or(0)
}

/// The entries of a document; none, if it is not there.
fn entries(held: Option<&Value>) -> Vec<Value> {
    let entries = held.and_then(Value::as_array);
    entries.cloned().unwrap_or_default()
}

/// A document with one more entry.
pub(super) fn appended(held: Option<&Value>, version: u64, data: &Value) -> Value {
    let mut entries = entries(held);
    entries.push(json!({ "version": version, "data": data }));
    entries.sort_by_key(place);
    entries.into()
}

/// A document after a compaction.
pub(super) fn compacted(held: Option<&Value>, version: u64, covers: u64, data: &Value) -> Value {
    let mut entries = entries(held);
    entries.retain(|entry| place(entry) > covers);
    entries.insert(
        0,
        json!({ "version": version, "covers": covers, "data": data }),
    );
    entries.into()
}

/// Whether a compaction has anything to merge: an entry that is none itself, and covered.
pub(super) fn merges(held: Option<&Value>, covers: u64) -> bool {
    let plain = |entry: &Value| entry.get("covers").is_none();
    let mut entries = held.and_then(Value::as_array).into_iter().flatten();
    entries.any(|entry| plain(entry) && place(entry) <= covers)
}

/// What is left of a document after a delete of this version.
pub(super) fn left(held: &Value, version: u64) -> Option<Value> {
    let mut entries = entries(Some(held));
    entries.retain(|entry| entry.get("version").and_then(whole) > Some(version));
    (!entries.is_empty()).then(|| entries.into())
}

/// Whether an op is for documents alone.
pub(super) fn is_op(op: &Value) -> bool {
    op["op"] == "append" || op["op"] == "compact"
}

/// What an op of these makes of a document; nothing, if it changes nothing; none at all, if it says too little.
pub(super) fn written(
    held: Option<&Value>,
    op: &Value,
    version: u64,
) -> Option<Option<(Value, Patched)>> {
    let data = op.get("data")?;
    if op["op"] == "append" {
        return Some(Some((appended(held, version, data), Patched::Appended)));
    }
    let covers = op.get("covers").and_then(whole)?;
    let value = merges(held, covers).then(|| compacted(held, version, covers, data));
    Some(value.map(|value| (value, Patched::Compacted)))
}
