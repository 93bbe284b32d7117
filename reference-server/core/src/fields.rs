//! Writes that are decided field by field, in tables of granularity `field`: the chapter on fields, from where the row is there and is an object.
//!
//! Each field has an entry of its own, made of what a row has: who changed it last, when, and the last version at which anybody else did. The fields that a
//! row has not got share one. Most fields of most rows were written together, so their entries are kept once.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use syncline_schemas::{FieldConflict, Granularity, Json, Strategy, SupersededInFields};

use self::text::Text;
use crate::conflicts::{Trail, Write};
use crate::request::Action;
use crate::table::Row;
use crate::tables::Settings;

/// The most fields of one mutation that are named to its client (FLD-TOLD).
pub(crate) const NAMED_MAX: usize = 16;

/// Names of more bytes are not told: what is remembered of a client stays small.
const NAME_BYTES_MAX: usize = 64;

/// Of a row with more fields nothing is kept of single ones.
const FIELDS_MAX: usize = 256;

/// What is kept of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The version of its last change.
    pub version: u64,
    /// Who made it; nobody is known where deletes were forgotten.
    pub writer: Option<Arc<str>>,
    /// The last version at which anybody else changed it.
    pub others_version: u64,
    /// The moment of its last change, or a later one (FLD-FIELD-MOMENT).
    pub moment: u64,
}

/// What is kept of the fields of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Text", try_from = "Text")]
pub struct Entries {
    /// Of each field that the row has and that `each` does not name.
    pub rest: Entry,
    /// Of all fields that the row has not got.
    pub removals: Entry,
    /// Of single fields that the row has.
    pub each: BTreeMap<Arc<str>, Entry>,
}

impl Settings {
    /// Whether writes meet field by field. Where no write ever loses, nothing needs to be kept of fields.
    pub(crate) fn by_field(&self) -> bool {
        self.granularity == Some(Granularity::Field) && self.strategy() != Strategy::ClientWins
    }
}

impl Entry {
    /// What is kept of the row, as of one of its fields.
    fn of_row(row: &Row, settings: &Settings) -> Entry {
        Entry {
            version: row.position.version,
            writer: Some(row.writer.clone()),
            others_version: row.others_version,
            moment: row.moment(settings),
        }
    }

    /// The last version at which anybody but the writer changed it.
    fn other(&self, write: &Write<'_>) -> u64 {
        match self.writer.as_deref() == Some(write.client) {
            true => self.others_version,
            false => self.version,
        }
    }

    fn supersedes(&self, write: &Write<'_>, life: u64, settings: &Settings) -> bool {
        let other = self.other(write);
        let concurrent = match write.base.unwrap_or(0) {
            0 => other >= life.max(1),
            base => other > base,
        };
        let later = settings.strategy() != Strategy::LastWriteWins || write.moment < self.moment;
        concurrent && !write.locked && later
    }

    /// As it is once the field is written.
    fn written(&self, write: &Write<'_>, writer: &Arc<str>) -> Entry {
        Entry {
            version: write.version,
            writer: Some(writer.clone()),
            others_version: self.other(write),
            moment: self.moment.max(write.moment),
        }
    }

    /// As it is, for the fields that a row has not got, once one more was removed.
    fn removed(&self, field: &Entry, write: &Write<'_>, writer: &Arc<str>) -> Entry {
        let mut removals = self.written(write, writer);
        removals.others_version = removals.others_version.max(field.other(write));
        removals.moment = removals.moment.max(field.moment);
        removals
    }
}

impl Entries {
    /// What is kept of the fields of a row that is there: as the row, where it was written as a whole.
    fn of_row(row: &Row, settings: &Settings) -> Entries {
        let kept = row.trail.as_deref().and_then(|trail| trail.fields.as_ref());
        kept.map_or_else(
            || {
                let rest = Entry::of_row(row, settings);
                let removals = rest.clone();
                let each = BTreeMap::new();
                Entries {
                    rest,
                    removals,
                    each,
                }
            },
            |kept| Entries::clone(kept),
        )
    }

