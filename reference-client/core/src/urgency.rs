//! Urgency: which of the writes that wait go first (`spec/v1/client.md`, *Urgency*).
//!
//! What was never sent has no number that anybody knows: it may be numbered anew. That is done where entries are let through, before they count as perhaps sent: the entries
//! change places, numbers and all, and everything else goes on as if the app had written them in that order. Two that touch one row never do.

use std::collections::{BTreeMap, BTreeSet};

use syncline_schemas::Op;

use crate::env::Env;
use crate::events::Origin;
use crate::replica::Replica;
use crate::session::Link;
use crate::stored::{Entry, StoreChange};

/// The app's list of urgent tables, and what follows from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Urgency {
    /// The tables, each with its rank: the lower, the more urgent.
    ranks: BTreeMap<String, usize>,
    /// Whether entries were written since they were last put in order.
    unordered: bool,
}

impl Urgency {
    /// Whether the app has a list.
    pub(crate) fn is_used(&self) -> bool {
        !self.ranks.is_empty()
    }

    /// An entry was written.
    pub(crate) fn written(&mut self) {
        self.unordered = true;
    }

    /// The rank of a mutation: that of the most urgent table in which it names a row.
    fn rank(&self, ops: &[Op]) -> usize {
        let tables = ops.iter().filter_map(|op| Some(op.row()?.0));
        let ranks = tables.filter_map(|table| self.ranks.get(table)).copied();
        ranks.min().unwrap_or(usize::MAX)
    }
}

