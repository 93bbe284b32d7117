//! Filters, as the specification's chapter has them: read and judged here anew, straight from the frames' JSON, so that no fault is shared with those who are judged.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::replica::{Row, RowKey, RowName};
use crate::history::Frame;
use crate::matcher::equal;

/// The filters of a shape, by table. Two are the same if their canonical forms are.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    wheres: BTreeMap<String, Value>,
    canonical: String,
}

impl PartialEq for Filters {
    fn eq(&self, other: &Filters) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Filters {}

impl PartialOrd for Filters {
    fn partial_cmp(&self, other: &Filters) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Filters {
    fn cmp(&self, other: &Filters) -> Ordering {
        self.canonical.cmp(&other.canonical)
    }
}

impl Filters {
    /// The filters of a `subscribe`.
    #[must_use]
    pub fn of(subscribe: &Frame) -> Filters {
        let tables = subscribe.member("tables").and_then(Value::as_object);
        let wheres = tables
            .into_iter()
            .flatten()
            .filter_map(|(table, settings)| {
                let filter = settings.get("where")?;
                Some((table.clone(), filter.clone()))
            });
        let wheres: BTreeMap<String, Value> = wheres.collect();
        let canonical = match wheres.is_empty() {
            true => String::new(),
            false => serde_json_canonicalizer::to_string(&wheres).unwrap_or_default(),
        };
        Filters { wheres, canonical }
    }

    /// Whether no table has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wheres.is_empty()
    }

    /// The filter of a table.
    #[must_use]
    pub fn of_table(&self, table: &str) -> Option<&Value> {
        self.wheres.get(table)
    }

    /// Each table's filter.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.wheres.iter()
    }

    /// Whether a row of this table, key and value is in the shape. A document's value, the list of its entries, has no fields (DOC-FILTER).
    #[must_use]
    pub fn take(&self, (table, key): RowName<'_>, value: &Value) -> bool {
        self.of_table(table)
            .is_none_or(|filter| holds(filter, key, value))
    }

    /// The rows among these that are in the shape.
    #[must_use]
    pub fn among(&self, rows: &BTreeMap<RowKey, Row>) -> BTreeMap<RowKey, Row> {
        let taken = rows
            .iter()
            .filter(|((table, key), row)| self.take((table, key), &row.value));
        taken.map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    /// How many nodes they have, all together.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.wheres.values().map(nodes).sum()
    }

    /// How many bytes they have in canonical form, all together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let texts = { self.wheres.values() }
            .filter_map(|filter| serde_json_canonicalizer::to_vec(filter).ok());
        texts.map(|text| text.len() as u64).sum()
    }
}

/// Whether a key and a value match a filter. What is no filter matches nothing.
fn holds(filter: &Value, key: &str, value: &Value) -> bool {
    let list = |name: &str| filter.get(name).and_then(Value::as_array);
    if let Some(name) = filter.get("field").and_then(Value::as_str) {
        // Of a list `get` by a name gives nothing either.
        return value.get(name).is_some_and(|field| compares(filter, field));
    }
    if let Some(keys) = list("keys") {
        return keys.iter().any(|one| one == key);
    }
    if let Some(all) = list("and") {
        return all.iter().all(|filter| holds(filter, key, value));
    }
    if let Some(any) = list("or") {
        return any.iter().any(|filter| holds(filter, key, value));
    }
    filter
        .get("not")
        .is_some_and(|filter| !holds(filter, key, value))
}

/// Whether a field that is there is as a comparison has it.
fn compares(filter: &Value, field: &Value) -> bool {
    if let Some(other) = filter.get("eq") {
        return equal(other, field);
    }
    if let Some(others) = filter.get("in").and_then(Value::as_array) {
        return others.iter().any(|other| equal(other, field));
    }
    let bounds = [
        ("gt", [false, false, true]),
        ("gte", [false, true, true]),
        ("lt", [true, false, false]),
        ("lte", [true, true, false]),
    ];
    bounds.into_iter().all(|(name, [less, same, more])| {
        filter
            .get(name)
            .is_none_or(|bound| match order(field, bound) {
                Some(Ordering::Less) => less,
                Some(Ordering::Equal) => same,
                Some(Ordering::Greater) => more,
                None => false,
            })
    })
}

/// How two numbers stand to each other, or two strings, by their code points.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => Some(one.chars().cmp(other.chars())),
        (None, None) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        _ => None,
    }
}

fn nodes(filter: &Value) -> u64 {
    let members = ["and", "or", "in", "keys"]
        .iter()
        .filter_map(|name| filter.get(name)?.as_array());
    let within = |name: &str| filter.get(name).map_or(0, nodes);
    let plain = filter.get("in").or_else(|| filter.get("keys")).is_some();
    let listed = members
        .flatten()
        .map(|node| if plain { 1 } else { nodes(node) });
    1 + listed.sum::<u64>() + within("not")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_hold() {
        let vectors = include_str!("../../../schemas/v1/vectors/filters.json");
        let vectors: Value = serde_json::from_str(vectors).expect("JSON");
        let vectors = vectors["filters"].as_array().expect("a list");
        assert!(vectors.len() > 20);
        for vector in vectors {
            let subscribe =
                serde_json::json!({ "tables": { "t": { "where": vector["where"] }, "u": {} } });
            let filters = Filters::of(&Frame::text(subscribe.to_string()));
            let key = vector["key"].as_str().unwrap_or("k");
            for (list, expected) in [("matches", true), ("not", false)] {
                for text in vector[list].as_array().expect("a list") {
                    let value: Value =
                        serde_json::from_str(text.as_str().expect("a text")).expect("JSON");
                    assert_eq!(
                        filters.take(("t", key), &value),
                        expected,
                        "{}: {text}",
                        vector["what"]
                    );
                    assert!(filters.take(("u", key), &value));
                }
            }
            assert_eq!(filters.nodes(), vector["nodes"], "{}", vector["what"]);
            assert_eq!(
                filters.bytes(),
                vector["canonical"].as_str().expect("a text").len() as u64
            );
        }
    }
}
