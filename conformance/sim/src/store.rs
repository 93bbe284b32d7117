//! The log that all nodes share, as text: conditional appends, checkpoints, and what a crash may leave of it.
//!
//! Beside it stands the archive: every record that ever became durable, whatever the log has forgotten since. Only the truth is judged by it.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;
use syncline_schemas::Json;
use syncline_server_core::{Checkpoint, Decision, DocumentEffect, Event, Record};

/// Where a log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) version: u64,
}

/// A row by table and key, with its version and value.
pub(crate) type Rows = BTreeMap<(String, String), (u64, Json)>;

/// A document's entries by table, key and place.
pub(crate) type Entries = BTreeMap<(String, String, u64), (u64, Json)>;

/// All that is there at a version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) rows: Rows,
    pub(crate) entries: Entries,
}

/// All of one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Era {
    pub(crate) epoch: String,
    /// The version that it began with, and what was there.
    pub(crate) begun: (u64, Standing),
    /// Every record since.
    pub(crate) records: Vec<Record>,
}

/// The records of one append.
#[derive(Debug)]
struct Batch {
    last: u64,
    /// Lines, and a last one that says how many they are: without it, the batch is torn.
    text: String,
}

/// What was ever decided of one mutation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions {
    /// Where it was applied: the number of the epoch, and the version.
    pub(crate) applied: Vec<(usize, u64)>,
    /// Whether it was rejected in any epoch.
    pub(crate) rejected: bool,
}

/// The log.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) position: Position,
    checkpoint: Option<Checkpoint>,
    batches: VecDeque<Batch>,
    /// Versions up to here are in the checkpoint alone.
    forgotten_to: u64,
    pub(crate) eras: Vec<Era>,
    /// What became of each mutation, by its `opId`.
    pub(crate) decided: BTreeMap<String, Decisions>,
    /// The last version that changed each table, in this epoch.
    touched: BTreeMap<String, u64>,
    /// What the next append meets.
    pub(crate) fails: u32,
    pub(crate) lost: u32,
    pub(crate) slow_us: u64,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Append {
    Done,
    Conflict,
    Failed,
}

impl Store {
    pub(crate) fn new() -> Store {
        let epoch = "e1".to_owned();
        let era = Era {
            epoch: epoch.clone(),
            begun: (0, Standing::default()),
            records: Vec::new(),
        };
        Store {
            position: Position { epoch, version: 0 },
            checkpoint: None,
            batches: VecDeque::new(),
            forgotten_to: 0,
            eras: vec![era],
            decided: BTreeMap::new(),
            touched: BTreeMap::new(),
            fails: 0,
            lost: 0,
            slow_us: 0,
        }
    }

    /// Appends, if the log ends there and no fault is due.
    pub(crate) fn append(&mut self, at: &Position, records: &[Record]) -> Append {
        if std::mem::take(&mut self.fails) > 0 {
            return Append::Failed;
        }
        if *at != self.position {
            return Append::Conflict;
        }
        self.write(records);
        if std::mem::take(&mut self.lost) > 0 {
            return Append::Failed;
        }
        Append::Done
    }

    /// What a crash amid an append leaves: the whole batch.
    pub(crate) fn write(&mut self, records: &[Record]) {
        let Some(last) = records.last().map(|record| record.version) else {
            return;
        };
        let text = batch_text(records);
        self.batches.push_back(Batch { last, text });
        self.position.version = last;
        for record in records {
            for table in tables_of(record) {
                self.touched.insert(table.to_owned(), record.version);
            }
            self.note(record);
        }
        if let Some(era) = self.eras.last_mut() {
            era.records.extend_from_slice(records);
        }
    }

    /// Notes what was decided of a mutation.
    fn note(&mut self, record: &Record) {
        let Event::Outcome(decided) = &record.event else {
            return;
        };
        let noted = self.decided.entry(decided.op_id.to_string()).or_default();
        match decided.decision {
            Decision::Applied { .. } => noted.applied.push((self.eras.len() - 1, record.version)),
            Decision::Rejected(_) => noted.rejected = true,
        }
    }

