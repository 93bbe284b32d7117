//! What an operator wants of a workspace, done between two steps.

use syncline_server_core::Input;

use crate::log::Log;
use crate::random;

use super::history::History;
use super::task::{Stop, Workspace};
use super::turn::Turn;
use super::{Backup, Operation, Refusal};

impl<L: Log> Workspace<L> {
    /// Does it, and answers.
    pub(super) async fn operate(&mut self, operation: Operation) {
        // Whoever no longer waits for a reply does not care.
        match operation {
            Operation::Truncate(reply) => drop(reply.send(self.truncate().await)),
            Operation::Backup(reply) => drop(reply.send(self.backup().await)),
            Operation::Restore(backup, reply) => drop(reply.send(self.restore(&backup).await)),
        }
    }

    async fn truncate(&mut self) -> Result<(), Refusal> {
        let mut turn = Turn::of(vec![Input::Truncate { keep_versions: 0 }]);
        let done = self.step(&mut turn).await;
        done.map_err(|stop| self.stop(&stop))
    }

    async fn backup(&mut self) -> Result<Backup, Refusal> {
        let mut turn = Turn::of(Vec::new());
        if let Err(stop) = self.step(&mut turn).await {
            return Err(self.stop(&stop));
        }
        self.history
            .as_ref()
            .map(History::backup)
            .ok_or(Refusal::Stopped)
    }

    /// Replaces the history under a new epoch, with a margin for sequences, and closes everyone (`MODEL-EPOCH-NEW`, `SEQN-RESTORE`).
    async fn restore(&mut self, backup: &Backup) -> Result<(), Refusal> {
        let epoch = random::name();
        let replaced = match backup.under(&epoch, &self.config) {
            Ok(checkpoint) => self.log.replace(&self.name, &epoch, &checkpoint).await,
            Err(error) => return Err(Refusal::Failed(error.to_string())),
        };
        match replaced {
            Ok(()) => {
                self.stop(&Stop::Replaced);
                Ok(())
            }
            Err(error) => Err(self.stop(&Stop::Failed(error))),
        }
    }
}