    /// What is kept once a write has made a row where there was none; of its last delete, if that is known.
    pub(crate) fn of_new(
        deleted: Option<&Row>,
        write: &Write<'_>,
        writer: &Arc<str>,
        settings: &Settings,
    ) -> Option<Box<Entries>> {
        let fields = write.value?.members()?.len();
        if fields > FIELDS_MAX {
            return None;
        }
        let unknown = || Entry {
            version: write.forgotten,
            writer: None,
            others_version: write.forgotten,
            moment: 0,
        };
        let removals = deleted.map_or_else(unknown, |row| Entry::of_row(row, settings));
        Some(Box::new(Entries {
            rest: removals.written(write, writer),
            removals,
            each: BTreeMap::new(),
        }))
    }

    /// Keeps once what is the same of all fields that the row has, so many.
    fn gather(&mut self, fields: usize) {
        let mut each = self.each.values();
        if let Some(first) = each.next()
            && self.each.len() == fields
            && each.all(|entry| entry == first)
        {
            self.rest = first.clone();
            self.each.clear();
        }
    }

    fn of_field(&self, name: &str, is_there: bool) -> &Entry {
        match (self.each.get(name), is_there) {
            (Some(entry), _) => entry,
            (None, true) => &self.rest,
            (None, false) => &self.removals,
        }
    }
}

/// What becomes of a write that names fields.
#[derive(Clone, Debug)]
pub(crate) enum FieldsFate {
    /// All fields stand, as written: the row has this value.
    Applies(Json, Trail),
    /// The row gets another value than the one written: some fields are superseded.
    InPart(Json, Trail, SupersededInFields),
    /// All fields are superseded: the row stays as it is.
    Superseded(SupersededInFields),
}

/// What an op makes of a field; nothing: it removes it.
type Change<'a> = Option<Written<'a>>;

/// The value that an op has for a field.
#[derive(Clone, Copy, Debug)]
enum Written<'a> {
    Field(&'a Json),
    Member(&'a RawValue),
}

impl Written<'_> {
    fn to_json(self) -> Json {
        match self {
            Written::Field(value) => value.clone(),
            Written::Member(value) => value.to_owned().into(),
        }
    }
}

/// The fields that a row has, by name.
type Held<'a> = BTreeMap<&'a str, &'a RawValue>;

/// A write of a row that is there, in a table whose fields are decided one by one.
#[derive(Clone, Debug)]
pub(crate) struct FieldWrite<'a> {
    pub(crate) write: Write<'a>,
    /// Whose it is.
    pub(crate) writer: Arc<str>,
    pub(crate) row: &'a Row,
    pub(crate) settings: &'a Settings,
    /// How many fields may be told by their names.
    pub(crate) named_max: usize,
}

