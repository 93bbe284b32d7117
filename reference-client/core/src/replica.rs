//! [`Replica`]: the whole client without its IO.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::RangeInclusive;

use syncline_schemas::{Json, Limits, Op, ServerMessage};

use crate::backoff::Backoff;
use crate::conflicts::without_base;
use crate::control::Control;
use crate::digests::Verification;
use crate::durable::Durable;
use crate::env::Env;
use crate::events::{Event, Origin, Status, Trouble};
use crate::history::Histories;
use crate::limits::{self, Refusal};
use crate::migrations::Migrations;
use crate::presence::Presence;
use crate::session::{Link, Session};
use crate::stored::{Entry, Meta, Row, StoreChange, StoredState, Transaction};
use crate::urgency::Urgency;

/// A client's replica of one workspace: inputs go in, outputs are polled out, nothing else happens.
///
/// A *shell* owns the clock, the store and the connection, and calls four kinds of methods:
///
/// 1. **inputs**, each with an [`Env`]: [`mutate`](Self::mutate), [`subscribe`](Self::subscribe), [`connected`](Self::connected),
///    [`receive`](Self::receive), [`disconnected`](Self::disconnected), [`tick`](Self::tick) and their like;
/// 2. **outputs**, after one or several inputs, in this order, each until it gives nothing:
///    [`poll_store`](Self::poll_store), which must be durable before anything else is acted upon;
///    [`poll_wish`](Self::poll_wish); [`poll_frame`](Self::poll_frame); [`poll_event`](Self::poll_event);
/// 3. **the timer**, last: [`poll_timeout`](Self::poll_timeout) says when to call [`tick`](Self::tick);
/// 4. **questions**, at any time: [`view`](Self::view), [`view_rows`](Self::view_rows), [`status`](Self::status),
///    [`stored`](Self::stored) and their like.
///
/// A shell that crashes loads what its store holds, which is the state after some transaction, and goes on. One that
/// fails to store a transaction must not go on with this replica.
///
/// It is [`Clone`] for model checkers. Two clones that both go on are what a copied store is (`CLIENT-COPY`).
#[derive(Clone, Debug)]
pub struct Replica {
    pub(crate) durable: Durable,
    pub(crate) link: Link,
    pub(crate) backoff: Backoff,
    pub(crate) env: Env,
    pub(crate) frames: VecDeque<String>,
    pub(crate) wishes: VecDeque<Wish>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) last_error: Option<Trouble>,
    pub(crate) subscribes: u64,
    pub(crate) presence: Presence,
    pub(crate) control: Control,
    pub(crate) migrations: Migrations,
    pub(crate) urgency: Urgency,
    /// Up to which `seq` it is known, and durable, that entries may have been sent; none beyond is.
    pub(crate) marked_through: u64,
    pub(crate) histories: Histories,
    pub(crate) verification: Verification,
    /// The ids of each sequence that are taken out durably and not handed out yet: gone in a crash. None is empty.
    pub(crate) reserved: BTreeMap<String, RangeInclusive<u64>>,
}

/// What the replica wants of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Open one, and answer by [`Replica::connected`] or [`Replica::disconnected`].
    Connect,
    /// Close the one that there is, or stop opening it. Nothing of it may be handed in any more; no answer is expected.
    Close,
}

/// Why a store cannot be loaded: it is of another workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherWorkspace {
    /// The workspace that the store is of.
    pub stored: String,
}

impl fmt::Display for OtherWorkspace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the store is of the workspace {:?}", self.stored)
    }
}

impl std::error::Error for OtherWorkspace {}

/// Making one, and the app's inputs.
impl Replica {
    /// A replica of what a store holds; offline until [`go_online`](Self::go_online).
    ///
    /// # Errors
    /// If the store is of another workspace.
    pub fn load(workspace: &str, stored: StoredState, env: Env) -> Result<Replica, OtherWorkspace> {
        let stored_workspace = stored.meta.as_ref().map(|meta| meta.workspace.clone());
        if let Some(stored) = stored_workspace
            .clone()
            .filter(|stored| stored != workspace)
        {
            return Err(OtherWorkspace { stored });
        }
        let mut replica = Replica {
            durable: Durable::load(stored),
            link: Link::Paused,
            backoff: Backoff::default(),
            env,
            frames: VecDeque::new(),
            wishes: VecDeque::new(),
            events: VecDeque::new(),
            last_error: None,
            subscribes: 0,
            presence: Presence::default(),
            control: Control::default(),
            migrations: Migrations::default(),
            urgency: Urgency::default(),
            marked_through: 0,
            histories: Histories::default(),
            verification: Verification::default(),
            reserved: BTreeMap::new(),
        };
        if stored_workspace.is_none() {
            let meta = Meta::new(workspace.to_owned(), env.ident("clientId"));
            replica.durable.record(StoreChange::MetaPut(meta));
        }
        Ok(replica)
    }

