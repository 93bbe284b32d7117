//! [`Engine`]: one workspace, from inputs to outputs.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use syncline_schemas::errors;
use syncline_schemas::{ClientMessage, ErrorMessage, Pong, ServerMessage};

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::connection::error;
use crate::io::{Input, Outbox, Output, SessionKey};
use crate::journal::Journal;
use crate::record::{Decision, Event, Record};
use crate::sessions::Sessions;
use crate::shapes::Shapes;
use crate::state::State;
use crate::truncation::{self, Marks};
use crate::updates::Level;

/// One workspace: a deterministic machine over its log.
///
/// It is driven in *steps*, by four kinds of call, in this order:
///
/// 1. [`enqueue`](Engine::enqueue) what has come in. Nothing happens yet.
/// 2. [`decide`](Engine::decide) runs the queue and gives the records that must become durable. Append them
///    behind [`head`](Engine::head), all or none, then say [`committed`](Engine::committed); or, if another node was first, give what it
///    appended to [`conflicted`](Engine::conflicted) and decide again. Without records there is nothing to append, nor to say.
/// 3. [`pump`](Engine::pump) makes the updates that follow, also whenever a connection that was [`Output::Starved`] has room again.
/// 4. [`poll_output`](Engine::poll_output) until it gives nothing.
///
/// Nothing that depends on a record comes out before the record is said to be committed (MODEL-DURABLE).
///
/// ```text
///            enqueue            decide: records        committed
///  Input --------------> queue -----------------> step -----------> outbox --poll_output--> Output
///                          ^                       |                  ^
///                          +------ conflicted -----+       pump ------+
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) epoch: String,
    pub(crate) state: State,
    queue: VecDeque<Input>,
    step: Step,
    pub(crate) sessions: Sessions,
    pub(crate) shapes: Shapes,
    pub(crate) levels: Vec<Level>,
    /// The head at the last pump: whatever was not sent of the versions up to it is in a staging.
    pub(crate) pumped_to: u64,
    pub(crate) outbox: Outbox,
}

/// What has been decided and is not yet durable.
#[derive(Debug, Default)]
struct Step {
    held: Vec<Held>,
    records: Vec<Record>,
    journal: Journal,
    /// The clients of the sessions that this step opens.
    opening: HashMap<SessionKey, Option<Arc<str>>>,
}

/// An input whose turn has come, with what it is answered. Sessions and subscriptions change only when the step is committed, so that
/// taking a step back concerns the log's state alone.
#[derive(Debug)]
struct Held {
    input: Input,
    /// The head in the input's turn.
    head: u64,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// It is made when the step is committed.
    Later,
    Text(String),
    /// The text of an ack, and which of the step's records it is the first to tell of.
    Ack(String, Range<usize>),
}

