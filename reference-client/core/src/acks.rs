//! Outcomes, and the answers that are none.

use syncline_schemas::mark;
use syncline_schemas::{
    Ack, Applied, Cursor, Deferred, MutationResult, Outcome, Refused, Rejected, errors,
};

use crate::events::Event;
use crate::replica::Replica;
use crate::stored::{Entry, RejectedEntry, StoreChange};

/// How long a deferral lasts that does not say.
const DEFERRAL_MS: u64 = 1_000;

/// What an outcome says of the store that it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is of this store's next undecided entry, and stored; or it was stored before.
    Stored,
    /// The server decided, under this store's name, something that this store never sent: there is a copy.
    Copy,
    /// It is of a later undecided entry than the next one: an outcome before it is missing.
    Early,
}

impl Replica {
    /// The fate of the mutations of a push, or outcomes that reached the server by another way.
    pub(crate) fn on_ack(&mut self, ack: Ack) {
        if let (Some(frame), Some(session)) = (ack.re, self.session()) {
            session.take_answered(frame);
        }
        for result in ack.results {
            match result {
                MutationResult::Applied(outcome) => self.on_outcome(&outcome.into()),
                MutationResult::Rejected(outcome) => self.on_outcome(&outcome.into()),
                MutationResult::Deferred(deferred) => self.on_deferred(&deferred),
                MutationResult::Refused(refused) => self.on_refused(&refused),
            }
            if self.session().is_none() {
                return;
            }
        }
    }

    fn on_outcome(&mut self, outcome: &Outcome) {
        match self.store_outcome(outcome) {
            Verdict::Stored => {}
            Verdict::Copy => self.leave_to_copy(),
            Verdict::Early => self.server_misbehaved("left an outcome out"),
        }
    }

    /// Stores an outcome, if it is of the next undecided entry (`CLIENT-ACK`).
    pub(crate) fn store_outcome(&mut self, outcome: &Outcome) -> Verdict {
        if outcome.seq() <= self.durable.acked_seq() {
            return Verdict::Stored;
        }
        let Some(entry) = self.durable.undecided_at(outcome.seq()).cloned() else {
            return Verdict::Copy;
        };
        if entry.op_id != outcome.op_id() {
            return Verdict::Copy;
        }
        if entry.seq != self.durable.acked_seq() + 1 {
            return Verdict::Early;
        }
        self.durable.record_meta(|meta| {
            meta.acked_seq = entry.seq;
            meta.acked_op_id = Some(entry.op_id.clone());
        });
        self.control.decided(matches!(outcome, Outcome::Applied(_)));
        match outcome {
            Outcome::Applied(applied) => self.entry_applied(entry, applied),
            Outcome::Rejected(rejected) => self.entry_rejected(entry, rejected),
        }
        Verdict::Stored
    }

    /// What an applied entry has in the overlay stands until the base has it (`CLIENT-OVERLAY-LEAVES`).
    fn entry_applied(&mut self, mut entry: Entry, applied: &Applied) {
        self.tell_conflicts(&entry, applied);
        let epoch = self.durable.meta().epoch.clone().unwrap_or_default();
        self.take_ids(&entry, applied);
        entry.applied_at = Some(Cursor {
            epoch,
            version: applied.version,
        });
        if entry.given_up.is_some() {
            // An earlier frame was decided first. The effect has left the view already, and comes back with the base.
            entry.ops.clear();
        }
        self.put_standing(entry);
    }

    /// A rejected entry leaves the overlay at once, and with it nothing but its own effect (`CLIENT-REJECTED`).
    fn entry_rejected(&mut self, entry: Entry, rejected: &Rejected) {
        self.durable
            .record(StoreChange::EntryDropped(entry.ordinal));
        let given_up = entry.given_up.is_some();
        let entry = RejectedEntry {
            ordinal: entry.ordinal,
            op_id: entry.op_id,
            ops: entry.ops,
            written_at_ms: entry.written_at_ms,
            // Of what was given up the server only says that it was empty; why it was given up says more.
            code: entry.given_up.unwrap_or_else(|| rejected.code.clone()),
            message: rejected.message.clone().filter(|_| !given_up),
            at: rejected.at.clone().filter(|_| !given_up),
        };
        self.ids_refused(&entry.op_id, &entry.code);
        if !given_up {
            self.tell_taken_back(&entry.ops);
        }
        self.durable.record(StoreChange::RejectedPut(entry.clone()));
        self.events.push_back(Event::Rejected(entry));
    }

    /// The server does not decide now: waits as long as it asks, then sends again from there on (`CLIENT-DEFERRED`).
    fn on_deferred(&mut self, deferred: &Deferred) {
        let wait_ms = deferred.retry_after_ms.unwrap_or(DEFERRAL_MS);
        self.hold_pushes(deferred.seq, wait_ms);
    }

    /// Pushes nothing for so long and a random time, then from `seq` on.
    pub(crate) fn hold_pushes(&mut self, seq: u64, wait_ms: u64) {
        let until_ms = self.env.steady_ms + wait_ms + self.env.jitter(wait_ms / 4);
        if let Some(session) = self.session() {
            session.hold_until_ms = session.hold_until_ms.max(until_ms);
            session.rewind(seq);
        }
    }

    /// The mutation is not the next link of the chain that the server knows.
    fn on_refused(&mut self, refused: &Refused) {
        let first_undecided = self.durable.acked_seq() + 1;
        let code = refused.code.as_str();
        if code == errors::SEQ_GAP.code {
            self.on_seq_gap(refused.expected);
        } else if code == errors::CHAIN_BROKEN.code && refused.seq == first_undecided {
            self.leave_to_copy();
        } else {
            // CLIENT-CHAIN-BROKEN; an unknown code is treated in the same way (ERR-UNKNOWN-CODE).
            self.fail(Some(code), "the server refused a mutation");
            self.reconnect("the server refused a mutation: welcome tells why", 0);
        }
    }

    /// The server expects another mutation (`CLIENT-SEQ-GAP`).
    fn on_seq_gap(&mut self, expected: Option<u64>) {
        let resend = expected.filter(|seq| self.durable.undecided_at(*seq).is_some());
        match (resend, self.session()) {
            (Some(seq), Some(session)) => session.rewind(seq),
            _ => self.reconnect("the server expects a mutation that is not in the outbox", 0),
        }
    }

    /// Another store writes under this one's name: leaves the name to it (`CLIENT-COPY`).
    pub(crate) fn leave_to_copy(&mut self) {
        mark!("client_copy_found");
        self.take_new_identity();
        self.reconnect("the store is a copy: it goes on under a new clientId", 0);
    }
}
