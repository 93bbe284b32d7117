//! Filters of random runs: each as it is asked for, and what it takes, said once more.

use serde_json::{Value, json};
use syncline_schemas::{Json, JsonObject};

use super::log::Rows;

/// A filter, and which values it takes.
type Known = (fn() -> Value, fn(&Value) -> bool);

const FILTERS: [Known; 4] = [
    (|| json!({ "field": "n", "eq": 0 }), |value| value["n"] == 0),
    (
        || json!({ "field": "n", "in": [1, 0] }),
        |value| value["n"] == 0 || value["n"] == 1,
    ),
    (
        || json!({ "not": { "or": [{ "field": "n", "gte": 2 }, { "field": "c", "gt": 0 }] } }),
        |value| value["n"] != 2 && value.get("c").is_none(),
    ),
    (
        || json!({ "and": [{ "field": "b", "gte": 0 }, { "field": "n", "lt": 2 }] }),
        |value| value["b"].is_number() && (value["n"] == 0 || value["n"] == 1),
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
    let Some(filter) = settings.get("where") else {
        return;
    };
    let known = FILTERS.iter().find(|(known, _)| known() == *filter);
    let (_, takes) = known.expect("a filter of these");
    let takes = |value: &Json| takes(&value.to_value().expect("a value"));
    rows.retain(|(of, _), (_, value)| of != table || takes(value));
}
