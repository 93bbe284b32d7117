//! A step: what waits in the queue is decided, and let out once it is durable.
//!
//! While a step waits for its append, only the log's state has moved, and its journal leads back. Sessions and subscriptions change
//! when the step is committed: there is nothing to undo of them, and nobody has heard of anything.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use syncline_schemas::{ErrorMessage, Pong, ServerMessage};
use syncline_schemas::{errors, mark};

use crate::connection::error;
use crate::engine::Engine;
use crate::io::{Input, SessionKey};
use crate::journal::{Journal, Undo};
use crate::record::{Decision, Event, Record};
use crate::request::{Push, Request};
use crate::truncation::{self, Marks};
use crate::updates::Level;

/// What has been decided and is not yet durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    held: Vec<Held>,
    pub(crate) records: Vec<Record>,
    pub(crate) journal: Journal,
    /// Bytes of the rows that the records leave.
    pub(crate) bytes: u64,
    /// The clients of the sessions that this step opens.
    opening: HashMap<SessionKey, Option<Arc<str>>>,
}

/// An input whose turn has come, with what it is answered. Sessions and subscriptions change only when the step is committed, so that
/// taking a step back concerns the log's state alone.
#[derive(Clone, Debug)]
struct Held {
    input: Input,
    /// The head in the input's turn.
    head: u64,
    answer: Answer,
}

#[derive(Clone, Debug)]
enum Answer {
    /// It is made when the step is committed.
    Later,
    Text(String),
    /// The text of an ack, and which of the step's records it is the first to tell of.
    Ack(String, Range<usize>),
}

impl Engine {
    /// Decides what waits in the queue, and what the time demands. Gives what must be appended; again the same, if it is called again
    /// before [`committed`](Engine::committed). A step that has grown large leaves the rest to the next: see [`waits`](Engine::waits).
    pub fn decide(&mut self, now_ms: u64) -> &[Record] {
        self.now_ms = now_ms;
        if !self.is_deciding() {
            while self.step.bytes < self.config.step_bytes
                && let Some(input) = self.queue.pop_front()
            {
                let head = self.state.head;
                let answer = self.answer(&input, now_ms);
                self.step.held.push(Held {
                    input,
                    head,
                    answer,
                });
            }
            let config = &self.config;
            if let Some(due) =
                truncation::due(&self.state, config.retention, &config.limits, now_ms)
            {
                self.record(Event::Truncated(due), now_ms);
            }
            if !self.is_deciding() {
                self.committed();
            }
        }
        &self.step.records
    }

    /// Whether inputs wait for the next step.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether records wait for their append.
    pub(crate) fn is_deciding(&self) -> bool {
        !self.step.records.is_empty()
    }

    /// Answers an input as far as its answer depends on the state in its turn.
    fn answer(&mut self, input: &Input, now_ms: u64) -> Answer {
        match input {
            Input::Open {
                session,
                name,
                hello,
            } => {
                let client = hello
                    .client_id
                    .as_deref()
                    .map(|client| self.state.clients.id(client));
                self.step.opening.entry(*session).or_insert(client);
                Answer::Text(self.welcome(name, hello, now_ms))
            }
            Input::Frame {
                session,
                re,
                request: Request::Push(push),
            } => self.answer_push(*session, *re, push, now_ms),
            Input::Frame {
                request: Request::Ping(ping),
                ..
            } => Answer::Text(
                ServerMessage::Pong(Pong {
                    t: ping.t,
                    server_time: now_ms,
                })
                .encode(),
            ),
            Input::Truncate { keep_versions } => {
                let to = self.state.head.saturating_sub(*keep_versions);
                if to > self.state.truncated_to {
                    let truncated = truncation::upto(to, &self.config.limits, now_ms);
                    self.record(Event::Truncated(truncated), now_ms);
                }
                Answer::Later
            }
            Input::Frame { .. } | Input::Invalid { .. } | Input::Close { .. } => Answer::Later,
        }
    }

    /// Decides a push (PUSH-ONE-ACK). The schema allows none without mutations.
    fn answer_push(&mut self, session: SessionKey, re: u64, push: &Push, now_ms: u64) -> Answer {
        let Some(client) = self.client_of(session) else {
            return Answer::Later;
        };
        let first = self.step.records.len();
        let results = self.push(client.as_ref(), push, now_ms);
        if results.is_empty() {
            let refused = error(&errors::INVALID_MESSAGE, "a push needs mutations");
            return Answer::Text(
                ServerMessage::Error(ErrorMessage {
                    re: Some(re),
                    ..refused
                })
                .encode(),
            );
        }
        Answer::Ack(
            self.encode_ack(Some(re), results),
            first..self.step.records.len(),
        )
    }

    /// Whose session it is, open or about to be; nothing, if there is no such session.
    fn client_of(&self, session: SessionKey) -> Option<Option<Arc<str>>> {
        let open = self.sessions.find(session).map(|known| &known.client);
        open.or_else(|| self.step.opening.get(&session)).cloned()
    }

