//! Filters: which rows of its tables a shape has, and what is told of a row that has changed.
//!
//! No history is kept, so what a row was is known only while its change is new: until the next pump each changed row of a table that anyone
//! filters is noted with the value that it had at the last one. A live shape is told of a row by both values, and of one that it neither had nor has it
//! is told nothing. Each value is read once a pump, however many filters look at it. A document has its key alone, so it is in a shape for ever, or never.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use syncline_schemas::errors;
use syncline_schemas::{Bound, ErrorMessage, Filter, Json, JsonObject, Limits, Side};

use crate::journal::Undo;
use crate::subscriptions::refuse;
use crate::table::{ChangeRef, Position};

mod keys;

/// The setting of a table that is its filter.
pub(crate) const WHERE: &str = "where";

/// The filters of a shape, by table. Two are equal if their canonical forms are.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    by_table: BTreeMap<Arc<str>, Filter>,
    /// The only keys that can match, of the tables whose filter names them.
    keys: BTreeMap<Arc<str>, Vec<Arc<str>>>,
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

/// The filters of a shape; none, if no table has one.
pub(crate) type ShapeFilters = Option<Arc<Filters>>;

impl Filters {
    /// Reads the filters among the settings of a shape's tables (FLT-INVALID, FLT-SIZE).
    pub(crate) fn read(
        tables: &BTreeMap<String, JsonObject>,
        limits: &Limits,
    ) -> Result<ShapeFilters, Box<ErrorMessage>> {
        let (mut by_table, mut keys) = (BTreeMap::new(), BTreeMap::new());
        let (mut canonical, mut nodes, mut bytes) = (String::new(), 0, 0);
        for (table, settings) in tables {
            let Some(value) = settings.get(WHERE) else {
                continue;
            };
            let filter = Filter::read(value).or_else(|fault| {
                refuse(
                    &errors::INVALID_FILTER,
                    &fault.reason,
                    &[table, &WHERE.to_owned()],
                )
                .map_err(|refused| at_place(refused, &fault.at))
            })?;
            let text = filter.canonical();
            nodes += filter.nodes();
            bytes += text.len() as u64;
            // No text in JSON has a line break as it stands: tables and filters are told apart.
            canonical.extend([table, "\n", &text, "\n"]);
            let table: Arc<str> = Arc::from(table.as_str());
            if let Some(named) = keys::named(&filter) {
                keys.insert(table.clone(), named.into_iter().map(Arc::from).collect());
            }
            by_table.insert(table, filter);
        }
        let checked = [
            (nodes, "nodes", limits.filter_nodes_max, "filterNodesMax"),
            (bytes, "bytes", limits.filter_bytes_max, "filterBytesMax"),
        ];
        for (amount, what, most, limit) in checked {
            let most = most.unwrap_or(0);
            if amount > most {
                let message = format!("filters of {amount} {what}, limits.{limit} is {most}");
                return refuse(&errors::INVALID_FILTER, &message, &[]);
            }
        }
        let filters = Filters {
            by_table,
            keys,
            canonical,
        };
        Ok((!filters.by_table.is_empty()).then(|| Arc::new(filters)))
    }

    /// Whether a table has a filter.
    pub(crate) fn has(&self, table: &str) -> bool {
        self.by_table.contains_key(table)
    }

    /// The only keys of a table that can match, if its filter names them.
    pub(crate) fn keys_of(&self, table: &str) -> Option<&[Arc<str>]> {
        self.keys.get(table).map(Vec::as_slice)
    }

    /// The filter of a table as it is told (FLT-TOLD): in canonical form, for that is what is bounded.
    pub(crate) fn told(&self, table: &str) -> Option<Value> {
        let canonical = self.by_table.get(table)?.canonical();
        serde_json::from_str(&canonical).ok()
    }

    /// Whether a row that is there is in the shape (FLT-MATCH).
    pub(crate) fn has_row(&self, table: &str, key: &str, value: &Json) -> bool {
        let filter = self.by_table.get(table);
        filter.is_none_or(|filter| matches(filter, key, &Fields::of(value)))
    }

