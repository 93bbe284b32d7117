//! The state machine over the log: what all records up to the head come to.
//!
//! There is one way to change it, [`State::apply`] of a record: for what was just decided, for what another node decided,
//! and for what is read back at a start. So the three cannot differ. What applying changes is noted in a
//! [`Journal`], so that a step whose append failed can be taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_schemas::mark;
use syncline_schemas::{Json, Limits, RowsDigest};

use crate::clients::Clients;
use crate::conflicts::{Kept, Trail};
use crate::digests::Unsummed;
use crate::documents::{Documents, entry_bytes};
use crate::filters::Filters;
use crate::history::Chronicle;
use crate::journal::{Journal, Scalars, Undo};
use crate::record::{Decided, Decision, Declared, Effect, Event, Raise, Record, Truncated};
use crate::sequences::Sequences;
use crate::table::{ChangeRef, Position, Row, Table};
use crate::tables::Tables;
use crate::truncation::Marks;

/// What all records up to the head come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The version of the last record.
    pub(crate) head: u64,
    /// The moment of the last record.
    pub(crate) at_ms: u64,
    /// Deletes up to this version may be forgotten; all after it are known.
    pub(crate) truncated_to: u64,
    /// Bytes of the keys and values of all rows (`limits.workspaceBytesMax`).
    pub(crate) bytes: u64,
    /// When the versions after `truncated_to` were decided, coarsely.
    pub(crate) marks: Marks,
    pub(crate) tables: BTreeMap<Arc<str>, Table>,
    /// What tables of documents hold.
    pub(crate) documents: BTreeMap<Arc<str>, Documents>,
    pub(crate) clients: Clients,
    pub(crate) sequences: Sequences,
    /// The settings of the tables that were declared.
    pub(crate) declared: Tables,
    /// What is known of the past, where that is offered.
    pub(crate) chronicle: Option<Chronicle>,
}

impl State {
    /// Applies the next record. Effects are taken as they are: nothing is decided here.
    pub(crate) fn apply(
        &mut self,
        record: &Record,
        limits: &Limits,
        mark_every_ms: u64,
        journal: &mut Journal,
    ) {
        journal.begin(|| self.scalars());
        self.head = record.version;
        self.at_ms = self.at_ms.max(record.at_ms);
        self.marks.add(record.version, self.at_ms, mark_every_ms);
        match &record.event {
            Event::Outcome(decided) => self.apply_outcome(decided, limits, journal),
            Event::Truncated(truncated) => self.apply_truncation(*truncated, journal),
        }
    }

    fn apply_outcome(&mut self, decided: &Decided, limits: &Limits, journal: &mut Journal) {
        if let Decision::Applied {
            effects,
            raises,
            declares,
            ..
        } = &decided.decision
        {
            raises.iter().for_each(|raise| self.raise(raise, journal));
            declares
                .iter()
                .for_each(|declared| self.declare(declared, journal));
            for (slot, effect) in (0..).zip(effects) {
                let position = Position {
                    version: self.head,
                    slot,
                };
                if effect.document.is_some() {
                    self.write_document(effect, position, journal);
                    continue;
                }
                let before = self.write(effect, position, &decided.client);
                journal.note(Undo::Row {
                    table: effect.table.clone(),
                    key: effect.key.clone(),
                    before,
                });
            }
            self.chronicle(decided, effects, limits, journal);
        }
        let before = self
            .clients
            .remember(decided, self.head, self.at_ms, limits);
        journal.note(Undo::Client {
            id: decided.client.clone(),
            before,
        });
    }

    fn chronicle(
        &mut self,
        decided: &Decided,
        effects: &[Effect],
        limits: &Limits,
        journal: &mut Journal,
    ) {
        if let Some(chronicle) = self.chronicle.as_mut().filter(|_| !effects.is_empty()) {
            let noted = chronicle.note(self.head, self.at_ms, &decided.client, effects, limits);
            journal.note(Undo::Changes(noted));
        }
    }

