//! The overlay: for each row, what the outbox's entries make of it (`CLIENT-OVERLAY`).
//!
//! It follows from the outbox and the base, and is never stored. For each row it keeps the whole pile of writes, not only what they come to: when a
//! rejected entry is taken out of the middle, what was above and below stands as it was (`CLIENT-REJECTED`), and when the base
//! changes under a patch, the other fields show through (`FLD-OVERLAY`).

use std::collections::{BTreeMap, BTreeSet};

use syncline_schemas::{Json, Op};

use crate::pile::{Pile, Write};

/// The piles, by table and key. No pile is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    piles: BTreeMap<String, BTreeMap<String, Pile>>,
    /// The rows under whose pile, or out of it, something was taken: worked out anew once, by [`Overlay::settle`].
    stale: BTreeSet<(String, String)>,
}

impl Overlay {
    /// Puts an op of the entry of this ordinal in its place.
    pub(crate) fn add(&mut self, ordinal: u64, op: &Op, base: Option<&Json>) {
        let (Some((table, key)), Some(write)) = (op.row(), Write::of(op)) else {
            return;
        };
        let piles = self.piles.entry(table.to_owned()).or_default();
        let pile = piles.entry(key.to_owned()).or_default();
        if pile.add(ordinal, write, base) {
            self.disturb(table, key);
        }
    }

    /// Takes an op of the entry of this ordinal out.
    pub(crate) fn remove(&mut self, ordinal: u64, op: &Op) {
        let Some((table, key)) = op.row() else {
            return;
        };
        let Some(piles) = self.piles.get_mut(table) else {
            return;
        };
        let Some(pile) = piles.get_mut(key) else {
            return;
        };
        pile.remove(ordinal);
        if !pile.is_empty() {
            return self.disturb(table, key);
        }
        piles.remove(key);
        if piles.is_empty() {
            self.piles.remove(table);
        }
    }

    /// The row's base has changed, or a write to it is gone.
    pub(crate) fn disturb(&mut self, table: &str, key: &str) {
        if self.pile(table, key).is_some() {
            self.stale.insert((table.to_owned(), key.to_owned()));
        }
    }

    /// Works out anew what was disturbed, over these base rows.
    pub(crate) fn settle<'b>(&mut self, base: impl Fn(&str, &str) -> Option<&'b Json>) {
        for (table, key) in std::mem::take(&mut self.stale) {
            let pile = self
                .piles
                .get_mut(&table)
                .and_then(|piles| piles.get_mut(&key));
            if let Some(pile) = pile {
                pile.refold(base(&table, &key));
            }
        }
    }

    /// The ordinal of the first entry that writes to the row, if there is one.
    pub(crate) fn first(&self, table: &str, key: &str) -> Option<u64> {
        self.pile(table, key)?.first()
    }

    /// What the writes make of the row, if there is a write.
    pub(crate) fn top(&self, table: &str, key: &str) -> Option<Option<&Json>> {
        self.pile(table, key).map(Pile::top)
    }

    /// What the writes make of the rows of a table, by key.
    pub(crate) fn tops(&self, table: &str) -> impl Iterator<Item = (&str, Option<&Json>)> {
        let piles = self.piles.get(table).into_iter().flatten();
        piles.map(|(key, pile)| (key.as_str(), pile.top()))
    }

    fn pile(&self, table: &str, key: &str) -> Option<&Pile> {
        self.piles.get(table)?.get(key)
    }
}