    /// Adds a record to the step, and applies it.
    pub(crate) fn record(&mut self, event: Event, now_ms: u64) {
        let at_ms = self.time.at(now_ms, self.state.at_ms);
        let record = Record {
            version: self.state.head + 1,
            at_ms,
            event,
        };
        let spacing_ms = Marks::spacing_ms(self.config.retention);
        self.state.apply(
            &record,
            &self.config.limits,
            spacing_ms,
            &mut self.step.journal,
        );
        self.step.bytes += record.row_bytes();
        self.step.records.push(record);
    }

    /// The step's records are durable: lets out what depends on them, and changes sessions and subscriptions.
    pub fn committed(&mut self) {
        let records = std::mem::take(&mut self.step.records);
        self.note_changed_rows();
        self.step.journal.clear();
        self.step.bytes = 0;
        self.step.opening.clear();
        for held in std::mem::take(&mut self.step.held) {
            self.release(held, &records);
        }
    }

    fn release(&mut self, held: Held, records: &[Record]) {
        match (held.input, held.answer) {
            (
                Input::Open {
                    session,
                    name,
                    hello,
                },
                Answer::Text(welcome),
            ) => {
                let client = hello
                    .client_id
                    .as_deref()
                    .map(|client| self.state.clients.id(client));
                self.open_session(session, name, client, &hello, welcome);
            }
            (Input::Frame { session, .. }, Answer::Ack(text, news)) => {
                if self.sessions.find(session).is_some() {
                    self.outbox.text(vec![session], text);
                }
                for record in &records[news] {
                    self.announce(record, Some(session));
                }
            }
            (Input::Close { session }, _) => self.close_session(session),
            (
                Input::Frame {
                    session,
                    re,
                    request,
                },
                answer,
            ) if self.sessions.find(session).is_some() => {
                self.release_frame(session, re, &request, answer, held.head);
            }
            (Input::Invalid { session, re, error }, _) if self.sessions.find(session).is_some() => {
                self.answer_error(session, re, error);
            }
            _ => {}
        }
    }

    fn release_frame(
        &mut self,
        session: SessionKey,
        re: u64,
        request: &Request,
        answer: Answer,
        head: u64,
    ) {
        match (request, answer) {
            (Request::Subscribe(subscribe), _) => self.subscribe(session, re, subscribe, head),
            (Request::Unsubscribe(unsubscribe), _) => self.unsubscribe(session, re, unsubscribe),
            (Request::Digest(digest), _) => self.ask_digest(session, re, digest),
            (Request::Present(present), _) => self.present(session, re, present),
            (Request::History(history), _) => self.ask_history(session, re, history),
            (Request::Hello(_), _) => {
                let refused: ErrorMessage =
                    error(&errors::UNEXPECTED_HELLO, "the session is open already");
                self.answer_error(session, re, refused);
            }
            (_, Answer::Text(text)) => self.outbox.text(vec![session], text),
            _ => {}
        }
    }

    /// Tells of what is durable: the client's other session by an ack (UPD-ACK-FIRST), the shapes by marking what has changed.
    pub(crate) fn announce(&mut self, record: &Record, pusher: Option<SessionKey>) {
        let Event::Outcome(decided) = &record.event else {
            return;
        };
        let session = self.sessions.of_client(&decided.client);
        if let Some(session) = session.filter(|session| Some(*session) != pusher) {
            mark!("server_outcome_elsewhere");
            let text = self.encode_ack(None, vec![decided.outcome(record.version).into()]);
            self.outbox.text(vec![session], text);
        }
        let Decision::Applied {
            effects,
            untouched,
            declares,
            ..
        } = &decided.decision
        else {
            return;
        };
        declares
            .iter()
            .for_each(|declared| self.end_for_documents(declared));
        for effect in effects {
            self.shapes.touch(&effect.table);
        }
        if let Some(session) = session {
            let level = |table: &Arc<str>| Level {
                session,
                table: table.clone(),
                version: record.version,
            };
            self.levels.extend(untouched.iter().map(level));
            // What it wrote may fall outside its filter, and then no update tells of it.
            let written = effects.iter().map(|effect| &effect.table);
            let filtered = written.filter(|table| self.shapes.is_filtered(table));
            self.levels.extend(filtered.map(level));
        }
    }

    /// Notes what was there before what has just become durable, where anyone filters.
    pub(crate) fn note_changed_rows(&mut self) {
        if !self.shapes.has_filtered() {
            return;
        }
        for undo in self.step.journal.undos() {
            if let Undo::Row { table, .. } = undo
                && self.shapes.is_filtered(table)
            {
                self.changed_rows.note(undo);
            }
        }
    }

    /// The step never happened: the state is as it was, and the inputs wait again.
    pub(crate) fn take_back(&mut self) {
        if self.is_deciding() {
            mark!("server_step_taken_back");
        }
        self.state.undo(&mut self.step.journal);
        self.step.records.clear();
        self.step.bytes = 0;
        self.step.opening.clear();
        for held in self.step.held.drain(..).rev() {
            self.queue.push_front(held.input);
        }
    }
}