    /// The app writes: the ops become one mutation, seen in the view at once. Gives its `opId`. The app is told that it was written once the
    /// transaction is durable (`CLIENT-STORE-FIRST`).
    ///
    /// # Errors
    /// The mutation cannot pass, by the limits known (`LIMIT-KEPT`): nothing has changed.
    pub fn mutate(&mut self, ops: Vec<Op>, env: Env) -> Result<String, Refusal> {
        limits::check(&ops, self.limits())?;
        self.env = env;
        self.skip_observed(&ops);
        let ops: Vec<Op> = ops.into_iter().map(|op| self.with_base(op)).collect();
        self.tell_own_entries(&ops);
        let op_id = self.append(ops);
        self.finish(Origin::Local);
        Ok(op_id)
    }

    /// Puts a new mutation at the end of the outbox (`CLIENT-SEQ`, `CLIENT-OP-ID`).
    fn append(&mut self, ops: Vec<Op>) -> String {
        let op_id = self.env.ident("opId");
        self.append_as(op_id.clone(), ops);
        op_id
    }

    /// The same, for a mutation that has its name.
    pub(crate) fn append_as(&mut self, op_id: String, ops: Vec<Op>) {
        self.durable.record(StoreChange::EntryPut(Entry {
            ordinal: self.durable.next_ordinal(),
            seq: self.durable.last_seq() + 1,
            op_id,
            ops,
            written_at_ms: self.env.wall_ms,
            clock_correction_ms: self.durable.meta().clock_correction_ms,
            epoch: self.durable.meta().epoch.clone(),
            let_through: self.lets_through_at_once(),
            movable: self.urgency.is_used(),
            given_up: None,
            applied_at: None,
        }));
        self.urgency.written();
    }

    /// The app has seen a rejection: it leaves the list (`CLIENT-REJECTED-KEPT`). Says whether there was one.
    pub fn confirm_rejection(&mut self, op_id: &str, env: Env) -> bool {
        self.env = env;
        let found = self
            .durable
            .rejected
            .values()
            .find(|entry| entry.op_id == op_id)
            .map(|entry| entry.ordinal);
        found
            .map(|ordinal| self.durable.record(StoreChange::RejectedDropped(ordinal)))
            .is_some()
    }

    /// The app has decided about a mutation in doubt (`CLIENT-DOUBT`). Gives the `opId` of the mutation that applies it again, if it is to be.
    ///
    /// # Errors
    /// There is none of this name; or, to apply it again, it passes the limits now: it then stays in doubt.
    pub fn resolve_doubt(
        &mut self,
        op_id: &str,
        decision: Decision,
        env: Env,
    ) -> Result<Option<String>, ResolveError> {
        let found = self
            .durable
            .in_doubt
            .values()
            .find(|entry| entry.op_id == op_id)
            .cloned();
        let entry = found.ok_or(ResolveError::NotInDoubt)?;
        let ops = self.in_form(entry.ops);
        if decision == Decision::Again {
            limits::check(&ops, self.limits()).map_err(ResolveError::Refused)?;
        }
        self.env = env;
        let ops: Vec<Op> = ops.into_iter().map(without_base).collect();
        let again = (decision == Decision::Again).then(|| {
            self.tell_own_entries(&ops);
            self.append(ops)
        });
        self.durable
            .record(StoreChange::DoubtDropped(entry.ordinal));
        self.finish(Origin::Local);
        Ok(again)
    }

    /// Whether an own write of this row stands over what the server has said of it, or waits to be decided.
    #[must_use]
    pub fn is_pending(&self, table: &str, key: &str) -> bool {
        self.durable.is_overlaid(table, key)
    }

    /// The limits to go by: those of the session, or of the last one, or the least that every server has.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.durable
            .meta()
            .limits
            .as_ref()
            .unwrap_or_else(|| limits::least_limits())
    }
}

/// What the app does with a mutation in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Apply it, as a new mutation: if it was applied before, it then is twice.
    Again,
    /// Drop it: if it was not applied before, it never will be.
    Drop,
}

/// Why a mutation in doubt was not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// No mutation of this name is in doubt.
    NotInDoubt,
    /// It cannot be applied again.
    Refused(Refusal),
}

