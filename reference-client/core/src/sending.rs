//! Sending: which undecided entries go into the next push, and how entries are given up.
//!
//! On one connection the entries are sent in order of `seq`, each once, as many at a time as the window and the frame allow. After a
//! deferral or a `seq_gap` the replica first waits for the answers to all that is under way (they can only be `seq_gap`s), then goes back:
//! so nothing is sent twice for one refusal (`CLIENT-ORDER`).

use syncline_schemas::mark;
use syncline_schemas::{ClientMessage, Json, Mutation, Op, Push, errors};

use crate::conflicts::of_epoch;
use crate::durable::Durable;
use crate::limits::{self, PUSH_ENVELOPE_BYTES};
use crate::replica::Replica;
use crate::session::{Link, SentPush, Session};
use crate::stored::{Entry, Meta, StoreChange, StoredState};

impl Replica {
    /// The next push, if there is something to push and it may be.
    pub(crate) fn next_push(&mut self) -> Option<String> {
        let (now, wall) = (self.env.steady_ms, self.env.wall_ms);
        let Link::Ready(session) = &mut self.link else {
            return None;
        };
        if now < session.hold_until_ms {
            return None;
        }
        if let Some(seq) = session.rewind_to {
            if !session.unanswered.is_empty() {
                return None;
            }
            mark!("client_rewind");
            session.rewind_to = None;
            session.sent_through = seq - 1;
        }
        session.sent_through = session.sent_through.max(self.durable.acked_seq());
        let marked = self.marked_through.saturating_sub(self.durable.acked_seq());
        let pushable = self.control.pushable().min(marked);
        let mutations = next_mutations(session, &self.durable, pushable, wall);
        let (first, last) = (mutations.first()?.seq, mutations.last()?.seq);
        let push = Push {
            epoch: self.durable.meta().epoch.clone()?,
            follows: op_id_before(&self.durable, first),
            mutations,
        };
        session.sent_through = last;
        session.frames += 1;
        session.said_ms = now;
        session.unanswered.push_back(SentPush {
            frame: session.frames,
            first,
            last,
        });
        let push = ClientMessage::Push(push);
        session.awaited.sent(session.frames, &push, now);
        Some(push.encode())
    }

    /// Gives an undecided entry up, for the reason that `code` names: from now on it is sent with empty ops, under the same `seq` and
    /// `opId`. Whichever reaches the server first decides (`CLIENT-GIVE-UP`).
    pub(crate) fn give_up(&mut self, ordinal: u64, code: &str) {
        let Some(entry) = self.durable.outbox.get(&ordinal).cloned() else {
            return;
        };
        debug_assert!(entry.is_undecided(), "what is decided cannot be given up");
        mark!("client_given_up");
        if entry.given_up.is_none() {
            self.tell_taken_back(&entry.ops);
        }
        self.durable.record(StoreChange::EntryPut(Entry {
            given_up: Some(code.to_owned()),
            ..entry
        }));
    }

    /// Gives up what the limits of a new session do not let through: they may be lower than when it was written (`LIMIT-KEPT`).
    pub(crate) fn give_up_what_cannot_pass(&mut self) {
        let limits = self.limits();
        let stuck = self
            .durable
            .undecided()
            .filter(|entry| entry.given_up.is_none());
        let stuck = stuck.filter(|entry| limits::check(&entry.ops, limits).is_err());
        let stuck: Vec<u64> = stuck.map(|entry| entry.ordinal).collect();
        stuck
            .into_iter()
            .for_each(|ordinal| self.give_up(ordinal, errors::LIMIT_EXCEEDED.code));
    }

    /// A push was answered by an error that trying again would not change. Of several mutations, nobody can say which is at fault: they are sent one by one. A
    /// single one is given up (`CLIENT-PUSH-ERROR`).
    pub(crate) fn on_push_refused(&mut self, push: &SentPush, code: &str) {
        if push.first < push.last {
            self.durable
                .record_meta(|meta| meta.singly_through = meta.singly_through.max(push.last));
        } else if let Some(entry) = self.durable.undecided_at(push.first).cloned() {
            if entry.given_up.is_some() {
                return self.server_misbehaved("refuses an empty mutation");
            }
            self.give_up(entry.ordinal, code);
        }
        let first = push.first;
        if let Some(session) = self.session() {
            session.rewind(first);
        }
    }
}

/// The mutations of the next push: of the first `pushable` undecided ones (`CLIENT-TRIGGER`), within the window (`CLIENT-WINDOW`), the frame, and one by one where that is needed.
fn next_mutations(
    session: &Session,
    stored: &Durable,
    pushable: u64,
    wall_ms: u64,
) -> Vec<Mutation> {
    let meta = stored.meta();
    let in_flight = session.sent_through - meta.acked_seq;
    let room = session.limits.in_flight_max.min(pushable);
    let room = room.saturating_sub(in_flight);
    let singly = session.sent_through < meta.singly_through;
    let most = if singly {
        room.min(1)
    } else {
        room.min(session.limits.push_mutations_max)
    };
    let mut bytes = PUSH_ENVELOPE_BYTES;
    let fits = |mutation: &Mutation| {
        bytes += limits::mutation_bytes(mutation.ops.iter().map(|op| op.get().len()));
        bytes <= session.limits.frame_bytes_max
    };
    let unsent = stored
        .undecided()
        .skip_while(|entry| entry.seq <= session.sent_through);
    unsent
        .take(most as usize)
        .map(|entry| mutation(entry, meta, wall_ms))
        .take_while(fits)
        .collect()
}

/// What the push says it follows: the mutation before its first (`CLIENT-FOLLOWS`).
fn op_id_before(stored: &StoredState, first: u64) -> Option<String> {
    let acked = stored
        .meta
        .as_ref()
        .filter(|meta| meta.acked_seq + 1 == first);
    match acked {
        Some(meta) => meta.acked_op_id.clone(),
        None => stored
            .undecided_at(first - 1)
            .map(|entry| entry.op_id.clone()),
    }
}

/// An entry as it is sent: without ops, if it is given up; with its age as of now (`CLIENT-AGE`).
fn mutation(entry: &Entry, meta: &Meta, wall_ms: u64) -> Mutation {
    let as_json = |op: &Op| {
        let op = of_epoch(op, entry, meta);
        serde_json::from_str::<Json>(&limits::encode_op(&op)).expect("an op's text is JSON")
    };
    Mutation {
        seq: entry.seq,
        op_id: entry.op_id.clone(),
        ops: entry.standing_ops().iter().map(as_json).collect(),
        age_ms: Some(wall_ms.saturating_sub(entry.written_at_ms)),
    }
}