    fn raise(&mut self, raise: &Raise, journal: &mut Journal) {
        let before = self.sequences.raise(raise);
        journal.note(Undo::Sequence {
            name: raise.sequence.clone(),
            before,
        });
    }

    fn write(&mut self, effect: &Effect, position: Position, writer: &Arc<str>) -> Option<Row> {
        if !self.tables.contains_key(&effect.table) {
            self.tables.insert(effect.table.clone(), Table::default());
        }
        let table = self
            .tables
            .get_mut(&effect.table)
            .expect("inserted above, if it was not there");
        let forgotten = self.truncated_to;
        let before = table.put(effect.key.clone(), position, |before| Row {
            others_version: match before {
                Some(before) if before.writer == *writer => before.others_version,
                Some(before) => before.position.version,
                None => forgotten,
            },
            value: effect.value.clone(),
            position,
            writer: writer.clone(),
            trail: effect.trail.clone(),
        });
        self.bytes += row_bytes(&effect.key, effect.value.as_ref(), siblings(&effect.trail));
        self.bytes -= before.as_ref().map_or(0, |row| row.bytes(&effect.key));
        before
    }

    fn write_document(&mut self, effect: &Effect, position: Position, journal: &mut Journal) {
        let Some(change) = &effect.document else {
            return;
        };
        let documents = self.documents.entry(effect.table.clone()).or_default();
        let replaced = documents.apply(&effect.key, position, change, effect.value.as_ref());
        let added = effect.value.as_ref();
        self.bytes += added.map_or(0, |data| entry_bytes(&effect.key, data));
        self.bytes -= replaced.bytes(&effect.key);
        journal.note(Undo::Document {
            table: effect.table.clone(),
            key: effect.key.clone(),
            replaced,
        });
    }

    fn apply_truncation(&mut self, truncated: Truncated, journal: &mut Journal) {
        // Bounded, for a record could say anything: what lies ahead is never forgotten.
        let to = truncated.to.min(self.head);
        self.truncated_to = self.truncated_to.max(to);
        self.marks.forget(to);
        for (name, table) in &mut self.tables {
            for (key, row) in table.forget_deletes(to) {
                journal.note(Undo::Row {
                    table: name.clone(),
                    key,
                    before: Some(row),
                });
            }
        }
        self.tables.retain(|_, table| !table.is_empty());
        for (name, documents) in &mut self.documents {
            for (key, replaced) in documents.forget_deletes(to) {
                journal.note(Undo::Document {
                    table: name.clone(),
                    key,
                    replaced,
                });
            }
        }
        self.documents.retain(|_, documents| !documents.is_empty());
        for (id, client) in self.clients.forget_idle(truncated.clients_idle_before_ms) {
            mark!("server_client_forgotten");
            journal.note(Undo::Forgotten {
                id,
                client: Box::new(client),
            });
        }
    }

    fn declare(&mut self, declared: &Declared, journal: &mut Journal) {
        let (table, settings) = (declared.table.clone(), declared.settings.clone());
        let before = self.declared.insert(table.clone(), settings.into());
        journal.note(Undo::Declared { table, before });
    }

    /// Takes back all that was applied since the journal was begun.
    pub(crate) fn undo(&mut self, journal: &mut Journal) {
        let (scalars, undos) = journal.take();
        for undo in undos.into_iter().rev() {
            match undo {
                Undo::Row { table, key, before } => self.restore(table, key, before),
                Undo::Document {
                    table,
                    key,
                    replaced,
                } => { self.documents.entry(table).or_default() }.undo(&key, replaced),
                Undo::Sequence { name, before } => self.sequences.put_back(&name, before),
                Undo::Declared { table, before } => match before {
                    Some(before) => drop(self.declared.insert(table, before)),
                    None => drop(self.declared.remove(&table)),
                },
                Undo::Changes(noted) => {
                    if let Some(chronicle) = &mut self.chronicle {
                        chronicle.take_back(noted);
                    }
                }
                Undo::Client { id, before } => self.clients.unremember(&id, before),
                Undo::Forgotten { id, client } => self.clients.put(id, *client),
            }
        }
        self.tables.retain(|_, table| !table.is_empty());
        self.documents.retain(|_, documents| !documents.is_empty());
        if let Some(scalars) = scalars {
            self.head = scalars.head;
            self.at_ms = scalars.at_ms;
            self.truncated_to = scalars.truncated_to;
            self.bytes = scalars.bytes;
            self.marks = scalars.marks;
        }
    }