/// What comes from the server.
impl Replica {
    /// A frame has come. Of an unknown type it is ignored (`VER-UNKNOWN-TYPE-CLIENT`); one that is no message at all ends the connection.
    pub fn receive(&mut self, frame: &str, env: Env) {
        use syncline_schemas::{DEPTH_CEILING, DecodeErrorKind};
        match ServerMessage::decode(frame, DEPTH_CEILING) {
            Ok(message) => self.handle(message, env),
            Err(error) if error.kind == DecodeErrorKind::UnknownType => self.heard(env),
            Err(error) => {
                self.env = env;
                self.server_misbehaved(&format!("sent what is no message: {error}"));
                self.finish(Origin::Server);
            }
        }
    }

    /// A message has come.
    pub fn handle(&mut self, message: ServerMessage, env: Env) {
        self.heard(env);
        if let Some(session) = self.session() {
            session.awaited.heard(&message, env.steady_ms);
        }
        match (message, &self.link) {
            (ServerMessage::Welcome(welcome), Link::Greeting { .. }) => self.on_welcome(welcome),
            (ServerMessage::Error(error), Link::Greeting { .. } | Link::Ready(_)) => {
                self.on_error(error)
            }
            (ServerMessage::Goaway(goaway), Link::Greeting { .. } | Link::Ready(_)) => {
                self.on_goaway(&goaway)
            }
            (ServerMessage::Subscribed(subscribed), Link::Ready(_)) => {
                self.on_subscribed(subscribed)
            }
            (ServerMessage::Ack(ack), Link::Ready(_)) => self.on_ack(ack),
            (ServerMessage::Update(update), Link::Ready(_)) => self.on_update(update),
            (ServerMessage::Digested(digested), Link::Ready(_)) => self.on_digested(&digested),
            (ServerMessage::Past(past), Link::Ready(_)) => self.on_past(past),
            (ServerMessage::Presence(presence), Link::Ready(_)) => self.on_presence(presence),
            // A pong says no more than that it came; the rest belongs to no session of ours.
            _ => {}
        }
        self.finish(Origin::Server);
    }

    /// What every input ends with.
    pub(crate) fn finish(&mut self, origin: Origin) {
        self.leave_shared_identity();
        self.subscribe_wanted();
        self.present_if_due();
        self.lose_others();
        self.lose_histories();
        self.refill_sequences();
        self.conduct_sync();
        self.mark_let_through();
        let changes = self.durable.take_view_changes();
        if !changes.is_empty() {
            self.events.push_back(Event::Rows { origin, changes });
        }
    }
}

/// Outputs and questions.
impl Replica {
    /// What is to be made durable, in one transaction, before any frame polled after it is sent, and before the app is told
    /// anything of what led to it.
    pub fn poll_store(&mut self) -> Option<Transaction> {
        self.durable.take_pending()
    }

    /// What is wanted of the connection.
    pub fn poll_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    /// The next frame to send.
    pub fn poll_frame(&mut self) -> Option<String> {
        debug_assert!(
            !self.durable.has_pending(),
            "poll_store comes before poll_frame"
        );
        self.frames.pop_front().or_else(|| self.next_push())
    }

    /// The next thing that the app may want to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What the app sees of a row: its value, if there is one.
    #[must_use]
    pub fn view(&self, table: &str, key: &str) -> Option<&Json> {
        self.durable.view(table, key)
    }

    /// What the app sees of a table, by key.
    #[must_use]
    pub fn view_rows(&self, table: &str) -> BTreeMap<&str, &Json> {
        self.durable.view_rows(table)
    }

    /// The row as the server said it, with its version: what `ifVersion` speaks of.
    #[must_use]
    pub fn base_row(&self, table: &str, key: &str) -> Option<&Row> {
        self.durable.base_row(table, key)
    }

    /// All that is kept: base, cursors, outbox, rejected entries, conflicts, entries in doubt, identity.
    #[must_use]
    pub fn stored(&self) -> &StoredState {
        &self.durable
    }

    /// How the replica stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            online: matches!(self.link, Link::Ready(_)),
            synced: self.is_synced(),
            pending: self.durable.pending(),
            cursors: self.durable.shapes.clone(),
            rejected: self.durable.rejected.len(),
            conflicts: self.durable.conflicts.len(),
            in_doubt: self.durable.in_doubt.len(),
            last_error: self.last_error.clone(),
        }
    }

    /// Whether everything written is decided and in the base, and each shape has reached what the server had at its welcome.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        let Link::Ready(session) = &self.link else {
            return false;
        };
        let level = |tables| {
            session
                .shapes
                .get(tables)
                .is_some_and(|shape| shape.levelled)
        };
        self.durable.outbox.is_empty() && self.durable.shapes.keys().all(level)
    }

    /// The session, if there is one.
    pub(crate) fn session(&mut self) -> Option<&mut Session> {
        match &mut self.link {
            Link::Ready(session) => Some(session),
            _ => None,
        }
    }
}
