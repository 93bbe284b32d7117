//! Filters: apps change what they want of a shape, and the model serves it.

use std::collections::BTreeMap;

use serde_json::Value;
use syncline_schemas::{Change, Filter, Json, JsonObject, Remove, Side};

use super::world::{World, shapes};

/// The tables of a shape, each with the number of its filter.
pub(crate) type Shape = BTreeMap<String, Option<usize>>;

/// A filter, and which values it takes.
type Known = (fn() -> Filter, fn(&Value) -> bool);

const FILTERS: [Known; 3] = [
    (|| Filter::eq("b", 0), |value| value["b"] == 0),
    (
        || Filter::range("a", Side::Gte, 0.0).not(),
        |value| value.get("a").is_none(),
    ),
    (
        || Filter::range("c", Side::Gt, 0.0).or(Filter::within("b", [0])),
        |value| value.get("c").is_some() || value["b"] == 0,
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
pub(crate) fn takes(shape: &Shape, table: &str, value: &Json) -> bool {
    match shape.get(table) {
        None => false,
        Some(None) => true,
        Some(Some(number)) => FILTERS[*number].1(&value.to_value().expect("a value")),
    }
}

/// A change as it is told to a subscriber who may hold the row.
pub(crate) fn told(shape: &Shape, change: &Change) -> Change {
    match change {
        Change::Set(set) if !takes(shape, &set.table, &set.value) => Change::Remove(Remove {
            table: set.table.clone(),
            key: set.key.clone(),
            version: set.version,
        }),
        change => change.clone(),
    }
}

impl World {
    /// The app wants of a shape what one filter takes of its first table, or all of it.
    pub(crate) fn refilter(&mut self, index: usize, choice: u8) {
        let tables = shapes().swap_remove(usize::from(choice) % 2);
        let number = usize::from(choice / 2) % 4;
        let first = tables.iter().next().cloned().unwrap_or_default();
        let filters = (number < FILTERS.len()).then(|| (first, filter(number)));
        let filters: BTreeMap<_, _> = filters.into_iter().collect();
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