    fn restore(&mut self, table: Arc<str>, key: Arc<str>, before: Option<Row>) {
        let table = self.tables.entry(table).or_default();
        match before {
            Some(row) => {
                table.put(key, row.position, |_| row);
            }
            None => {
                table.take(&key);
            }
        }
    }

    fn scalars(&self) -> Scalars {
        Scalars {
            head: self.head,
            at_ms: self.at_ms,
            truncated_to: self.truncated_to,
            bytes: self.bytes,
            marks: self.marks.clone(),
        }
    }

    /// Keeps what comes from now on for those who ask, or none of it.
    pub(crate) fn keep_history(&mut self, keeps: bool) {
        let head = self.head;
        self.chronicle = keeps.then(|| {
            let known = self.chronicle.take();
            known.unwrap_or_else(|| Chronicle::behind(head))
        });
    }

    /// A row or a delete that is still known.
    pub(crate) fn row(&self, table: &str, key: &str) -> Option<&Row> {
        self.tables.get(table)?.row(key).map(|(_, row)| row)
    }

    /// What the rows of some tables come to; nothing yet, if that takes more than is left of a budget of bytes.
    pub(crate) fn digest(&mut self, tables: &[Arc<str>], budget: &mut usize) -> Option<RowsDigest> {
        let mut all = RowsDigest::default();
        for name in tables {
            if let Some(table) = self.tables.get_mut(name) {
                all = all.and(table.digest(name, budget)?);
            }
        }
        Some(all)
    }

    /// What the rows of some tables come to that are in a filtered shape. Tables with a filter are scanned, if their rows count for no more than `most`.
    pub(crate) fn filtered_digest(
        &mut self,
        tables: &[Arc<str>],
        filters: &Filters,
        most: u64,
        budget: &mut usize,
    ) -> Result<RowsDigest, Unsummed> {
        let filtered = |name: &&Arc<str>| filters.has(name);
        let mut counted = 0;
        for name in tables.iter().filter(filtered) {
            for (_, row) in self.tables.get(name).into_iter().flat_map(Table::rows) {
                counted += row.scan_cost();
                if counted > most {
                    return Err(Unsummed::TooLarge);
                }
            }
        }
        let mut all = RowsDigest::default();
        for name in tables {
            let Some(table) = self.tables.get_mut(name) else {
                continue;
            };
            all = all.and(match filters.has(name) {
                true => table.scan(name, |key, value| filters.has_row(name, key, value)),
                false => table.digest(name, budget).ok_or(Unsummed::Yet)?,
            });
        }
        *budget = budget.saturating_sub(counted as usize * SCANNED_BYTES);
        Ok(all)
    }

