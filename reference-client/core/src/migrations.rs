//! Migrations: what a newer app makes of what an older one has left, and of what older ones still write (`spec/v1/tables.md`, *Evolution*).
//!
//! The base is what the server said, always: its digests are of that, and older apps go on writing rows of their form. So the app's functions
//! are not run over the base once, but whenever a row is read: they take what is in the new form already as it is. The outbox is another matter: what was
//! never sent is brought to the new form, once, in one transaction with the version that the store then has. What may have been sent is immutable.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use syncline_schemas::{Json, Op, Patch};

use crate::env::Env;
use crate::replica::Replica;
use crate::stored::{Entry, StoreChange};

type RowFunction = Arc<dyn Fn(Value) -> Value + Send + Sync>;
type PatchFunction = Arc<dyn Fn(PatchFields) -> PatchFields + Send + Sync>;

/// What brings values of a table from the form before to the next: functions without effects, of which the same always makes the same.
#[derive(Clone)]
pub struct Migration {
    row: RowFunction,
    patch: Option<PatchFunction>,
}

/// What a patch does to fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchFields {
    /// The fields that get a value, with it.
    pub set: BTreeMap<String, Value>,
    /// The fields that go.
    pub removed: Vec<String>,
}

impl Migration {
    /// `row` makes of a row's value in the form before one in the new form. It is given values in the new form as well, from others who write it already, and gives
    /// them back as they are.
    pub fn new(row: impl Fn(Value) -> Value + Send + Sync + 'static) -> Migration {
        let (row, patch) = (Arc::new(row), None);
        Migration { row, patch }
    }

    /// `patch` does the same for patches that were never sent. Without it they stay as they were written: of a part of a row nobody else can know what
    /// it means in another form.
    #[must_use]
    pub fn patches(
        mut self,
        patch: impl Fn(PatchFields) -> PatchFields + Send + Sync + 'static,
    ) -> Migration {
        self.patch = Some(Arc::new(patch));
        self
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Migration")
    }
}

/// All that an app has, by table and by the version that each leads to.
#[derive(Clone, Debug, Default)]
pub struct Migrations {
    steps: BTreeMap<String, BTreeMap<u64, Migration>>,
    /// The versions that the app says that it knows of tables.
    known: BTreeMap<String, u64>,
}

/// A store was used by an app that knew a later version of a table than this one (`TAB-CLIENT-NEWER`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewerStore {
    /// The table.
    pub table: String,
    /// The version that the store has been brought to.
    pub stored: u64,
    /// The version that the app knows; 0, if it knows of none.
    pub known: u64,
}

impl fmt::Display for NewerStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, stored, known) = (&self.table, self.stored, self.known);
        write!(
            out,
            "the store was used by a newer app: it has the table {table:?} in version {stored}, this app knows up to {known}"
        )
    }
}

impl std::error::Error for NewerStore {}

impl Migrations {
    /// The app has one that leads to this version of a table, from whatever version is next below it.
    pub fn add(&mut self, table: &str, version: u64, migration: Migration) {
        let steps = self.steps.entry(table.to_owned()).or_default();
        steps.insert(version, migration);
        self.know(table, version);
    }

    /// The app knows a table in this version at least.
    pub fn know(&mut self, table: &str, version: u64) {
        let known = self.known.entry(table.to_owned()).or_default();
        *known = version.max(*known);
    }

    /// Whether there are any for a table.
    #[must_use]
    pub fn are_for(&self, table: &str) -> bool {
        self.steps.contains_key(table)
    }

