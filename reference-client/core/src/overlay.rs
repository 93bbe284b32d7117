//! The overlay: for each row, what the outbox's entries make of it (`CLIENT-OVERLAY`).
//!
//! It follows from the outbox and is never stored. For each row it keeps the whole pile of writes, not only the top one: when a
//! rejected entry is taken out of the middle, what was above and below stands as it was (`CLIENT-REJECTED`).

use std::collections::BTreeMap;

use syncline_schemas::{Json, Op};

/// What one op makes of a row: a value, or no row.
pub(crate) type Effect = Option<Json>;

/// The writes to one row, by the ordinals of their entries. A mutation names a row at most once.
type Pile = BTreeMap<u64, Effect>;

/// The piles, by table and key. No pile is empty.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    piles: BTreeMap<String, BTreeMap<String, Pile>>,
}

impl Overlay {
    /// Puts an op of the entry of this ordinal in its place.
    pub(crate) fn add(&mut self, ordinal: u64, op: &Op) {
        let effect = match op {
            Op::Set(op) => Some(op.value.clone()),
            Op::Delete(_) => None,
        };
        let piles = self.piles.entry(op.table().to_owned()).or_default();
        piles
            .entry(op.key().to_owned())
            .or_default()
            .insert(ordinal, effect);
    }

    /// Takes an op of the entry of this ordinal out.
    pub(crate) fn remove(&mut self, ordinal: u64, op: &Op) {
        let Some(piles) = self.piles.get_mut(op.table()) else {
            return;
        };
        let Some(pile) = piles.get_mut(op.key()) else {
            return;
        };
        pile.remove(&ordinal);
        if pile.is_empty() {
            piles.remove(op.key());
        }
        if piles.is_empty() {
            self.piles.remove(op.table());
        }
    }

    /// What the last write makes of the row, if there is a write.
    pub(crate) fn top(&self, table: &str, key: &str) -> Option<&Effect> {
        top_of(self.piles.get(table)?.get(key)?)
    }

    /// What the last writes make of the rows of a table, by key.
    pub(crate) fn tops(&self, table: &str) -> impl Iterator<Item = (&str, &Effect)> {
        let piles = self.piles.get(table).into_iter().flatten();
        piles.filter_map(|(key, pile)| Some((key.as_str(), top_of(pile)?)))
    }
}

fn top_of(pile: &Pile) -> Option<&Effect> {
    pile.values().next_back()
}
