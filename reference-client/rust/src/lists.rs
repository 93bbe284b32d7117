//! What waits for the app to look at it: writes that were rejected, that met others', or of which nobody knows.

use syncline_client_core::{ConflictEntry, Decision, DoubtEntry, RejectedEntry, ResolveError};
use tokio::sync::mpsc;

use crate::actor::Core;
use crate::client::Notice;
use crate::{Client, Error};

/// What the server did not take, and what nobody can know.
impl Client {
    /// Is told of every write that is rejected or in doubt from now on, once; those of before are in the lists. And of every shape whose
    /// digest shows that its rows are not the server's.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn notices(&self) -> Result<mpsc::UnboundedReceiver<Notice>, Error> {
        let (listener, notices) = mpsc::unbounded_channel();
        self.ask(move |core, _| core.notified.push(listener))
            .await?;
        Ok(notices)
    }

    /// The writes that were rejected and not yet confirmed, the oldest first. Their effect has left the view.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn rejected(&self) -> Result<Vec<RejectedEntry>, Error> {
        self.ask(|core, _| core.replica.stored().rejected.values().cloned().collect())
            .await
    }

    /// The writes that met others' and not all of which were taken as they were, not yet confirmed, the oldest first: what [`notices`](Self::notices) told of
    /// them, also where the app has ended before it heard of it (`CFL-CLIENT-KEPT`).
    ///
    /// # Errors
    /// The client is closed.
    pub async fn conflicts(&self) -> Result<Vec<ConflictEntry>, Error> {
        self.ask(|core, _| core.replica.stored().conflicts.values().cloned().collect())
            .await
    }

    /// The rows that have several values, by table and key: [`base_all`](Self::base_all) has the values, a write leaves one.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn rows_with_siblings(&self) -> Result<Vec<(String, String)>, Error> {
        self.ask(|core, _| {
            let rows = core.replica.rows_with_siblings();
            rows.map(|(table, key)| (table.to_owned(), key.to_owned()))
                .collect()
        })
        .await
    }

    /// Takes a rejected write, or one with conflicts, off its list.
    ///
    /// # Errors
    /// There is none of this name, or the store fails.
    pub async fn confirm(&self, op_id: &str) -> Result<(), Error> {
        let name = op_id.to_owned();
        let confirm = move |core: &mut Core, env| {
            core.replica.confirm_rejection(&name, env) || core.replica.confirm_conflicts(&name, env)
        };
        let found = self.ask(confirm).await?;
        if found {
            Ok(())
        } else {
            Err(Error::NoSuchMutation(op_id.to_owned()))
        }
    }

    /// The writes of which nobody can say whether they were applied, the oldest first (`CLIENT-DOUBT`).
    ///
    /// # Errors
    /// The client is closed.
    pub async fn in_doubt(&self) -> Result<Vec<DoubtEntry>, Error> {
        self.ask(|core, _| core.replica.stored().in_doubt.values().cloned().collect())
            .await
    }

    /// Decides about a write in doubt. Returns the `opId` of the new mutation, if it is to be applied again.
    ///
    /// # Errors
    /// There is none of this name; it passes a limit now, and stays in doubt; or the store fails.
    pub async fn resolve(&self, op_id: &str, decision: Decision) -> Result<Option<String>, Error> {
        let name = op_id.to_owned();
        let resolved = self
            .ask(move |core, env| core.replica.resolve_doubt(&name, decision, env))
            .await?;
        resolved.map_err(|error| match error {
            ResolveError::NotInDoubt => Error::NoSuchMutation(op_id.to_owned()),
            ResolveError::Refused(refusal) => refusal.into(),
        })
    }
}