impl FieldWrite<'_> {
    /// What becomes of the op of this index (FLD-APART); nothing, if it names no fields: then it is decided whole (FLD-WHOLE).
    pub(crate) fn fate(&self, index: usize, action: &Action) -> Option<FieldsFate> {
        let members = self.row.value.as_ref()?.members()?;
        let held: Held<'_> = { members.iter() }
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        let written;
        let named: BTreeMap<&str, Change<'_>> = match action {
            Action::Patch(patch) => {
                let set = patch.fields.iter().flatten();
                let set = set.map(|(name, value)| (&**name, Some(Written::Field(value))));
                let removed = { patch.remove.iter().flatten() }
                    .filter(|name| held.contains_key(name.as_str()))
                    .map(|name| (&**name, None));
                set.chain(removed).collect()
            }
            Action::Set(value) => {
                written = value.members()?;
                let removed = held.keys().map(|name| (*name, None));
                let set =
                    { written.iter() }.map(|(name, value)| (&**name, Some(Written::Member(value))));
                removed.chain(set).collect()
            }
            Action::Delete => return None,
        };
        let decided = self.decided(&held, named);
        let told =
            (!decided.lost.is_empty()).then(|| told(index, &decided.lost, &held, self.named_max));
        let made = || {
            let (set, removed) = decided.changes();
            Json::of_members(&members, &set, &removed)
        };
        Some(match (told, action) {
            (None, Action::Set(value)) => FieldsFate::Applies(value.clone(), decided.trail),
            (None, _) => FieldsFate::Applies(made()?, decided.trail),
            (Some(told), _) if decided.stands.is_empty() => FieldsFate::Superseded(told),
            (Some(told), _) => FieldsFate::InPart(made()?, decided.trail, told),
        })
    }

    fn decided<'n>(&self, held: &Held<'_>, named: BTreeMap<&'n str, Change<'n>>) -> Decided<'n> {
        let (write, life) = (&self.write, self.row.life());
        let before = Entries::of_row(self.row, self.settings);
        let mut after = before.clone();
        let (mut stands, mut lost) = (Vec::new(), Vec::new());
        let mut fields = held.len();
        for (name, value) in named {
            let is_there = held.contains_key(name);
            let entry = before.of_field(name, is_there);
            if entry.supersedes(write, life, self.settings) {
                lost.push((name, entry.version));
                continue;
            }
            if value.is_some() {
                let entry = entry.written(write, &self.writer);
                after.each.insert(name.into(), entry);
                fields += usize::from(!is_there);
            } else {
                after.removals = after.removals.removed(entry, write, &self.writer);
                after.each.remove(name);
                fields -= 1;
            }
            stands.push((name, value));
        }
        after.gather(fields);
        let mut trail = write.trail(Some(self.row), self.settings, Box::default());
        trail.fields = (fields <= FIELDS_MAX).then(|| Box::new(after));
        Decided {
            stands,
            lost,
            trail,
        }
    }
}

/// What becomes of each field of an op.
#[derive(Clone, Debug)]
struct Decided<'n> {
    /// The changes that stand.
    stands: Vec<(&'n str, Change<'n>)>,
    /// The fields that are superseded, each with the version of what stands.
    lost: Vec<(&'n str, u64)>,
    /// What is kept of the row then.
    trail: Trail,
}

impl Decided<'_> {
    /// The fields that are set, and those that are removed.
    fn changes(&self) -> (BTreeMap<String, Json>, BTreeSet<String>) {
        let set = { self.stands.iter() }
            .filter_map(|(name, value)| Some(((*name).to_owned(), value.as_ref()?.to_json())));
        let removed = self.stands.iter().filter(|(_, value)| value.is_none());
        (
            set.collect(),
            removed.map(|(name, _)| (*name).to_owned()).collect(),
        )
    }
}

/// What the client is told of the fields that are superseded (FLD-TOLD).
fn told(
    index: usize,
    lost: &[(&str, u64)],
    held: &Held<'_>,
    named_max: usize,
) -> SupersededInFields {
    let short = lost.iter().filter(|(name, _)| name.len() <= NAME_BYTES_MAX);
    let conflicts: Vec<FieldConflict> = { short.take(named_max) }
        .map(|(name, version)| FieldConflict {
            field: (*name).to_owned(),
            version: Some(*version),
            value: held.get(*name).map(|value| Json::from((*value).to_owned())),
            gone: !held.contains_key(*name),
        })
        .collect();
    SupersededInFields {
        at: index as u64,
        count: lost.len() as u64,
        conflicts: (!conflicts.is_empty()).then_some(conflicts),
    }
}

/// What is remembered of it for later answers: which fields, without what stands.
pub(crate) fn remembered(mut told: SupersededInFields) -> SupersededInFields {
    for conflict in told.conflicts.iter_mut().flatten() {
        conflict.version = None;
        conflict.value = None;
        conflict.gone = false;
    }
    told
}
