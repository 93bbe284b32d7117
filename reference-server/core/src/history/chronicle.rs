//! The last changes of a workspace, in the order of the log: what `history` reads.
//!
//! Kept in memory as all state is, made from records alone, so that every node and every restart knows the same. Bounded by number, bytes and age
//! (HIST-RETAINED); what goes, goes by whole versions, so that one number says what is left (HIST-FROM). Changes are numbered as they come, and never
//! move: a table knows the numbers of its changes, a change that of the one before it of its row.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use syncline_schemas::{HistoryOrder, Json, Limits, Sibling};

use crate::conflicts::Kept;
use crate::record::Effect;
use crate::state::siblings;
use crate::table::Position;

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) position: Position,
    /// When it was decided, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    pub(crate) table: Arc<str>,
    pub(crate) key: Arc<str>,
    /// `None`: the row was deleted.
    pub(crate) value: Option<Json>,
    /// The row's values beside that.
    pub(crate) siblings: Vec<Sibling>,
    /// The client whose mutation it was.
    pub(crate) author: Arc<str>,
}

impl Change {
    /// Its bytes, as `limits.historyBytesMax` counts them.
    fn bytes(&self) -> u64 {
        let beside: usize = { self.siblings.iter() }
            .map(|sibling| sibling.value.get().len())
            .sum();
        let value = self.value.as_ref().map_or(0, |value| value.get().len());
        (self.key.len() + value + beside) as u64
    }
}

/// A change, and the number of the one before it of the same row. That one may be forgotten.
#[derive(Clone, Debug)]
struct Numbered {
    change: Change,
    before: Option<u64>,
}

/// The changes of one table.
#[derive(Clone, Debug, Default)]
struct Track {
    all: VecDeque<u64>,
    /// The last change of each row. Hashed, and so never iterated.
    last: HashMap<Arc<str>, u64>,
}

/// What is known of the past of a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Chronicle {
    /// All changes from this version on are here, and no other.
    from: u64,
    /// The number of the first change that is here.
    first: u64,
    changes: VecDeque<Numbered>,
    tables: HashMap<Arc<str>, Track>,
    bytes: u64,
}

/// What one record has changed here.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    added: usize,
    /// Oldest first.
    forgotten: Vec<Numbered>,
    from: u64,
}

/// Which changes are meant: those between two places, neither of them included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range<'a> {
    pub(crate) table: &'a str,
    /// `None`: of all rows.
    pub(crate) key: Option<&'a str>,
    pub(crate) after: Position,
    pub(crate) before: Position,
}

impl Chronicle {
    /// One that knows all that comes after a version, and nothing before.
    pub(crate) fn behind(version: u64) -> Chronicle {
        Chronicle {
            from: version + 1,
            first: 0,
            changes: VecDeque::new(),
            tables: HashMap::new(),
            bytes: 0,
        }
    }

    /// The version from which on all changes are known.
    pub(crate) fn from(&self) -> u64 {
        self.from
    }

