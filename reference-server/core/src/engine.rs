//! [`Engine`]: one workspace, from inputs to outputs.

use std::collections::VecDeque;
use std::fmt;

use crate::checkpoint::Checkpoint;
use crate::config::{Config, HISTORY};
use crate::filters::ChangedRows;
use crate::io::{Input, Outbox, Output};
use crate::presence::Words;
use crate::record::Record;
use crate::sessions::Sessions;
use crate::shapes::Shapes;
use crate::state::State;
use crate::step::Step;
use crate::time::Time;
use crate::truncation::Marks;
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
/// Whether anything has come or not, the next step is due within [`due_in_ms`](Engine::due_in_ms).
///
/// Nothing that depends on a record comes out before the record is said to be committed (MODEL-DURABLE).
///
/// ```text
///            enqueue            decide: records        committed
///  Input --------------> queue -----------------> step -----------> outbox --poll_output--> Output
///                          ^                       |                  ^
///                          +------ conflicted -----+       pump ------+
/// ```
///
/// It is [`Clone`] for model checkers.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) epoch: String,
    pub(crate) state: State,
    pub(crate) queue: VecDeque<Input>,
    pub(crate) step: Step,
    pub(crate) sessions: Sessions,
    pub(crate) shapes: Shapes,
    pub(crate) levels: Vec<Level>,
    /// What has changed since the last pump, where anyone filters.
    pub(crate) changed_rows: ChangedRows,
    /// The head at the last pump: whatever was not sent of the versions up to it is in a staging.
    pub(crate) pumped_to: u64,
    pub(crate) outbox: Outbox,
    pub(crate) presence: Words,
    /// The time of the last step, by the clock.
    pub(crate) now_ms: u64,
    /// The time of what is decided.
    pub(crate) time: Time,
}

/// Why an engine cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The limits do not fit each other: see [`Config::check`].
    Config(String),
    /// The checkpoint cannot be read: damaged, of another epoch, or of a newer version of this crate.
    Checkpoint(String),
    /// A table names a resolver that the configuration does not have: without it nobody can decide its writes.
    Resolver {
        /// The table.
        table: String,
        /// The resolver.
        resolver: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Config(why) => write!(out, "the limits do not fit each other: {why}"),
            OpenError::Checkpoint(why) => write!(out, "the checkpoint cannot be read: {why}"),
            OpenError::Resolver { table, resolver } => write!(
                out,
                "the table {table} is declared with the resolver {resolver}, which this server was not given"
            ),
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
            changed_rows: ChangedRows::default(),
            pumped_to: 0,
            outbox: Outbox::default(),
            presence: Words::default(),
            now_ms: 0,
            time: Time::default(),
        };
        engine.state.keep_history(engine.config.offers(HISTORY));
        engine.replay(records);
        engine.check_resolvers()?;
        engine.pumped_to = engine.state.head;
        Ok(engine)
    }

    /// Whether each resolver that a table names is there.
    fn check_resolvers(&self) -> Result<(), OpenError> {
        let mut named = { self.state.declared.iter() }
            .filter_map(|(table, settings)| Some((table, settings.resolver.as_ref()?)));
        match named.find(|(_, resolver)| !self.config.resolvers.has(resolver)) {
            None => Ok(()),
            Some((table, resolver)) => Err(OpenError::Resolver {
                table: table.to_string(),
                resolver: resolver.to_string(),
            }),
        }
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
                self.note_changed_rows();
                self.step.journal.clear();
                self.announce(&record, None);
            }
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
