//! What a history tells of single fields, in tables of granularity `field`: what had to become of each field of an op, and what is kept of fields afterwards.
//! The procedure is that of the chapter on fields, made anew from its text.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::replay::moment::Moment;
use super::replica::RowName;
use crate::history::whole;

/// What must become of an op in a table of granularity `field`, and what the server said.
#[derive(Clone, Debug)]
pub struct FieldsFate<'a> {
    /// Which op of the mutation.
    pub at: u64,
    /// The row.
    pub row: RowName<'a>,
    /// The table's strategy.
    pub strategy: &'a str,
    /// Whether the op is a `set`.
    pub is_set: bool,
    /// The fields that it names, in the order of their names; none, if it is decided whole.
    pub fields: Option<Vec<FieldFate>>,
    /// What was told of the op.
    pub told: Option<&'a Value>,
}

/// What must become of a field of an op, and what the server said.
#[derive(Clone, Debug)]
pub struct FieldFate {
    /// Its name.
    pub name: String,
    /// Whether others had changed it since the writer saw it; none if nobody can say.
    pub concurrent: Option<bool>,
    /// Whether it must be superseded; none if nobody can say.
    pub loses: Option<bool>,
    /// Whether the server said that it was; none if it did not say all.
    pub superseded: Option<bool>,
    /// What stood before the op; none: the row had no such field.
    pub stood: Option<Value>,
    /// The version of its last change before the op, or of the last removal.
    pub version: u64,
}

/// What is known of the last change of a field.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) version: u64,
    /// Empty: nobody is known.
    pub(super) writer: &'a str,
    pub(super) others: u64,
    pub(super) moment: Moment,
}

/// What is known of the fields of a row.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    each: BTreeMap<String, Entry<'a>>,
    removals: Entry<'a>,
}

/// Of a row with more fields nothing is kept of single ones.
pub(super) const FIELDS_MAX: usize = 256;

/// A write that names fields of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldWrite<'w, 'a> {
    pub(super) op: &'a Value,
    pub(super) at: u64,
    pub(super) row: RowName<'a>,
    pub(super) client: &'a str,
    pub(super) version: u64,
    pub(super) moment: Moment,
    pub(super) strategy: &'a str,
    /// The fields that the row has.
    pub(super) held: &'w Map<String, Value>,
    /// The version at which the row's life began.
    pub(super) life: u64,
    /// Whether a server must know that, and what was before it.
    pub(super) is_sure: bool,
    pub(super) told: Option<&'a Value>,
}

impl<'a> Entry<'a> {
    /// Where nothing was, as far as anybody knows.
    pub(super) fn unknown() -> Entry<'a> {
        Entry {
            version: 0,
            writer: "",
            others: 0,
            moment: Moment::NEVER,
        }
    }

    fn other(&self, client: &str) -> u64 {
        match self.writer == client {
            true => self.others,
            false => self.version,
        }
    }

    fn written(&self, client: &'a str, version: u64, moment: Moment) -> Entry<'a> {
        Entry {
            version,
            writer: client,
            others: self.other(client),
            moment: self.moment.later(moment),
        }
    }
}

impl<'a> Fields<'a> {
    /// Where all fields are as the row.
    pub(super) fn of_row(row: Entry<'a>, held: &Map<String, Value>) -> Fields<'a> {
        let each = held.keys().map(|name| (name.clone(), row.clone()));
        Fields {
            each: each.collect(),
            removals: row,
        }
    }

    /// What is kept of a row that was made where there was none, of these fields.
    pub(super) fn of_new(
        removals: Entry<'a>,
        made: &Map<String, Value>,
        client: &'a str,
        version: u64,
        moment: Moment,
    ) -> Fields<'a> {
        let entry = removals.written(client, version, moment);
        let each = made.keys().map(|name| (name.clone(), entry.clone()));
        Fields {
            each: each.collect(),
            removals,
        }
    }

    fn entry(&self, name: &str) -> &Entry<'a> {
        self.each.get(name).unwrap_or(&self.removals)
    }
}

impl<'w, 'a> FieldWrite<'w, 'a> {
    /// The fields that the op names, each with what it makes of it; nothing, if it is decided whole.
    fn named(&self) -> Option<BTreeMap<&'w str, Option<&'w Value>>>
    where
        'a: 'w,
    {
        let held = self.held;
        match self.op["op"].as_str()? {
            "set" => {
                let value = self.op.get("value")?.as_object()?;
                let removed = held.keys().map(|name| (name.as_str(), None));
                let set = value
                    .iter()
                    .map(|(name, value)| (name.as_str(), Some(value)));
                Some(removed.chain(set).collect())
            }
            "patch" => {
                let set = self.op.get("fields").and_then(Value::as_object);
                let set = set.into_iter().flatten();
                let set = set.map(|(name, value)| (name.as_str(), Some(value)));
                let removed = self.op.get("remove").and_then(Value::as_array);
                let removed = { removed.into_iter().flatten() }
                    .filter_map(Value::as_str)
                    .filter(|name| held.contains_key(*name))
                    .map(|name| (name, None));
                Some(set.chain(removed).collect())
            }
            _ => None,
        }
    }

