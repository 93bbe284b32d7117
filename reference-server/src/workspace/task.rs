//! A workspace's task: takes what has come, lets the engine decide, makes it durable, and only then lets the answers go.
//!
//! ```text
//!   wait ──▶ take all that waits ──▶ decide ──▶ append ──▶ committed ──▶ pump ──▶ deliver ──▶ wait ...
//!                                      ▲           │ conflict
//!                                      └── replay ◀┘
//! ```
//!
//! While an append is under way, what comes waits in the inbox and is the next step: the busier a workspace, the larger its steps, and the
//! fewer appends a mutation costs.
//!
//! When the log fails, nobody knows what of the step is durable. The sessions are told so (`internal`) and closed, and the
//! engine is dropped; the next `hello` opens the workspace again from what the log really holds.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use syncline_server_core::{Engine, Output, SessionKey};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use crate::Config;
use crate::closing::Closing;
use crate::link::Link;
use crate::log::{Log, LogError};
use crate::tasks::Tasks;

use super::history::{Appended, History};
use super::sessions::Sessions;
use super::turn::Turn;
use super::{Command, Refusal, Registry};

/// Commands that one step takes at most, so that the first of them is not answered too late.
const STEP_COMMANDS_MAX: usize = 4096;

/// How often the engine may look at the clock at least when nothing comes: truncation by age.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Serves a workspace until it has been idle for long enough, or nobody can reach it any more.
pub(super) async fn run<L: Log>(
    registry: Arc<Registry>,
    name: String,
    log: L,
    config: Arc<Config>,
    tasks: Tasks,
    mut inbox: UnboundedReceiver<Command>,
) {
    let mut workspace = Workspace::new(name, log, config, tasks);
    let mut commands = Vec::new();
    loop {
        let woken = workspace.wait(&mut inbox, &mut commands).await;
        match woken {
            Woken::Unreachable => return,
            Woken::Idle if registry.leave(&workspace.name, &inbox) => {
                tracing::info!(workspace = workspace.name, "workspace closed: idle");
                return;
            }
            Woken::Idle | Woken::Work | Woken::News => {}
        }
        let mut turn = workspace.take(&mut commands);
        turn.looks |= woken == Woken::News;
        if let Err(stop) = workspace.step(&mut turn).await {
            workspace.stop(&stop);
        }
        workspace.finish(turn).await;
    }
}

/// Why the task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// Something is to be done, or it is time to look at the clock.
    Work,
    /// Others have appended to the log.
    News,
    /// Nobody has been here for a while.
    Idle,
    /// Nobody can send anything any more.
    Unreachable,
}

/// Why the engine cannot go on from where it is.
pub(super) enum Stop {
    Failed(LogError),
    Replaced,
}

impl From<LogError> for Stop {
    fn from(error: LogError) -> Stop {
        Stop::Failed(error)
    }
}

/// A workspace, as its task has it.
pub(super) struct Workspace<L> {
    pub(super) name: String,
    pub(super) log: L,
    pub(super) config: Arc<Config>,
    tasks: Tasks,
    /// None: not opened yet, or failed since.
    pub(super) history: Option<History<L>>,
    pub(super) sessions: Sessions,
    /// Sessions that were closed from this side: the engine is told with the next step.
    pub(super) closed: Vec<SessionKey>,
    /// There is more to do: a starved session found room before it could be told to wait, or the engine does long work a piece at a time.
    pump_again: bool,
}

impl<L: Log> Workspace<L> {
    fn new(name: String, log: L, config: Arc<Config>, tasks: Tasks) -> Workspace<L> {
        let (sessions, closed) = (Sessions::default(), Vec::new());
        Workspace {
            name,
            log,
            config,
            tasks,
            history: None,
            sessions,
            closed,
            pump_again: false,
        }
    }

    async fn wait(
        &self,
        inbox: &mut UnboundedReceiver<Command>,
        commands: &mut Vec<Command>,
    ) -> Woken {
        let idle = self.sessions.is_empty();
        let patience = if idle {
            self.config.timeouts.workspace_idle
        } else {
            self.due().map_or(HOUSEKEEPING, |due| due.min(HOUSEKEEPING))
        };
        tokio::select! {
            count = inbox.recv_many(commands, STEP_COMMANDS_MAX) => {
                if count == 0 { Woken::Unreachable } else { Woken::Work }
            }
            () = self.changed(), if L::SHARED => Woken::News,
            () = std::future::ready(()), if self.pump_again || !self.closed.is_empty() => Woken::Work,
            () = sleep(patience) => if idle { Woken::Idle } else { Woken::Work },
        }
    }