    /// Whether a document is in the shape: it has no fields (DOC-FILTER).
    fn has_document(&self, table: &str, key: &str) -> bool {
        let filter = self.by_table.get(table);
        filter.is_none_or(|filter| matches(filter, key, &Fields::none()))
    }

    /// Whether a subscriber may ever hold what is of this key.
    fn may_have(&self, change: &ChangeRef<'_>) -> bool {
        if change.row().is_none() {
            return self.has_document(change.table, change.key);
        }
        let filter = self.by_table.get(change.table);
        filter.is_none_or(|filter| keys::settled(filter, change.key) != Some(false))
    }

    /// What goes into an update in parts, of the next changes: what matches, and beside it rows that have changed behind `base`, for they may be held. About as much as
    /// a part takes, and no more than can be looked at without holding others up.
    pub(crate) fn pick<'a>(
        &self,
        changes: impl Iterator<Item = ChangeRef<'a>>,
        base: u64,
        part_bytes: usize,
    ) -> Picked<'a> {
        let mut picked = Picked::default();
        let (mut looked_at, mut filled) = (0, 0);
        let mut last = None;
        for change in changes {
            if looked_at > SCAN_BYTES || filled > part_bytes {
                picked.scanned = last;
                break;
            }
            let (value, position) = (change.value(), change.position);
            let bytes = ROW_BYTES + change.bytes();
            let is = |value: &Json| self.has_row(change.table, change.key, value);
            let leaves = value.is_some_and(|value| !is(value));
            let is_told = position.version > base || !(change.is_delete() || leaves);
            if is_told && self.may_have(&change) {
                picked.changes.push(ChangeRef { leaves, ..change });
                filled += bytes;
            }
            looked_at += bytes;
            last = Some(position);
        }
        picked
    }

    /// What a live shape is told of a change, of which the row before is known; nothing, if it neither had the row nor has it.
    pub(crate) fn told_change<'a>(
        &self,
        change: ChangeRef<'a>,
        changed: &ChangedRows,
    ) -> Option<ChangeRef<'a>> {
        let Some(filter) = self.by_table.get(change.table) else {
            return Some(change);
        };
        let Some(row) = change.row() else {
            let is = matches(filter, change.key, &Fields::none());
            return is.then_some(change);
        };
        let known = changed.find(change.table, change.key);
        let is = match (&row.value, known) {
            (None, _) => false,
            (Some(value), None) => matches(filter, change.key, &Fields::of(value)),
            (Some(value), Some(known)) => {
                let fields = known.is.get_or_init(|| Fields::of(value));
                matches(filter, change.key, fields)
            }
        };
        // Of what is not known the subscriber may hold a row.
        let was = known.is_none_or(|known| known.was_in(filter, change.key));
        let leaves = !is && row.value.is_some();
        (is || was).then_some(ChangeRef { leaves, ..change })
    }
}

/// Changes that go into an update.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picked<'a> {
    pub(crate) changes: Vec<ChangeRef<'a>>,
    /// Up to where it was looked, if that was not the end.
    pub(crate) scanned: Option<Position>,
}

/// Bytes of rows that are looked at in one go, about: some milliseconds.
const SCAN_BYTES: usize = 1024 * 1024;

/// What it costs to look at a row beside its value, in bytes of value.
const ROW_BYTES: usize = 64;

/// An error at a place within the place that it names, if it names it whole.
fn at_place(mut refused: Box<ErrorMessage>, rest: &str) -> Box<ErrorMessage> {
    if let Some(at) = refused.at.as_mut().filter(|at| at.ends_with("/where")) {
        at.push_str(rest);
    }
    refused
}

/// The members at the top of a value; none, if it is no object.
#[derive(Clone, Debug)]
struct Fields(Map<String, Value>);

impl Fields {
    fn none() -> Fields {
        Fields(Map::new())
    }

    fn of(value: &Json) -> Fields {
        // What is no object has no field; so has what nobody can read, which no frame has brought.
        match value.to_value() {
            Ok(Value::Object(fields)) => Fields(fields),
            _ => Fields::none(),
        }
    }
}

