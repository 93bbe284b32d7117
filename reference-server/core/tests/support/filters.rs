//! Filters of random runs: each as it is asked for, and what it takes, said once more.

use serde_json::{Value, json};
use syncline_schemas::{Json, JsonObject};

use super::log::Rows;

/// A filter, and which keys and values it takes.
type Known = (fn() -> Value, fn(&str, &Value) -> bool);

const FILTERS: [Known; 6] = [
    (
        || json!({ "keys": ["k0", "k2", "k2"] }),
        |key, _| key == "k0" || key == "k2",
    ),
    (
        || json!({ "or": [{ "keys": ["k1"] }, { "and": [{ "keys": ["k0", "k2", "x"] }, { "not": { "field": "n", "eq": 1 } }] }] }),
        |key, value| key == "k1" || (key == "k0" || key == "k2") && value["n"] != 1,
    ),
    (
        || json!({ "field": "n", "eq": 0 }),
        |_, value| value["n"] == 0,
    ),
    (
        || json!({ "field": "n", "in": [1, 0] }),
        |_, value| value["n"] == 0 || value["n"] == 1,
    ),
    (
        || json!({ "not": { "or": [{ "field": "n", "gte": 2 }, { "field": "c", "gt": 0 }] } }),
        |_, value| value["n"] != 2 && value.get("c").is_none(),
    ),
    (
        || json!({ "and": [{ "field": "b", "gte": 0 }, { "field": "n", "lt": 2 }] }),
        |_, value| value["b"].is_number() && (value["n"] == 0 || value["n"] == 1),
    ),
];

/// The settings of a table under the filter of this number. Of the table `c` none, so that shapes are filtered in part.
pub(crate) fn settings(filter: usize, table: &str) -> JsonObject {
    let filter = FILTERS.get(filter).filter(|_| table != "c");
    let setting = filter.map(|(filter, _)| ("where".to_owned(), filter()));
    setting.into_iter().collect()
}

/// Leaves the rows that a table's settings take.
pub(crate) fn retain(rows: &mut Rows, table: &str, settings: &JsonObject) {
    rows.retain(|(of, key), (_, value)| of != table || takes(settings, key, value));
}

/// Whether a table's settings take a row.
fn takes(settings: &JsonObject, key: &str, value: &Json) -> bool {
    let Some(filter) = settings.get("where") else {
        return true;
    };
    let known = FILTERS.iter().find(|(known, _)| known() == *filter);
    let (_, takes) = known.expect("a filter of these");
    takes(key, &value.to_value().expect("a value"))
}

/// Whether they take a document: it has no fields (DOC-FILTER).
pub(crate) fn take_document(settings: &JsonObject, key: &str) -> bool {
    takes(settings, key, &Json::parse("null").expect("JSON"))
}