    /// How long until the engine has something to do by itself: presence that was held back.
    fn due(&self) -> Option<Duration> {
        let engine = &self.history.as_ref()?.engine;
        engine.due_in_ms(now_ms()).map(Duration::from_millis)
    }

    async fn changed(&self) {
        match &self.history {
            Some(history) => history.changed().await,
            None => std::future::pending().await,
        }
    }

    /// From inputs to delivered answers.
    pub(super) async fn step(&mut self, turn: &mut Turn) -> Result<(), Stop> {
        let inputs = std::mem::take(&mut turn.inputs);
        if self.history.is_none() && !turn.opens {
            return Ok(());
        }
        let history = open(
            &mut self.history,
            &self.name,
            &self.log,
            &self.config,
            &self.tasks,
        )
        .await?;
        if L::SHARED && turn.looks {
            let news = history.tail().await?.ok_or(Stop::Replaced)?;
            history.engine.replay(news);
        }
        for input in inputs {
            history.engine.enqueue(input);
        }
        decide(history).await?;
        self.deliver();
        Ok(())
    }

    /// Makes the updates for which there is room, and gives everything that is ready to its connections.
    fn deliver(&mut self) {
        let Some(history) = &mut self.history else {
            return;
        };
        let engine: &mut Engine = &mut history.engine;
        self.pump_again = engine.pump(|session| self.sessions.link(session).map_or(0, Link::room));
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Frame { to, text } => {
                    for slow in self.sessions.send(&to, text) {
                        self.sessions.remove(slow);
                        self.closed.push(slow);
                    }
                }
                Output::Close { session, code } => {
                    if let Some(link) = self.sessions.remove(session) {
                        link.close(Closing::said(code));
                    }
                }
                Output::Starved { session } => {
                    self.pump_again |= self.sessions.link(session).is_some_and(Link::starve);
                }
            }
        }
        history.keep_short();
    }

    /// What comes after the answers: room in the inboxes, goodbyes, operations.
    async fn finish(&mut self, turn: Turn) {
        for (session, bytes) in turn.taken {
            if let Some(link) = self.sessions.link(session) {
                link.decided(bytes);
            }
        }
        for (session, closing) in turn.leaving {
            if let Some(link) = self.sessions.remove(session) {
                link.close(closing);
                self.closed.push(session);
            }
        }
        for operation in turn.operations {
            self.operate(operation).await;
        }
    }

    /// Drops the engine, telling everyone why.
    pub(super) fn stop(&mut self, stop: &Stop) -> Refusal {
        self.history = None;
        self.closed.clear();
        self.pump_again = false;
        match stop {
            Stop::Failed(error) => {
                tracing::error!(workspace = self.name, %error, "the log failed; sessions are closed");
                self.sessions.close_all(&Closing::internal());
                Refusal::Failed(error.to_string())
            }
            Stop::Replaced => {
                tracing::info!(
                    workspace = self.name,
                    "the history was replaced; sessions are closed"
                );
                self.sessions
                    .close_all(&Closing::history_replaced(&self.config));
                Refusal::Failed("the history was replaced".to_owned())
            }
        }
    }
}

/// The history, opened if it is not.
async fn open<'a, L: Log>(
    history: &'a mut Option<History<L>>,
    name: &str,
    log: &L,
    config: &Config,
    tasks: &Tasks,
) -> Result<&'a mut History<L>, LogError> {
    match history {
        Some(history) => Ok(history),
        None => Ok(history.insert(History::open(name, log, config, tasks).await?)),
    }
}

/// Decides until what was decided is durable.
async fn decide<L: Log>(history: &mut History<L>) -> Result<(), Stop> {
    loop {
        match history.append(now_ms()).await? {
            Appended::Done if history.engine.waits() => {}
            Appended::Done => return Ok(()),
            Appended::Conflict(newer) => history.engine.conflicted(newer),
            Appended::Replaced => return Err(Stop::Replaced),
        }
    }
}

/// Milliseconds since 1970 by this machine's clock; the engine sees to it that the log's never run backwards.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