    /// The tables that there are any for.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.steps.keys().map(String::as_str)
    }

    /// The versions of tables that the app knows.
    #[must_use]
    pub fn known(&self) -> &BTreeMap<String, u64> {
        &self.known
    }

    /// What the app sees of a value of a table (`TAB-CLIENT-MIGRATED`).
    #[must_use]
    pub fn upcast(&self, table: &str, value: &Json) -> Json {
        self.upcast_from(table, 0, value)
    }

    fn upcast_from(&self, table: &str, version: u64, value: &Json) -> Json {
        let Some(steps) = self.steps.get(table) else {
            return value.clone();
        };
        let Ok(before) = value.to_value() else {
            return value.clone();
        };
        let steps = steps.range(version + 1..);
        let after = steps.fold(before.clone(), |value, (_, step)| (step.row)(value));
        // The text stays where nothing has changed. What is too deep to be a value stays as well.
        let changed = (after != before).then(|| Json::parse(&after.to_string()).ok());
        changed.flatten().unwrap_or_else(|| value.clone())
    }

    /// The op, in the form that the app knows; nothing, where it stays as it is.
    fn rewritten(&self, op: &Op, version_of: impl Fn(&str) -> u64) -> Option<Op> {
        let mut op = op.clone();
        let (table, _) = op.row()?;
        let (version, known) = (version_of(table), self.known.get(table).copied()?);
        if version >= known || !self.are_for(table) {
            return None;
        }
        match &mut op {
            Op::Set(op) => op.value = self.upcast_from(&op.table, version, &op.value),
            Op::Patch(op) => self.rewrite_patch(op, version)?,
            _ => return None,
        }
        match &mut op {
            Op::Set(op) => op.schema_version = op.schema_version.map(|_| known),
            Op::Patch(op) => op.schema_version = op.schema_version.map(|_| known),
            _ => {}
        }
        Some(op)
    }

    /// Rewrites a patch, if there is a function for it at each step, and something is left of it.
    fn rewrite_patch(&self, op: &mut Patch, version: u64) -> Option<()> {
        let steps = self.steps.get(&op.table)?.range(version + 1..);
        let steps: Option<Vec<_>> = steps.map(|(_, step)| step.patch.as_ref()).collect();
        let set = op.fields.iter().flatten();
        let set = set.map(|(name, value)| Some((name.clone(), value.to_value().ok()?)));
        let before = PatchFields {
            set: set.collect::<Option<_>>()?,
            removed: op.remove.clone().unwrap_or_default(),
        };
        let after = steps?.into_iter().fold(before, |fields, step| step(fields));
        if after.set.is_empty() && after.removed.is_empty() {
            return None;
        }
        let set = after.set.into_iter();
        let set = set.map(|(name, value)| Some((name, Json::parse(&value.to_string()).ok()?)));
        let set: BTreeMap<String, Json> = set.collect::<Option<_>>()?;
        op.fields = (!set.is_empty()).then_some(set);
        op.remove = (!after.removed.is_empty()).then_some(after.removed);
        Some(())
    }
}

impl Replica {
    /// The app has these migrations. To be called once, before any other input: the store is brought to the versions that the app knows, in the first
    /// transaction (`TAB-CLIENT-ONCE`).
    ///
    /// # Errors
    /// The store has been brought to a later version than the app knows: nothing has changed, and the replica is not to be used.
    pub fn migrate(&mut self, migrations: Migrations, env: Env) -> Result<(), NewerStore> {
        self.env = env;
        let stored = self.durable.meta().migrated.clone();
        for (table, version) in &stored {
            let known = migrations.known.get(table).copied().unwrap_or(0);
            if *version > known {
                let (table, stored) = (table.clone(), *version);
                return Err(NewerStore {
                    table,
                    stored,
                    known,
                });
            }
        }
        let version_of = |table: &str| stored.get(table).copied().unwrap_or(0);
        let unsent = self.durable.undecided();
        let unsent = unsent.filter(|entry| !self.may_have_been_sent(entry));
        let rewritten: Vec<Entry> = unsent
            .filter_map(|entry| migrations.rewritten_entry(entry, version_of))
            .collect();
        for entry in rewritten {
            self.durable.record(StoreChange::EntryPut(entry));
        }
        let known = migrations.known.iter();
        let known = known.filter(|(table, _)| migrations.are_for(table));
        let known: BTreeMap<String, u64> = known.map(|(table, to)| (table.clone(), *to)).collect();
        self.durable.record_meta(|meta| meta.migrated.extend(known));
        // What the app saw of its writes before it was open, nobody saw.
        self.durable.take_view_changes();
        self.migrations = migrations;
        Ok(())
    }

    /// Ops that were written in whatever form, as a mutation of now: every function is run, for those in the new form stay as they are.
    pub(crate) fn in_form(&self, ops: Vec<Op>) -> Vec<Op> {
        let new = |op: Op| self.migrations.rewritten(&op, |_| 0).unwrap_or(op);
        ops.into_iter().map(new).collect()
    }
}

impl Migrations {
    fn rewritten_entry(
        &self,
        entry: &Entry,
        version_of: impl Fn(&str) -> u64 + Copy,
    ) -> Option<Entry> {
        let mut entry = entry.clone();
        let mut changed = false;
        for op in &mut entry.ops {
            if let Some(new) = self.rewritten(op, version_of) {
                changed |= new != *op;
                *op = new;
            }
        }
        changed.then_some(entry)
    }
}
