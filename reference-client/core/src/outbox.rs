//! The outbox: the app's mutations that are not yet in the base, in the order of the app's writes.
//!
//! Decided entries stand before undecided ones, always: the chain decides in order, and what is new goes to the end. So the
//! undecided are a tail, numbered without holes from `ackedSeq + 1` on (`CLIENT-SEQ`).

use crate::stored::{Entry, StoredState};

impl StoredState {
    /// The entries whose outcome is not known, in order of `seq`.
    pub fn undecided(&self) -> impl Iterator<Item = &Entry> {
        self.outbox
            .values()
            .skip_while(|entry| !entry.is_undecided())
    }

    /// The applied entries that still stand in the overlay.
    pub fn standing(&self) -> impl Iterator<Item = &Entry> {
        self.outbox
            .values()
            .take_while(|entry| !entry.is_undecided())
    }

    /// The undecided entry of this `seq`.
    #[must_use]
    pub fn undecided_at(&self, seq: u64) -> Option<&Entry> {
        self.undecided().find(|entry| entry.seq == seq)
    }

    /// How many mutations have no known outcome.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.last_seq() - self.acked_seq()
    }

    /// The highest `seq` issued under the replica's `clientId`.
    pub(crate) fn last_seq(&self) -> u64 {
        match self.outbox.values().next_back() {
            Some(entry) if entry.is_undecided() => entry.seq,
            _ => self.acked_seq(),
        }
    }

    /// The `seq` of the last own mutation whose outcome is stored.
    #[must_use]
    pub fn acked_seq(&self) -> u64 {
        self.meta.as_ref().map_or(0, |meta| meta.acked_seq)
    }
}