    /// All changes, in the order of the log.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().map(|numbered| &numbered.change)
    }

    /// Notes what a mutation did, and forgets what need not be known any more. `at_ms` never runs backwards.
    pub(crate) fn note(
        &mut self,
        version: u64,
        at_ms: u64,
        author: &Arc<str>,
        effects: &[Effect],
        limits: &Limits,
    ) -> Noted {
        // Documents are no rows: what is appended to one is told by itself for as long as it stands.
        let rows = (0..)
            .zip(effects)
            .filter(|(_, effect)| effect.document.is_none());
        let mut added = 0;
        for (slot, effect) in rows {
            added += 1;
            self.push(Change {
                position: Position { version, slot },
                at_ms,
                table: effect.table.clone(),
                key: effect.key.clone(),
                value: effect.value.clone(),
                siblings: siblings(&effect.trail).iter().map(Kept::told).collect(),
                author: author.clone(),
            });
        }
        let from = self.from;
        Noted {
            added,
            forgotten: self.forget(at_ms, limits),
            from,
        }
    }

    /// Takes back what was noted last.
    pub(crate) fn take_back(&mut self, noted: Noted) {
        for numbered in noted.forgotten.into_iter().rev() {
            self.first -= 1;
            self.bytes += numbered.change.bytes();
            let (number, track) = (self.first, self.track(&numbered.change.table));
            track.all.push_front(number);
            let key = numbered.change.key.clone();
            track.last.entry(key).or_insert(number);
            self.changes.push_front(numbered);
        }
        for _ in 0..noted.added {
            self.pop_last();
        }
        self.from = noted.from;
    }

    /// Puts a change behind all others.
    pub(crate) fn push(&mut self, mut change: Change) {
        let number = self.first + self.changes.len() as u64;
        self.bytes += change.bytes();
        if let Some((name, _)) = self.tables.get_key_value(&change.table) {
            change.table = name.clone(); // its text is held once
        }
        let track = self.track(&change.table);
        track.all.push_back(number);
        let before = track.last.insert(change.key.clone(), number);
        self.changes.push_back(Numbered { change, before });
    }

    fn track(&mut self, table: &Arc<str>) -> &mut Track {
        self.tables.entry(table.clone()).or_default()
    }

    fn pop_last(&mut self) {
        let Some(Numbered { change, before }) = self.changes.pop_back() else {
            return;
        };
        self.bytes -= change.bytes();
        let first = self.first;
        let Some(track) = self.tables.get_mut(&change.table) else {
            return;
        };
        track.all.pop_back();
        match before.filter(|before| *before >= first) {
            Some(before) => drop(track.last.insert(change.key, before)),
            None => drop(track.last.remove(&change.key)),
        }
        if track.all.is_empty() {
            self.tables.remove(&change.table);
        }
    }

    /// Forgets versions, the oldest first, while the changes are too many, too large or too old.
    fn forget(&mut self, now_ms: u64, limits: &Limits) -> Vec<Numbered> {
        let mut forgotten = Vec::new();
        while let Some(oldest) = self.changes.front() {
            let is_over = self.changes.len() as u64 > limits.history_changes_max.unwrap_or(0)
                || self.bytes > limits.history_bytes_max.unwrap_or(0)
                || now_ms - oldest.change.at_ms > limits.history_ms.unwrap_or(0);
            if !is_over {
                break;
            }
            let version = oldest.change.position.version;
            self.from = version + 1;
            let is_of = |front: &Numbered| front.change.position.version == version;
            while self.changes.front().is_some_and(is_of) {
                forgotten.extend(self.pop_first());
            }
        }
        forgotten
    }

    fn pop_first(&mut self) -> Option<Numbered> {
        let numbered = self.changes.pop_front()?;
        let (number, change) = (self.first, &numbered.change);
        self.first += 1;
        self.bytes -= change.bytes();
        if let Some(track) = self.tables.get_mut(&change.table) {
            track.all.pop_front();
            if track.last.get(&change.key) == Some(&number) {
                track.last.remove(&change.key);
            }
            if track.all.is_empty() {
                self.tables.remove(&change.table);
            }
        }
        Some(numbered)
    }

    fn numbered(&self, number: u64) -> Option<&Numbered> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.changes.get(index)
    }

    /// The first changes of a range in the order that is asked for, at most so many.
    pub(crate) fn page(&self, range: Range<'_>, order: HistoryOrder, most: usize) -> Vec<&Change> {
        let Some(track) = self.tables.get(range.table) else {
            return Vec::new();
        };
        if let Some(key) = range.key {
            return self.page_of_row(track, key, range, order, most);
        }
        let numbers = self.numbers(track, range);
        let change = |number: &u64| Some(&self.numbered(*number)?.change);
        match order {
            HistoryOrder::Newest => numbers.rev().filter_map(change).take(most).collect(),
            HistoryOrder::Oldest => numbers.filter_map(change).take(most).collect(),
        }
    }

    /// The numbers of a table's changes within a range.
    fn numbers<'a>(
        &self,
        track: &'a Track,
        range: Range<'_>,
    ) -> impl DoubleEndedIterator<Item = &'a u64> {
        let position = |number: &u64| Some(self.numbered(*number)?.change.position);
        let begin = { &track.all }.partition_point(|number| position(number) <= Some(range.after));
        let end = { &track.all }.partition_point(|number| position(number) < Some(range.before));
        track.all.range(begin..end.max(begin))
    }

    /// Goes back from the row's last change: the few that stand in front of a page cost little.
    fn page_of_row(
        &self,
        track: &Track,
        key: &str,
        range: Range<'_>,
        order: HistoryOrder,
        most: usize,
    ) -> Vec<&Change> {
        let newest = order == HistoryOrder::Newest;
        let mut changes = Vec::new();
        let mut next = track.last.get(key).copied();
        while let Some(numbered) = next.and_then(|number| self.numbered(number)) {
            let position = numbered.change.position;
            if position <= range.after || newest && changes.len() == most {
                break;
            }
            if position < range.before {
                changes.push(&numbered.change);
            }
            next = numbered.before;
        }
        if !newest {
            changes.reverse();
            changes.truncate(most);
        }
        changes
    }
}
