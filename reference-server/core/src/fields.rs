//! Writes that are decided field by field, in tables of granularity `field`: the chapter on fields, from where the row is there and is an object.
//!
//! Each field has an entry of its own, made of what a row has: who changed it last, when, and the last version at which anybody else did. The fields that a
//! row has not got share one. Most fields of most rows were written together, so their entries are kept once.

mod kept;
mod text;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use syncline_schemas::{
    FieldChange, FieldConflict, Granularity, Json, Member, Strategy, SupersededInFields,
};

use self::kept::ByName;
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

/// What is kept of a single field counts as so many bytes beside the field's name.
const ENTRY_BYTES: usize = 64;

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
    pub each: ByName<Entry>,
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
    /// What is kept of the fields of a row that is there: as of the row, where it was written as a whole.
    fn of_row<'r>(row: &'r Row, settings: &Settings) -> Cow<'r, Entries> {
        let kept = row.trail.as_deref().and_then(|trail| trail.fields.as_ref());
        kept.map_or_else(
            || {
                let rest = Entry::of_row(row, settings);
                let removals = rest.clone();
                let each = ByName::default();
                Cow::Owned(Entries {
                    rest,
                    removals,
                    each,
                })
            },
            |kept| Cow::Borrowed(&**kept),
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
            each: ByName::default(),
        }))
    }

    /// Bytes of what is kept of single fields, as `limits.workspaceBytesMax` counts them.
    pub(crate) fn bytes(&self) -> u64 {
        let each = self.each.names().map(|name| name.len() + ENTRY_BYTES);
        each.sum::<usize>() as u64
    }

    /// Keeps once what is the same of all fields that the row has, so many.
    fn gather(&mut self, fields: usize) {
        let same = self.each.same_of_all();
        if let Some(entry) = same.filter(|_| self.each.len() == fields).cloned() {
            self.rest = entry;
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
    fn text(&self) -> &str {
        match self {
            Written::Field(value) => value.get(),
            Written::Member(value) => value.get(),
        }
    }
}

/// The fields that a row has, in the order of their names.
#[derive(Debug)]
struct Held<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'a> Held<'a> {
    fn of(members: &'a [Member<'a>]) -> Held<'a> {
        let mut held: Vec<_> = { members.iter() }
            .map(|(name, value)| (&**name, *value))
            .collect();
        held.sort_unstable_by_key(|(name, _)| *name);
        Held(held)
    }

    fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.binary_search_by_key(&name, |(name, _)| name);
        found.ok().map(|index| self.0[index].1)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// A write of a row that is there, in a table whose fields are decided one by one.
#[derive(Clone, Debug)]
pub(crate) struct FieldWrite<'a> {
    pub(crate) write: Write<'a>,
    /// Whose it is.
    pub(crate) writer: &'a Arc<str>,
    pub(crate) row: &'a Row,
    pub(crate) settings: &'a Settings,
    /// How many fields may be told by their names.
    pub(crate) named_max: usize,
}

impl FieldWrite<'_> {
    /// What becomes of the op of this index (FLD-APART); nothing, if it names no fields: then it is decided whole (FLD-WHOLE).
    pub(crate) fn fate(&self, index: usize, action: &Action) -> Option<FieldsFate> {
        let members = self.row.value.as_ref()?.members()?;
        let held = Held::of(&members);
        let written;
        let named: Vec<(&str, Change<'_>)> = match action {
            Action::Patch(patch) => {
                let set = patch.fields.iter().flatten();
                let set = set.map(|(name, value)| (&**name, Some(Written::Field(value))));
                let removed = { patch.remove.iter().flatten() }
                    .filter(|name| held.has(name))
                    .map(|name| (&**name, None));
                set.chain(removed).collect()
            }
            Action::Set(value) => {
                written = value.members()?;
                let removed = held.0.iter().map(|(name, _)| (*name, None));
                let set =
                    { written.iter() }.map(|(name, value)| (&**name, Some(Written::Member(value))));
                set.chain(removed).collect()
            }
            Action::Delete => return None,
        };
        let decided = self.decided(&held, in_order(named));
        let told =
            (!decided.lost.is_empty()).then(|| told(index, &decided.lost, &held, self.named_max));
        let made = || Json::of_members(&members, &decided.changes());
        Some(match (told, action) {
            (None, Action::Set(value)) => FieldsFate::Applies(value.clone(), decided.trail),
            (None, _) => FieldsFate::Applies(made()?, decided.trail),
            (Some(told), _) if decided.stands.is_empty() => FieldsFate::Superseded(told),
            (Some(told), _) => FieldsFate::InPart(made()?, decided.trail, told),
        })
    }

    fn decided<'n>(&self, held: &Held<'_>, named: Vec<(&'n str, Change<'n>)>) -> Decided<'n> {
        let (write, life) = (&self.write, self.row.life());
        let before = Entries::of_row(self.row, self.settings);
        let mut after = Entries::clone(&before);
        let (mut stands, mut lost) = (Vec::with_capacity(named.len()), Vec::new());
        let mut fields = held.0.len();
        for (name, value) in named {
            let is_there = held.has(name);
            let entry = before.of_field(name, is_there);
            if entry.supersedes(write, life, self.settings) {
                lost.push((name, entry.version));
                continue;
            }
            if value.is_some() {
                let entry = entry.written(write, self.writer);
                after.each.insert(name, entry);
                fields += usize::from(!is_there);
            } else {
                after.removals = after.removals.removed(entry, write, self.writer);
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

/// What an op names, in the order of the names. What it sets is not taken out.
fn in_order<'n>(mut named: Vec<(&'n str, Change<'n>)>) -> Vec<(&'n str, Change<'n>)> {
    named.sort_by_key(|(name, _)| *name);
    named.dedup_by_key(|(name, _)| *name);
    named
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
    /// The changes that stand, as texts.
    fn changes(&self) -> Vec<FieldChange<'_>> {
        { self.stands.iter() }
            .map(|(name, value)| (*name, value.as_ref().map(Written::text)))
            .collect()
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
            value: held.get(name).map(|value| Json::from(value.to_owned())),
            gone: !held.has(name),
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
