//! `welcome`: what the server knows of this client, held against what the store knows.
//!
//! This is the spec's procedure, line by line. Its question is always the same: can every undecided entry still be told apart as decided or
//! not? Where the answer is no, the app is asked; where the store turns out to share its name with another, it takes a new one.

use syncline_schemas::mark;
use syncline_schemas::{Op, Outcome, Welcome, errors};

use crate::acks::Verdict;
use crate::events::Event;
use crate::presence::PRESENCE;
use crate::replica::Replica;
use crate::session::{Link, Session};
use crate::stored::{DoubtEntry, Entry, StoreChange};

impl Replica {
    /// The server has answered `hello`.
    pub(crate) fn on_welcome(&mut self, welcome: Welcome) {
        self.follow_epoch(&welcome.epoch);
        if welcome.last_seq < self.durable.acked_seq() {
            // CLIENT-FORGOTTEN: forgotten, or restored from a backup.
            mark!("client_forgotten_found");
            return self.move_on("the server has forgotten this client");
        }
        let mut copied = self.put_in_doubt(&welcome);
        copied |= self.store_results(&welcome);
        copied |= welcome.last_seq > self.durable.acked_seq();
        self.note_server(&welcome);
        if copied {
            mark!("client_copy_found");
            return self.move_on("the server knows another chain of this client than the store");
        }
        self.give_up_what_cannot_pass();
        self.last_error = None;
        let offers_presence = welcome.capabilities.iter().any(|name| name == PRESENCE);
        let mut session = Session::new(welcome, self.durable.acked_seq(), self.env.steady_ms);
        self.introduce(&mut session, offers_presence);
        self.link = Link::Ready(Box::new(session));
    }

    /// A history that is not a continuation of the old one (`CLIENT-EPOCH`). The cursors are kept: they count as below everything
    /// of the new epoch. A version of the old history says nothing about the new one.
    fn follow_epoch(&mut self, epoch: &str) {
        let own = self.durable.meta().epoch.clone();
        if own.is_some_and(|own| own != epoch) {
            if self.durable.pending() > 0 {
                mark!("client_epoch_with_pending");
            }
            self.drop_ids();
            let of_history = |op: &Op| op.if_version().is_some() || matches!(op, Op::Compact(_));
            let conditional = |entry: &&Entry| entry.ops.iter().any(of_history);
            let undecided = self
                .durable
                .undecided()
                .filter(|entry| entry.given_up.is_none());
            let lost: Vec<u64> = undecided
                .filter(conditional)
                .map(|entry| entry.ordinal)
                .collect();
            lost.into_iter()
                .for_each(|ordinal| self.give_up(ordinal, errors::EPOCH_CHANGED.code));
        }
        self.durable
            .record_meta(|meta| meta.epoch = Some(epoch.to_owned()));
    }

    /// Puts the entries before the app whose fate cannot be known, from the first of them to the last undecided one (`CLIENT-DOUBT`).
    /// Says whether there are any.
    fn put_in_doubt(&mut self, welcome: &Welcome) -> bool {
        let lowest = welcome
            .results
            .iter()
            .map(Outcome::seq)
            .min()
            .unwrap_or(welcome.last_seq + 1);
        let unknowable = |entry: &&Entry| {
            let expired = entry.seq < lowest && entry.seq <= welcome.last_seq;
            expired || age_ms(entry, welcome.server_time) > welcome.limits.client_ttl_ms
        };
        let entries: Vec<Entry> = self
            .durable
            .undecided()
            .skip_while(|entry| !unknowable(entry))
            .cloned()
            .collect();
        let any = !entries.is_empty();
        if any {
            mark!("client_doubt");
        }
        self.doubt(entries);
        any
    }

    /// Puts entries before the app: the last undecided ones.
    pub(crate) fn doubt(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.durable
                .record(StoreChange::EntryDropped(entry.ordinal));
            let Entry {
                ordinal,
                op_id,
                ops,
                written_at_ms,
                ..
            } = entry;
            if self.forget_asking(&op_id) {
                continue;
            }
            let entry = DoubtEntry {
                ordinal,
                op_id,
                ops,
                written_at_ms,
            };
            self.durable.record(StoreChange::DoubtPut(entry.clone()));
            self.tell_taken_back(&entry.ops);
            self.events.push_back(Event::InDoubt(entry));
        }
        self.control.put_in_doubt(self.durable.pending());
    }

    /// Stores the outcomes that the server lists, up to the first that is not this store's. Says whether there is such a one.
    fn store_results(&mut self, welcome: &Welcome) -> bool {
        let acked = self.durable.acked_seq();
        let copied =
            { welcome.results.iter() }.any(|result| self.store_outcome(result) != Verdict::Stored);
        if self.durable.acked_seq() > acked {
            mark!("client_outcome_at_welcome");
        }
        copied
    }

    /// Keeps the limits, and how far the server's clock is ahead of the client's.
    fn note_server(&mut self, welcome: &Welcome) {
        let correction = welcome.server_time as i64 - self.env.wall_ms as i64;
        self.durable.record_meta(|meta| {
            meta.clock_correction_ms = correction;
            meta.limits = Some(welcome.limits.clone());
        });
    }

    /// Takes a new identity and says `hello` again.
    fn move_on(&mut self, why: &str) {
        self.take_new_identity();
        self.reconnect(why, 0);
    }
}

/// How long ago an entry was written, by the server's clock (`CLIENT-TTL`): as the client's clock said then, corrected by what was known then.
fn age_ms(entry: &Entry, server_time_ms: u64) -> u64 {
    let written_at = entry
        .written_at_ms
        .saturating_add_signed(entry.clock_correction_ms);
    server_time_ms.saturating_sub(written_at)
}