    /// All changes of some tables behind a position, merged in order. Of each row only the last change is known.
    pub(crate) fn changes_after<'a>(
        &'a self,
        tables: &'a [Arc<str>],
        after: Position,
    ) -> impl Iterator<Item = ChangeRef<'a>> {
        let known = tables
            .iter()
            .filter_map(|name| Some((&**name, self.tables.get(name)?)));
        let rows = known.map(move |(name, table)| Source::One(table.changes_after(name, after)));
        let known = tables
            .iter()
            .filter_map(|name| Some((&**name, self.documents.get(name)?)));
        let documents =
            known.map(move |(name, table)| Source::Other(table.changes_after(name, after)));
        Merged::new(rows.chain(documents))
    }

    /// The same, without what these filters can never take: of tables whose filter names keys, no other key is looked at.
    pub(crate) fn changes_within<'a>(
        &'a self,
        tables: &'a [Arc<str>],
        filters: &'a Filters,
        after: Position,
    ) -> impl Iterator<Item = ChangeRef<'a>> {
        let sources = tables.iter().map(move |name| match filters.keys_of(name) {
            None => Source::One(self.changes_after(std::slice::from_ref(name), after)),
            Some(keys) => Source::Other(self.changes_of(name, keys, after).into_iter()),
        });
        Merged::new(sources)
    }

    /// The changes of some keys of a table behind a position, in order.
    fn changes_of<'a>(
        &'a self,
        name: &'a str,
        keys: &[Arc<str>],
        after: Position,
    ) -> Vec<ChangeRef<'a>> {
        let rows = { self.tables.get(name).into_iter() }
            .flat_map(|table| keys.iter().filter_map(|key| table.change_of(name, key)));
        let documents = { self.documents.get(name).into_iter() }.flat_map(|table| {
            keys.iter()
                .flat_map(|key| table.changes_of(name, key, after))
        });
        let rows = rows.filter(|change| change.position > after);
        let mut changes: Vec<_> = rows.chain(documents).collect();
        changes.sort_unstable_by_key(|change| change.position);
        changes
    }
}

/// Bytes of a row as `limits.workspaceBytesMax` counts them; a delete has none.
pub(crate) fn row_bytes(key: &str, value: Option<&Json>, siblings: &[Kept]) -> u64 {
    let beside: usize = siblings.iter().map(|kept| kept.value.get().len()).sum();
    value.map_or(0, |value| (key.len() + value.get().len() + beside) as u64)
}

/// The values that a row with this trail has beside the last one.
pub(crate) fn siblings(trail: &Option<Box<Trail>>) -> &[Kept] {
    trail.as_deref().map_or(&[], |trail| &trail.siblings)
}

/// Bytes of a row's value for which it counts as one row that is scanned (FLT-DIGEST).
const SCANNED_BYTES: usize = 1024;

impl Row {
    /// As how many rows it counts where it is scanned; a delete costs nothing worth counting.
    fn scan_cost(&self) -> u64 {
        let bytes = self.value.as_ref().map(|value| value.get().len());
        bytes.map_or(0, |bytes| bytes.div_ceil(SCANNED_BYTES) as u64)
    }

    /// Its bytes, under this key.
    pub(crate) fn bytes(&self, key: &str) -> u64 {
        row_bytes(key, self.value.as_ref(), self.siblings())
    }
}

/// The changes of one table, of one of two kinds.
enum Source<R, D> {
    One(R),
    Other(D),
}

impl<'a, R, D> Iterator for Source<R, D>
where
    R: Iterator<Item = ChangeRef<'a>>,
    D: Iterator<Item = ChangeRef<'a>>,
{
    type Item = ChangeRef<'a>;

    fn next(&mut self) -> Option<ChangeRef<'a>> {
        match self {
            Source::One(rows) => rows.next(),
            Source::Other(documents) => documents.next(),
        }
    }
}

/// Merges the changes of several tables by their positions, which no two of them share.
struct Merged<'a, I> {
    sources: Vec<(ChangeRef<'a>, I)>,
}

impl<'a, I: Iterator<Item = ChangeRef<'a>>> Merged<'a, I> {
    fn new(sources: impl Iterator<Item = I>) -> Merged<'a, I> {
        let filled = sources.filter_map(|mut source| Some((source.next()?, source)));
        Merged {
            sources: filled.collect(),
        }
    }
}

impl<'a, I: Iterator<Item = ChangeRef<'a>>> Iterator for Merged<'a, I> {
    type Item = ChangeRef<'a>;

    fn next(&mut self) -> Option<ChangeRef<'a>> {
        // Few tables a shape: looking at each beats keeping them sorted.
        let heads = self.sources.iter().enumerate();
        let (index, _) = heads.min_by_key(|(_, (change, _))| change.position)?;
        let (head, source) = &mut self.sources[index];
        match source.next() {
            Some(next) => Some(std::mem::replace(head, next)),
            None => Some(self.sources.swap_remove(index).0),
        }
    }
}