    /// The last version that changed one of these tables.
    pub(crate) fn touched<'a>(&self, tables: impl IntoIterator<Item = &'a String>) -> u64 {
        let tables = tables.into_iter();
        let last = tables.filter_map(|table| self.touched.get(table));
        last.max().copied().unwrap_or(0)
    }

    /// What a crash amid an append leaves: the first so many thousandths of the batch.
    pub(crate) fn tear(&mut self, records: &[Record], thousandths: u64) {
        let Some(last) = records.last().map(|record| record.version) else {
            return;
        };
        let mut text = batch_text(records);
        let mut end = (text.len() - 1) * thousandths as usize / 1000;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        self.batches.push_back(Batch { last, text });
    }

    /// The last append never was, whatever was said of it.
    pub(crate) fn lose_last(&mut self) {
        self.batches.pop_back();
        let last = self.batches.back().map(|batch| batch.last);
        self.position.version = last.unwrap_or(self.forgotten_to);
        let head = self.position.version;
        if let Some(era) = self.eras.last_mut() {
            era.records.retain(|record| record.version <= head);
        }
    }

    /// Opens the log after a crash or anew: a torn batch at its end was never appended.
    pub(crate) fn open(&mut self) -> (Position, Option<Checkpoint>, Vec<Record>) {
        let torn = |batch: &Batch| !is_whole(&batch.text);
        while self.batches.back().is_some_and(torn) {
            self.batches.pop_back();
        }
        let records = self.read_after(self.forgotten_to);
        (self.position.clone(), self.checkpoint.clone(), records)
    }

    /// What was appended after a position; nothing, if the history is another one now or has forgotten it.
    pub(crate) fn tail(&self, after: &Position) -> Option<Vec<Record>> {
        let reaches = after.epoch == self.position.epoch && after.version >= self.forgotten_to;
        reaches.then(|| self.read_after(after.version))
    }

    fn read_after(&self, version: u64) -> Vec<Record> {
        let later = self.batches.iter().filter(|batch| batch.last > version);
        let lines = later.flat_map(|batch| batch.text.lines());
        let records = lines.filter(|line| !line.starts_with('#')).map(read);
        records.filter(|record| record.version > version).collect()
    }

    /// Keeps a checkpoint, and forgets what it covers.
    pub(crate) fn checkpoint(&mut self, epoch: &str, checkpoint: Checkpoint) {
        let newer = checkpoint.version >= self.forgotten_to;
        if epoch == self.position.epoch && newer {
            self.forgotten_to = checkpoint.version;
            let forgotten = self.forgotten_to;
            self.batches.retain(|batch| batch.last > forgotten);
            self.checkpoint = Some(checkpoint);
        }
    }

    /// Replaces the history: a backup of that epoch goes on under a new one.
    pub(crate) fn replace(&mut self, from: &str, checkpoint: Checkpoint, epoch: &str) {
        let version = checkpoint.version;
        let standing = self.standing_at(from, version).unwrap_or_default();
        self.position = Position {
            epoch: epoch.to_owned(),
            version,
        };
        self.batches.clear();
        for last in self.touched.values_mut() {
            *last = version;
        }
        self.forgotten_to = version;
        self.checkpoint = Some(checkpoint);
        self.eras.push(Era {
            epoch: epoch.to_owned(),
            begun: (version, standing),
            records: Vec::new(),
        });
    }

    /// What is there of an epoch at a version, by the archive.
    pub(crate) fn standing_at(&self, epoch: &str, version: u64) -> Option<Standing> {
        let era = self.eras.iter().find(|era| era.epoch == epoch)?;
        let mut standing = era.begun.1.clone();
        let records = era.records.iter();
        for record in records.take_while(|record| record.version <= version) {
            standing.take_in(record);
        }
        Some(standing)
    }
}

/// The tables that a record changes.
fn tables_of(record: &Record) -> impl Iterator<Item = &str> {
    let effects = match &record.event {
        Event::Outcome(decided) => match &decided.decision {
            Decision::Applied { effects, .. } => &effects[..],
            Decision::Rejected(_) => &[],
        },
        Event::Truncated(_) => &[],
    };
    effects.iter().map(|effect| &*effect.table)
}

impl Standing {
    fn take_in(&mut self, record: &Record) {
        let Event::Outcome(decided) = &record.event else {
            return;
        };
        let Decision::Applied { effects, .. } = &decided.decision else {
            return;
        };
        for effect in effects {
            let row = (effect.table.to_string(), effect.key.to_string());
            match (&effect.document, &effect.value) {
                (Some(document), value) => {
                    self.change(row, *document, record.version, value.as_ref());
                }
                (None, Some(value)) => {
                    drop(self.rows.insert(row, (record.version, value.clone())));
                }
                (None, None) => drop(self.rows.remove(&row)),
            }
        }
    }

    fn change(
        &mut self,
        (table, key): (String, String),
        how: DocumentEffect,
        version: u64,
        value: Option<&Json>,
    ) {
        let (place, gone) = match how {
            DocumentEffect::Append => (version, 0),
            DocumentEffect::Compact { covers } => (covers, covers),
            DocumentEffect::Delete => (version, u64::MAX),
        };
        let of = |(of_table, of_key, at): &(String, String, u64)| {
            *of_table == table && *of_key == key && *at <= gone
        };
        self.entries.retain(|entry, _| !of(entry));
        if let Some(value) = value {
            let entry = (version, value.clone());
            self.entries.insert((table, key, place), entry);
        }
    }
}

fn batch_text(records: &[Record]) -> String {
    let mut text = String::with_capacity(256 * records.len());
    for record in records {
        record.write(&mut text);
        text.push('\n');
    }
    text.push_str(&format!("#{}\n", records.len()));
    text
}

/// Whether the last line says that all lines are there.
fn is_whole(text: &str) -> bool {
    let mut lines = text.lines().rev();
    let count = lines.next().and_then(|last| last.strip_prefix('#'));
    let count = count.and_then(|count| count.parse::<usize>().ok());
    text.ends_with('\n') && count == Some(lines.count())
}

fn read(line: &str) -> Record {
    let mut source = serde_json::Deserializer::from_str(line);
    source.disable_recursion_limit();
    Record::deserialize(&mut source).expect("a line that was written whole is a record")
}
