//! Filters: apps change what they want of a shape, and the model serves it.

use std::collections::BTreeMap;

use serde_json::Value;
use syncline_schemas::{Change, Filter, Json, JsonObject, Remove, Side};

use super::documents::DOCUMENTS;
use super::world::{World, shapes};

/// The tables of a shape, each with the number of its filter.
pub(crate) type Shape = BTreeMap<String, Option<usize>>;

/// A filter, and which keys and values it takes.
type Known = (fn() -> Filter, fn(&str, &Value) -> bool);

const FILTERS: [Known; 5] = [
    (|| Filter::eq("b", 0), |_, value| value["b"] == 0),
    (
        || Filter::range("a", Side::Gte, 0.0).not(),
        |_, value| value.get("a").is_none(),
    ),
    (
        || Filter::range("c", Side::Gt, 0.0).or(Filter::within("b", [0])),
        |_, value| value.get("c").is_some() || value["b"] == 0,
    ),
    (|| Filter::keys(["k0"]), |key, _| key == "k0"),
    (
        || Filter::keys(["k1", "k0"]),
        |key, _| key == "k0" || key == "k1",
    ),
];

/// The filter of a table, by its number.
pub(crate) fn filter(number: usize) -> Filter {
    FILTERS[number].0()
}

/// A shape as it is subscribed to.
pub(crate) fn shape_of(tables: &BTreeMap<String, JsonObject>) -> Shape {
    let number = |settings: &JsonObject| {
        let filter = Filter::read(settings.get("where")?).expect("a filter");
        let known =
            { FILTERS.iter() }.position(|(known, _)| known().canonical() == filter.canonical());
        Some(known.expect("a filter of these"))
    };
    { tables.iter() }
        .map(|(table, settings)| (table.clone(), number(settings)))
        .collect()
}

/// Whether a row is in a shape.
pub(crate) fn takes(shape: &Shape, (table, key): (&str, &str), value: &Json) -> bool {
    match shape.get(table) {
        None => false,
        Some(None) => true,
        Some(Some(number)) => FILTERS[*number].1(key, &value.to_value().expect("a value")),
    }
}

/// Whether a document is in a shape: it has no fields (DOC-FILTER).
pub(crate) fn takes_document(shape: &Shape, table: &str, key: &str) -> bool {
    takes(shape, (table, key), &Json::parse("null").expect("JSON"))
}

/// A change as it is told to a subscriber who may hold the row; nothing of a document that nobody of this shape ever holds.
pub(crate) fn told(shape: &Shape, change: &Change) -> Option<Change> {
    let (table, key) = (change.table(), change.key());
    match change {
        _ if table == DOCUMENTS => takes_document(shape, table, key).then(|| change.clone()),
        Change::Set(set) if !takes(shape, (table, key), &set.value) => {
            Some(Change::Remove(Remove {
                table: set.table.clone(),
                key: set.key.clone(),
                version: set.version,
            }))
        }
        change => Some(change.clone()),
    }
}

impl World {
    /// The app wants of a shape what one filter takes of its first table, and another of its documents, or all of it.
    pub(crate) fn refilter(&mut self, index: usize, choice: u8) {
        let tables = shapes().swap_remove(usize::from(choice) % 2);
        let first = tables.iter().next().cloned().unwrap_or_default();
        let documents = tables.get(DOCUMENTS).cloned();
        let numbers = [choice / 2, choice / 16].map(|number| usize::from(number) % 8);
        let wanted = { [Some(first), documents].into_iter().zip(numbers) }
            .filter(|(_, number)| *number < FILTERS.len());
        let filters: BTreeMap<_, _> = wanted
            .filter_map(|(table, number)| Some((table?, filter(number))))
            .collect();
        let env = self.env();
        let client = &mut self.clients[index];
        client.filtered = true;
        client.filters.insert(tables.clone(), filters.clone());
        client
            .replica
            .subscribe_where(tables, filters, env)
            .unwrap();
        self.settle(index);
    }
}
