//! Which entries may have been sent, and are immutable (`CLIENT-IMMUTABLE`).
//!
//! That a frame is on its way is not written down for each: that would be a transaction more for each push. An entry counts as perhaps sent from the moment on at which
//! it is let through in a session. Of those that are written in one the entry itself says so; for those that waited for it the meta record says it once.

use crate::replica::Replica;
use crate::session::Link;
use crate::stored::{Entry, StoreChange};

impl Replica {
    /// Whether a frame with this undecided entry may be, or have been, on its way.
    pub(crate) fn may_have_been_sent(&self, entry: &Entry) -> bool {
        entry.let_through || entry.seq <= self.durable.meta().let_through_seq
    }

    /// Whether what is written now may be sent at once.
    pub(crate) fn lets_through_at_once(&self) -> bool {
        let in_session = matches!(self.link, Link::Ready(_));
        in_session && self.control.pushable() == u64::MAX && !self.urgency.is_used()
    }

    /// Notes, durably, what may be sent from now on; nothing beyond that is.
    pub(crate) fn mark_let_through(&mut self) {
        let Link::Ready(session) = &self.link else {
            return;
        };
        let window = session.limits.in_flight_max;
        let let_through = self.control.pushable().min(self.durable.pending());
        let mut through = self.durable.acked_seq() + let_through;
        if self.urgency.is_used() {
            // No more than can be sent: what is written later may be more urgent than the rest.
            self.put_in_order(through);
            through = through.min(self.durable.acked_seq() + window);
        }
        if through <= self.marked_through {
            return;
        }
        let unmarked = { self.durable.outbox.values().rev() }
            .take_while(|entry| entry.is_undecided() && entry.seq > self.marked_through);
        let unmarked = unmarked.filter(|entry| entry.seq <= through);
        if { unmarked }.any(|entry| !self.may_have_been_sent(entry)) {
            self.durable
                .record_meta(|meta| meta.let_through_seq = through);
        }
        self.marked_through = through;
    }

    /// The undecided entries get new numbers: what may have been sent under the old ones stays immutable.
    pub(crate) fn renumber(&mut self, entries: Vec<Entry>) {
        let sent = entries.iter().map(|entry| self.may_have_been_sent(entry));
        let sent: Vec<bool> = sent.collect();
        self.marked_through = 0;
        self.durable.record_meta(|meta| meta.let_through_seq = 0);
        for (seq, (entry, let_through)) in (1..).zip(entries.into_iter().zip(sent)) {
            self.durable.record(StoreChange::EntryPut(Entry {
                seq,
                let_through,
                ..entry
            }));
        }
    }
}
