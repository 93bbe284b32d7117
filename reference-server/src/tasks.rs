//! The server's tasks, together: counted, told to finish, or ended at once.
//!
//! Nothing that the server starts outlives it unnoticed. An orderly end asks ([`Tasks::drain`]) and waits ([`Tasks::finished`]); an abrupt
//! one ends each task at its next point of waiting ([`Tasks::kill`]), like a crash of the process would.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

/// How far the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Phase {
    Serving,
    Draining,
    Killed,
}

/// A group of tasks. Clones are handles of the same group.
#[derive(Clone)]
pub(crate) struct Tasks(Arc<Group>);

struct Group {
    phase: watch::Sender<Phase>,
    live: watch::Sender<usize>,
}

/// Says that the group's tasks should finish.
pub(crate) struct Draining(watch::Receiver<Phase>);

/// Counts a task for as long as it exists.
struct Counted(Tasks);

impl Tasks {
    pub(crate) fn new() -> Tasks {
        Tasks(Arc::new(Group {
            phase: watch::Sender::new(Phase::Serving),
            live: watch::Sender::new(0),
        }))
    }

    /// Starts a task, unless the group has been killed.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let counted = Counted::new(self);
        let mut killed = self.draining();
        tokio::spawn(async move {
            let _counted = counted;
            tokio::select! {
                biased;
                () = killed.reached(Phase::Killed) => {}
                () = task => {}
            }
        });
    }

    /// How many tasks there are.
    pub(crate) fn live(&self) -> usize {
        *self.0.live.borrow()
    }

    /// Asks all tasks to finish what they have begun, and end.
    pub(crate) fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Ends all tasks where they are.
    pub(crate) fn kill(&self) {
        self.advance(Phase::Killed);
    }

    /// For a task to find out that it should finish.
    pub(crate) fn draining(&self) -> Draining {
        Draining(self.0.phase.subscribe())
    }

    /// Returns when there are no tasks.
    pub(crate) async fn finished(&self) {
        // The group holds the sender, so it cannot be gone.
        let _ = self.0.live.subscribe().wait_for(|live| *live == 0).await;
    }

    fn advance(&self, to: Phase) {
        self.0.phase.send_if_modified(|phase| {
            let later = *phase < to;
            if later {
                *phase = to;
            }
            later
        });
    }
}

impl Draining {
    /// Returns when the task should finish.
    pub(crate) async fn begun(&mut self) {
        self.reached(Phase::Draining).await;
    }

    async fn reached(&mut self, wanted: Phase) {
        // If the group is gone, so is the server.
        let _ = self.0.wait_for(|phase| *phase >= wanted).await;
    }
}

impl Counted {
    fn new(tasks: &Tasks) -> Counted {
        tasks.0.live.send_modify(|live| *live += 1);
        Counted(tasks.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.live.send_modify(|live| *live -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_are_waited_for() {
        let tasks = Tasks::new();
        let mut draining = tasks.draining();
        tasks.spawn(async move { draining.begun().await });
        assert_eq!(tasks.live(), 1);
        tasks.drain();
        tasks.finished().await;
        assert_eq!(tasks.live(), 0);
    }

    #[tokio::test]
    async fn a_killed_group_runs_nothing() {
        let tasks = Tasks::new();
        tasks.spawn(std::future::pending());
        tasks.kill();
        tasks.spawn(async { panic!("a task of a killed group was run") });
        tasks.drain();
        tasks.finished().await;
    }
}