/// What two entries may have in common, so that their order matters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shared<'e> {
    Row(&'e str, &'e str),
    Sequence(&'e str),
    /// A table that is declared, and all that is written to it.
    Declared(&'e str),
    Table(&'e str),
}

/// What an op has a hold of: what earlier ops must not have held for it to pass them, and what later ones must look at.
fn holds(op: &Op) -> (Vec<Shared<'_>>, Vec<Shared<'_>>) {
    match (op, op.row(), op.sequence()) {
        (Op::Declare(op), ..) => {
            let (table, declared) = (Shared::Table(&op.table), Shared::Declared(&op.table));
            (vec![table.clone(), declared.clone()], vec![table, declared])
        }
        (_, Some((table, key)), _) => {
            let row = Shared::Row(table, key);
            (
                vec![row.clone(), Shared::Declared(table)],
                vec![row, Shared::Table(table)],
            )
        }
        (_, None, Some(name)) => (vec![Shared::Sequence(name)], vec![Shared::Sequence(name)]),
        (_, None, None) => (vec![], vec![]),
    }
}

/// The order in which entries go: by rank, but none after a later one with which it has something in common.
fn order(entries: &[&Entry], rank: impl Fn(&[Op]) -> usize) -> Vec<usize> {
    let mut later: BTreeMap<Shared<'_>, usize> = BTreeMap::new();
    let mut ranks = vec![usize::MAX; entries.len()];
    for (place, entry) in entries.iter().enumerate().rev() {
        let held: Vec<_> = entry.ops.iter().map(holds).collect();
        let behind = held.iter().flat_map(|(looks_at, _)| looks_at);
        let behind = behind.filter_map(|shared| later.get(shared)).copied();
        let rank = behind.chain([rank(&entry.ops)]).min().unwrap_or(usize::MAX);
        ranks[place] = rank;
        for shared in held.into_iter().flat_map(|(_, leaves)| leaves) {
            let least = later.entry(shared).or_insert(rank);
            *least = rank.min(*least);
        }
    }
    let mut places: Vec<usize> = (0..entries.len()).collect();
    places.sort_by_key(|place| ranks[*place]);
    places
}

/// The app's input.
impl Replica {
    /// These tables are urgent, the most urgent first: what is written to them, and waits, goes before the rest (`CLIENT-URGENT`). Said before the client connects, and anew at each start.
    /// What is written from now on is movable, for ever: should the store turn out to be one of several copies, the app is asked about it.
    pub fn set_urgent(&mut self, tables: impl IntoIterator<Item = String>, env: Env) {
        self.env = env;
        let ranks = tables.into_iter().zip(0..);
        self.urgency = Urgency {
            ranks: ranks.collect(),
            unordered: true,
        };
        self.finish(Origin::Local);
    }
}

impl Replica {
    /// Puts what is let through, movable and never sent in order, before any of it is marked.
    pub(crate) fn put_in_order(&mut self, through: u64) {
        let is_due = self.urgency.is_used() && self.urgency.unordered;
        if !is_due || !matches!(self.link, Link::Ready(_)) {
            return;
        }
        self.urgency.unordered = false;
        let of_run = self.last_of_asked_sync(through);
        let undecided = self.durable.undecided();
        let unsent = undecided.filter(|entry| entry.seq <= through);
        let unsent: Vec<&Entry> = unsent
            .filter(|entry| !self.may_have_been_sent(entry))
            .collect();
        let together = |one: &&Entry, next: &&Entry| {
            one.movable && next.movable && (one.seq <= of_run) == (next.seq <= of_run)
        };
        let runs = unsent.chunk_by(together);
        let moved: Vec<Entry> = runs.flat_map(|entries| self.moved(entries)).collect();
        for entry in moved {
            self.durable.record(StoreChange::EntryPut(entry));
        }
    }

    /// The last number of the mutations of a sync that the app has asked for: nothing comes between them. One that the app has not asked for is made longer.
    fn last_of_asked_sync(&mut self, through: u64) -> u64 {
        let acked = self.durable.acked_seq();
        match &self.control.run {
            Some(run) if run.is_asked() => acked + run.left,
            Some(_) => {
                self.begin_run(false, through - acked, BTreeSet::new());
                0
            }
            None => 0,
        }
    }

    /// Those of some entries that change places, with the numbers that they get: others of theirs.
    fn moved(&self, entries: &[&Entry]) -> Vec<Entry> {
        let order = order(entries, |ops| self.urgency.rank(ops));
        let places = entries.iter().zip(order);
        let places = places.map(|(slot, place)| (slot, entries[place]));
        let moved = places.filter(|(slot, entry)| slot.ordinal != entry.ordinal);
        let numbered = moved.map(|(slot, entry)| Entry {
            ordinal: slot.ordinal,
            seq: slot.seq,
            ..entry.clone()
        });
        numbered.collect()
    }

    /// The `clientId` is left to another store. What is movable may have another number there, and so be sent twice by the two: the app is asked, also about
    /// what comes after it (`CLIENT-URGENT-DOUBT`).
    pub(crate) fn doubt_movable(&mut self) {
        let undecided = self.durable.undecided();
        let entries = undecided.skip_while(|entry| !entry.movable);
        let entries: Vec<Entry> = entries.cloned().collect();
        if !entries.is_empty() {
            self.doubt(entries);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use syncline_schemas::{Allocate, Declare, DeleteOp};

    fn op(kind: u8, table: usize, key: u8) -> Op {
        let tables = ["orders", "stock", "logs"];
        let table = tables[table % 3];
        match kind {
            0 => Op::Declare(Declare {
                kind: None,
                table: table.to_owned(),
                strategy: None,
                granularity: None,
                resolver: None,
                schema: None,
            }),
            1 => Op::Allocate(Allocate {
                sequence: "ids".to_owned(),
                count: 1,
            }),
            _ => Op::Delete(DeleteOp::new(table, key.to_string())),
        }
    }

    /// Whether the order of two ops matters.
    fn meet(one: &Op, other: &Op) -> bool {
        let table = |op: &Op| match op {
            Op::Declare(op) => Some(op.table.clone()),
            _ => op.row().map(|(table, _)| table.to_owned()),
        };
        let declares = |op: &Op| matches!(op, Op::Declare(_));
        let (rows, sequences) = (one.row(), one.sequence());
        rows.is_some() && rows == other.row()
            || sequences.is_some() && sequences == other.sequence()
            || (declares(one) || declares(other)) && table(one) == table(other)
    }

    fn entry(seq: u64, ops: Vec<Op>) -> Entry {
        Entry {
            ordinal: seq,
            seq,
            op_id: seq.to_string(),
            ops,
            written_at_ms: 0,
            clock_correction_ms: 0,
            epoch: None,
            let_through: false,
            movable: true,
            given_up: None,
            applied_at: None,
        }
    }

    proptest! {
        /// CLIENT-URGENT, CLIENT-URGENT-ROWS: all are there, none passes one that it meets, and none waits for a less urgent one that it could pass.
        #[test]
        fn what_meets_keeps_its_order(ops in prop::collection::vec(prop::collection::vec((0..12_u8, 0..3_usize, 0..4_u8), 1..3), 0..30)) {
            let op = |(kind, table, key): (u8, usize, u8)| op(kind, table, key);
            let ops = ops.into_iter().map(|ops| ops.into_iter().map(op).collect());
            let entries: Vec<Entry> = { (1..).zip(ops) }.map(|(seq, ops)| entry(seq, ops)).collect();
            let urgency = Urgency {
                ranks: [("orders".to_owned(), 0), ("stock".to_owned(), 1)].into(),
                unordered: true,
            };
            let order = order(&entries.iter().collect::<Vec<_>>(), |ops| urgency.rank(ops));
            prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), entries.len());
            let meets = |one: usize, other: usize| { entries[one].ops.iter() }.any(|op| entries[other].ops.iter().any(|with| meet(op, with)));
            for (at, later) in order.iter().enumerate() {
                for earlier in &order[..at] {
                    prop_assert!(earlier < later || !meets(*earlier, *later), "{earlier} passes {later}");
                }
                // One that stands directly before it is as urgent, or must stand there.
                let Some(before) = at.checked_sub(1).map(|at| order[at]) else { continue };
                let rank = |place: usize| urgency.rank(&entries[place].ops);
                let needed = order[at..].iter().any(|other| rank(*other) <= rank(before) || meets(before, *other));
                prop_assert!(needed || rank(before) <= rank(*later));
            }
        }
    }
}
