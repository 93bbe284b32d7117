//! Workspaces in memory: each is one task around one engine, found by its name.
//!
//! A workspace is opened by the first `hello` (or operation) that names it and dropped after it has had no session for a while.
//! Its task alone touches its engine; everyone else sends it [`Command`]s, which it handles in the order in which they came.

mod command;
mod history;
mod sessions;
mod task;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Config;
use crate::log::Log;
use crate::tasks::Tasks;

pub use command::Refusal;
pub(crate) use command::{Command, Entry, Operation};
pub use history::Backup;

/// The way to a workspace's task.
pub(crate) type Inbox = UnboundedSender<Command>;

/// All workspaces that are open.
pub(crate) struct Registry {
    open: Mutex<HashMap<String, Inbox>>,
    open_max: usize,
    start: Box<Start>,
}

/// Starts the task of a workspace. It hides which log there is: nobody else needs to know.
type Start = dyn Fn(Arc<Registry>, String, UnboundedReceiver<Command>) + Send + Sync;

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
        Arc::new(Registry {
            open: Mutex::default(),
            open_max,
            start: Box::new(start),
        })
    }

    /// Sends a command to a workspace, opening it if need be; returns the way to it.
    ///
    /// # Errors
    /// The server has ended, or there are too many workspaces.
    pub(crate) fn send(
        self: &Arc<Registry>,
        name: &str,
        command: Command,
    ) -> Result<Inbox, Refusal> {
        let mut open = self.open();
        let command = match open.get(name) {
            // Sent under the lock: a workspace that leaves looks into its inbox under the same lock.
            Some(inbox) => match inbox.send(command) {
                Ok(()) => return Ok(inbox.clone()),
                Err(back) => back.0,
            },
            None if open.len() >= self.open_max => return Err(Refusal::Full),
            None => command,
        };
        let (inbox, commands) = unbounded_channel();
        (self.start)(Arc::clone(self), name.to_owned(), commands);
        inbox.send(command).map_err(|_| Refusal::Stopped)?;
        open.insert(name.to_owned(), inbox.clone());
        Ok(inbox)
    }

    /// Lets go of all workspaces: they end as soon as their last session has.
    pub(crate) fn close(&self) {
        self.open().clear();
    }

    /// How many workspaces are open.
    pub(crate) fn len(&self) -> usize {
        self.open().len()
    }

    /// Takes a workspace out, if nothing waits for it. `false`: something does.
    fn leave(&self, name: &str, commands: &UnboundedReceiver<Command>) -> bool {
        let mut open = self.open();
        let idle = commands.is_empty();
        if idle {
            open.remove(name);
        }
        idle
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Inbox>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