    /// What must become of the op, and what was told of it.
    pub(super) fn fate(&self, before: &Fields<'a>) -> FieldsFate<'a> {
        let fields = self.named().map(|named| {
            let mut fates: Vec<FieldFate> = { named.keys() }
                .map(|name| self.field(name, before.entry(name)))
                .collect();
            let superseded = self.superseded(&fates);
            for fate in &mut fates {
                fate.superseded = superseded.as_ref().map(|all| all.contains(&fate.name));
            }
            fates
        });
        FieldsFate {
            at: self.at,
            row: self.row,
            strategy: self.strategy,
            is_set: self.op["op"] == "set",
            fields,
            told: self.told,
        }
    }

    fn field(&self, name: &str, entry: &Entry<'a>) -> FieldFate {
        let base = self.op.get("base").and_then(whole).unwrap_or(0);
        let other = entry.other(self.client);
        let concurrent = match base {
            _ if self.op.get("ifVersion").is_some() => Some(false),
            // A server need not know what was before the row's present life, nor, perhaps, when that began.
            _ if !self.is_sure && other < self.life && base < self.life => None,
            0 => Some(other >= self.life),
            base => Some(other > base),
        };
        let loses = match (self.strategy, concurrent) {
            (_, Some(false)) => Some(false),
            ("server_wins", concurrent) => concurrent,
            _ if self.moment.surely_from(entry.moment) => Some(false),
            (_, Some(true)) if self.moment.surely_before(entry.moment) => Some(true),
            _ => None,
        };
        FieldFate {
            name: name.to_owned(),
            concurrent,
            loses,
            superseded: None,
            stood: self.held.get(name).cloned(),
            version: entry.version,
        }
    }

    /// The fields that the server said were superseded; nothing, if it did not name all, and they cannot be foretold.
    fn superseded(&self, fates: &[FieldFate]) -> Option<BTreeSet<String>> {
        let Some(told) = self.told else {
            return Some(BTreeSet::new());
        };
        match told["result"].as_str()? {
            "superseded" => Some(fates.iter().map(|fate| fate.name.clone()).collect()),
            "superseded_in_fields" => {
                let named: BTreeSet<String> = named_in(told).map(str::to_owned).collect();
                if told.get("count").and_then(whole) == Some(named.len() as u64) {
                    return Some(named);
                }
                let foretold: Option<Vec<bool>> = fates.iter().map(|fate| fate.loses).collect();
                let losers = fates.iter().zip(foretold?).filter(|(_, loses)| *loses);
                let losers: BTreeSet<String> = losers.map(|(fate, _)| fate.name.clone()).collect();
                let all = told.get("count").and_then(whole) == Some(losers.len() as u64);
                (all && named.is_subset(&losers)).then_some(losers)
            }
            _ => None,
        }
    }

    /// What the row becomes, and what is kept of its fields: nothing, if it stays as it is; none, if that is not known.
    pub(super) fn made(
        &self,
        before: &Fields<'a>,
        fates: &[FieldFate],
    ) -> Option<Option<(Cow<'a, Value>, Option<Fields<'a>>)>> {
        let named = self.named()?;
        let (mut value, mut after) = (self.held.clone(), before.clone());
        let mut lost = 0;
        for (fate, (name, written)) in fates.iter().zip(named) {
            let entry = before.entry(name);
            if fate.superseded? {
                lost += 1;
                continue;
            }
            let (client, version, moment) = (self.client, self.version, self.moment);
            match written {
                Some(written) => {
                    value.insert(name.to_owned(), written.clone());
                    let entry = entry.written(client, version, moment);
                    after.each.insert(name.to_owned(), entry);
                }
                None => {
                    value.remove(name);
                    after.each.remove(name);
                    let mut removals = after.removals.written(client, version, moment);
                    removals.others = removals.others.max(entry.other(client));
                    removals.moment = removals.moment.later(entry.moment);
                    after.removals = removals;
                }
            }
        }
        if lost > 0 && lost == fates.len() {
            return Some(None);
        }
        let after = (value.len() <= FIELDS_MAX).then_some(after);
        Some(Some((Cow::Owned(value.into()), after)))
    }
}

/// The fields that a `superseded_in_fields` names.
pub fn named_in(told: &Value) -> impl Iterator<Item = &str> {
    let conflicts = told.get("conflicts").and_then(Value::as_array);
    { conflicts.into_iter().flatten() }.filter_map(|conflict| conflict["field"].as_str())
}
