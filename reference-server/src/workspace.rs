//! Workspaces in memory: each is one task around one engine, found by its name.
//!
//! A workspace is opened by the first `hello` (or operation) that names it and dropped after it has had no session for a while.
//! Its task alone touches its engine; everyone else sends it [`Command`]s, which it handles in the order in which they came.

mod command;
mod history;
mod operations;
mod sessions;
mod task;
mod turn;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Config;
use crate::log::Log;
use crate::tasks::Tasks;

pub use command::Refusal;
pub(crate) use command::{Command, Entry, Operation};
pub use history::Backup;
pub(crate) use history::state;

/// The way to a workspace's task.
pub(crate) type Inbox = UnboundedSender<Command>;

/// All workspaces that are open.
pub(crate) struct Registry {
    state: Mutex<State>,
    open_max: usize,
}

struct State {
    open: HashMap<String, Inbox>,
    /// None: the server ends, and nothing is opened any more.
    start: Option<Box<Start>>,
}

/// Starts the task of a workspace. It hides which log there is: nobody else needs to know.
type Start = dyn Fn(Arc<Registry>, String, UnboundedReceiver<Command>) + Send;

impl Registry {
    /// An empty registry, whose workspaces live in this log and run among these tasks.
    pub(crate) fn new<L: Log>(log: L, config: Arc<Config>, tasks: Tasks) -> Arc<Registry> {
        let open_max = config.workspaces_max;
        let start = move |registry, name, inbox| {
            tasks.spawn(task::run(
                registry,
                name,
                log.clone(),
                config.clone(),
                tasks.clone(),
                inbox,
            ));
        };
        let state = State {
            open: HashMap::new(),
            start: Some(Box::new(start)),
        };
        Arc::new(Registry {
            state: Mutex::new(state),
            open_max,
        })
    }

    /// Sends a command to a workspace, opening it if need be; returns the way to it.
    ///
    /// # Errors
    /// The server ends, or there are too many workspaces.
    pub(crate) fn send(
        self: &Arc<Registry>,
        name: &str,
        command: Command,
    ) -> Result<Inbox, Refusal> {
        let mut state = self.state();
        let start = state.start.as_ref().ok_or(Refusal::Stopped)?;
        let command = match state.open.get(name) {
            // Sent under the lock: a workspace that leaves looks into its inbox under the same lock.
            Some(inbox) => match inbox.send(command) {
                Ok(()) => return Ok(inbox.clone()),
                Err(back) => back.0,
            },
            None if state.open.len() >= self.open_max => return Err(Refusal::Full),
            None => command,
        };
        let (inbox, commands) = unbounded_channel();
        start(Arc::clone(self), name.to_owned(), commands);
        inbox.send(command).map_err(|_| Refusal::Stopped)?;
        state.open.insert(name.to_owned(), inbox.clone());
        Ok(inbox)
    }

    /// Lets go of all workspaces, which end as soon as their last session has, and of the log.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.open.clear();
        state.start = None;
    }

    /// How many workspaces are open.
    pub(crate) fn len(&self) -> usize {
        self.state().open.len()
    }

    /// Takes a workspace out, if nothing waits for it. `false`: something does.
    fn leave(&self, name: &str, commands: &UnboundedReceiver<Command>) -> bool {
        let mut state = self.state();
        let idle = commands.is_empty();
        if idle {
            state.open.remove(name);
        }
        idle
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