/// Why an engine cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The limits do not fit each other: see [`Config::check`].
    Config(String),
    /// The checkpoint cannot be read: damaged, of another epoch, or of a newer version of this crate.
    Checkpoint(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Config(why) => write!(out, "the limits do not fit each other: {why}"),
            OpenError::Checkpoint(why) => write!(out, "the checkpoint cannot be read: {why}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl Engine {
    /// Opens a workspace as its checkpoint and the records behind it left it. Records that the checkpoint covers are skipped.
    ///
    /// # Errors
    /// The configuration or the checkpoint is at fault.
    pub fn open(
        config: Config,
        epoch: String,
        checkpoint: Option<&Checkpoint>,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Engine, OpenError> {
        config.check().map_err(OpenError::Config)?;
        let mut engine = Engine {
            state: match checkpoint {
                Some(checkpoint) => checkpoint
                    .restore(&epoch, &config.limits)
                    .map_err(OpenError::Checkpoint)?,
                None => State::default(),
            },
            config,
            epoch,
            queue: VecDeque::new(),
            step: Step::default(),
            sessions: Sessions::default(),
            shapes: Shapes::default(),
            levels: Vec::new(),
            pumped_to: 0,
            outbox: Outbox::default(),
        };
        engine.replay(records);
        engine.pumped_to = engine.state.head;
        Ok(engine)
    }

    /// The version of the last record that is known to be durable: the next is to be appended behind it.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.step.journal.head().unwrap_or(self.state.head)
    }

    /// The history's epoch.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// How the engine was set up.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Puts an input behind the others.
    pub fn enqueue(&mut self, input: Input) {
        self.queue.push_back(input);
    }

    /// Decides all that waits in the queue, and what the time demands. Gives what must be appended; again the same, if it is called again
    /// before [`committed`](Engine::committed).
    pub fn decide(&mut self, now_ms: u64) -> &[Record] {
        if !self.is_deciding() {
            while let Some(input) = self.queue.pop_front() {
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
                message: ClientMessage::Push(push),
            } => {
                let Some(client) = self.client_of(*session) else {
                    return Answer::Later;
                };
                let first = self.step.records.len();
                let results = self.push(client.as_ref(), push, now_ms);
                if results.is_empty() {
                    let refused = error(&errors::INVALID_MESSAGE, "a push needs mutations");
                    return Answer::Text(
                        ServerMessage::Error(ErrorMessage {
                            re: Some(*re),
                            ..refused
                        })
                        .encode(),
                    );
                }
                Answer::Ack(
                    self.encode_ack(Some(*re), results),
                    first..self.step.records.len(),
                )
            }
            Input::Frame {
                message: ClientMessage::Ping(ping),
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

    /// Whose session it is, open or about to be; nothing, if there is no such session.
    fn client_of(&self, session: SessionKey) -> Option<Option<Arc<str>>> {
        let open = self.sessions.find(session).map(|known| &known.client);
        open.or_else(|| self.step.opening.get(&session)).cloned()
    }

    /// Adds a record to the step, and applies it.
    pub(crate) fn record(&mut self, event: Event, now_ms: u64) {
        let at_ms = now_ms.max(self.state.at_ms);
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
        self.step.records.push(record);
    }

    /// The step's records are durable: lets out what depends on them, and changes sessions and subscriptions.
    pub fn committed(&mut self) {
        let records = std::mem::take(&mut self.step.records);
        self.step.journal.clear();
        self.step.opening.clear();
        for held in std::mem::take(&mut self.step.held) {
            self.release(held, &records);
        }
    }

    fn release(&mut self, held: Held, records: &[Record]) {
        match (held.input, held.answer) {
            (Input::Open { session, hello, .. }, Answer::Text(welcome)) => {
                let client = hello
                    .client_id
                    .as_deref()
                    .map(|client| self.state.clients.id(client));
                self.open_session(session, client, welcome);
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
                    message,
                },
                answer,
            ) if self.sessions.find(session).is_some() => {
                self.release_frame(session, re, &message, answer, held.head);
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
        message: &ClientMessage,
        answer: Answer,
        head: u64,
    ) {
        match (message, answer) {
            (ClientMessage::Subscribe(subscribe), _) => {
                self.subscribe(session, re, subscribe, head)
            }
            (ClientMessage::Unsubscribe(unsubscribe), _) => {
                self.unsubscribe(session, re, unsubscribe)
            }
            (ClientMessage::Hello(_), _) => {
                let refused: ErrorMessage =
                    error(&errors::UNEXPECTED_HELLO, "the session is open already");
                self.answer_error(session, re, refused);
            }
            (_, Answer::Text(text)) => self.outbox.text(vec![session], text),
            _ => {}
        }
    }

    /// Tells of what is durable: the client's other session by an ack (UPD-ACK-FIRST), the shapes by marking what has changed.
    fn announce(&mut self, record: &Record, pusher: Option<SessionKey>) {
        let Event::Outcome(decided) = &record.event else {
            return;
        };
        let session = self.sessions.of_client(&decided.client);
        if let Some(session) = session.filter(|session| Some(*session) != pusher) {
            let text = self.encode_ack(None, vec![decided.outcome(record.version).into()]);
            self.outbox.text(vec![session], text);
        }
        let Decision::Applied { effects, untouched } = &decided.decision else {
            return;
        };
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
        }
    }

    /// Another node's records came first: takes the step back, applies them, and puts the inputs back into the queue.
    pub fn conflicted(&mut self, newer: impl IntoIterator<Item = Record>) {
        self.replay(newer);
    }

    /// Applies records that another node has appended. A step that waits for its append is taken back: it would not
    /// be appended where it was decided.
    pub fn replay(&mut self, records: impl IntoIterator<Item = Record>) {
        self.take_back();
        let spacing_ms = Marks::spacing_ms(self.config.retention);
        for record in records {
            if record.version > self.state.head {
                self.state.apply(
                    &record,
                    &self.config.limits,
                    spacing_ms,
                    &mut self.step.journal,
                );
                self.step.journal.clear();
                self.announce(&record, None);
            }
        }
    }

    fn take_back(&mut self) {
        self.state.undo(&mut self.step.journal);
        self.step.records.clear();
        self.step.opening.clear();
        for held in self.step.held.drain(..).rev() {
            self.queue.push_front(held.input);
        }
    }

    /// The next thing to do, if there is any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.poll()
    }

    /// The state at [`head`](Engine::head), from which the log can be read on.
    ///
    /// # Panics
    /// If a step waits for its append: what it has decided is no state yet.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        assert!(!self.is_deciding(), "a checkpoint is made between steps");
        Checkpoint::of(&self.state, &self.epoch)
    }
}