/// Whether what has this key and these fields matches.
fn matches(filter: &Filter, key: &str, fields: &Fields) -> bool {
    let found = |field: &String| fields.0.get(field);
    match filter {
        Filter::Eq { field, value } => found(field).is_some_and(|found| equal(found, value)),
        Filter::In { field, values } => {
            found(field).is_some_and(|found| values.iter().any(|value| equal(found, value)))
        }
        Filter::Range { field, bounds } => found(field).is_some_and(|found| {
            bounds
                .iter()
                .all(|(side, bound)| within(found, *side, bound))
        }),
        Filter::Keys(keys) => keys.iter().any(|one| one == key),
        Filter::And(filters) => filters.iter().all(|filter| matches(filter, key, fields)),
        Filter::Or(filters) => filters.iter().any(|filter| matches(filter, key, fields)),
        Filter::Not(filter) => !matches(filter, key, fields),
    }
}

/// Whether two values are the same as JSON values: numbers as doubles.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value)| other.get(name).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        (one, other) => one == other,
    }
}

/// Whether a value is of the type of a bound, and on this side of it.
fn within(value: &Value, side: Side, bound: &Bound) -> bool {
    let order = match (value, bound) {
        (Value::Number(number), Bound::Number(bound)) => {
            number.as_f64().and_then(|number| number.partial_cmp(bound))
        }
        // Bytes of UTF-8 have the order of code points.
        (Value::String(text), Bound::Text(bound)) => Some(text.as_bytes().cmp(bound.as_bytes())),
        _ => None,
    };
    order.is_some_and(|order| match side {
        Side::Gt => order.is_gt(),
        Side::Gte => order.is_ge(),
        Side::Lt => order.is_lt(),
        Side::Lte => order.is_le(),
    })
}

/// A row that has changed since the last pump.
#[derive(Clone, Debug)]
struct ChangedRow {
    /// Its value at the last pump, if it was there.
    before: Option<Json>,
    was: OnceLock<Fields>,
    is: OnceLock<Fields>,
}

impl ChangedRow {
    fn was_in(&self, filter: &Filter, key: &str) -> bool {
        let was = |before| self.was.get_or_init(|| Fields::of(before));
        let before = self.before.as_ref();
        before.is_some_and(|before| matches(filter, key, was(before)))
    }
}

/// The rows that have changed since the last pump, of the tables that anyone filters.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChangedRows(BTreeMap<Arc<str>, HashMap<Arc<str>, ChangedRow>>);

impl ChangedRows {
    /// Notes what a record has replaced. What was noted first stands.
    pub(crate) fn note(&mut self, undo: &Undo) {
        let Undo::Row { table, key, before } = undo else {
            return;
        };
        let rows = self.0.entry(table.clone()).or_default();
        rows.entry(key.clone()).or_insert_with(|| ChangedRow {
            before: before.as_ref().and_then(|row| row.value.clone()),
            was: OnceLock::new(),
            is: OnceLock::new(),
        });
    }

    /// All shapes have been told.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn find(&self, table: &str, key: &str) -> Option<&ChangedRow> {
        self.0.get(table)?.get(key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_hold() {
        let vectors = include_str!("../../../schemas/v1/vectors/filters.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let vectors = vectors["filters"].as_array().unwrap();
        assert!(vectors.len() > 20);
        for vector in vectors {
            let filter = Filter::read(&vector["where"]).unwrap();
            let key = vector["key"].as_str().unwrap_or("k");
            for (list, expected) in [("matches", true), ("not", false)] {
                for value in vector[list].as_array().unwrap() {
                    let value = Json::parse(value.as_str().unwrap()).unwrap();
                    let found = matches(&filter, key, &Fields::of(&value));
                    assert_eq!(found, expected, "{}: {value}", vector["what"]);
                    // What a key alone says is never wrong.
                    let settled = keys::settled(&filter, key);
                    assert!(settled.is_none_or(|settled| settled == expected));
                    let named = keys::named(&filter);
                    assert!(!expected || named.is_none_or(|named| named.contains(key)));
                }
            }
        }
    }
}
