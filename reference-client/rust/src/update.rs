//! [`Client::update`]: reading a row, changing it, and trying again when somebody was faster.

use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline_client_core::RejectedEntry;
use syncline_schemas::errors;

use crate::{Client, Error, Mutation};

/// What has become of a write that was decided.
type Fate = Result<(), Box<RejectedEntry>>;

impl Client {
    /// Changes a row by what it is: `change` is given its value, if there is one, and gives the new one, or nothing to remove it. The write applies only if nobody else
    /// has changed the row meanwhile (`OP-IF-VERSION`); else `change` is asked again, with what is there then. So it may be called several times, and must do
    /// nothing else. Returns once the server has applied it: offline it waits.
    ///
    /// ```
    /// # async fn example(client: &syncline_client::Client) -> Result<(), syncline_client::Error> {
    /// client.update("stock", "milk", |left: Option<u64>| left.and_then(|left| left.checked_sub(1))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The table is in no shape that is subscribed, the row is not a `T`, the write is rejected for another reason, or the store fails.
    pub async fn update<T: Serialize + DeserializeOwned>(
        &self,
        table: &str,
        key: &str,
        mut change: impl FnMut(Option<T>) -> Option<T>,
    ) -> Result<(), Error> {
        let mut version = self.settled(table, key, None).await?;
        loop {
            let value = change(self.get(table, key).await?);
            let write = |mutation: &mut Mutation| match &value {
                Some(value) => _ = mutation.set_if(table, key, value, version),
                None => _ = mutation.delete_if(table, key, version),
            };
            let op_id = self.mutate(write).await?;
            match self.decided(&op_id).await? {
                Ok(()) => return Ok(()),
                Err(entry) if entry.code == errors::VERSION_CONFLICT.code => {
                    self.confirm(&op_id).await?;
                    version = self.settled(table, key, Some(version)).await?;
                }
                Err(entry) => return Err(Error::Rejected(entry)),
            }
        }
    }

    /// The version of a row once nothing of the app's own is pending on it, and it is another than this one.
    async fn settled(&self, table: &str, key: &str, other: Option<u64>) -> Result<u64, Error> {
        let mut status = self.status.clone();
        loop {
            status.borrow_and_update();
            let (name, row) = (table.to_owned(), key.to_owned());
            let found = self.ask(move |core, _| {
                let stored = core.replica.stored();
                stored.shape_of(&name)?;
                let pending = core.replica.is_pending(&name, &row);
                let version = stored.base_row(&name, &row).map_or(0, |row| row.version);
                Some((!pending).then_some(version))
            });
            let found = found.await?;
            let version = found.ok_or_else(|| Error::NotSubscribed(table.to_owned()))?;
            if let Some(version) = version.filter(|version| Some(*version) != other) {
                return Ok(version);
            }
            status.changed().await.map_err(|_| Error::Closed)?;
        }
    }

    /// Waits until a write is decided.
    async fn decided(&self, op_id: &str) -> Result<Fate, Error> {
        let mut status = self.status.clone();
        loop {
            status.borrow_and_update();
            let name = op_id.to_owned();
            let fate = self.ask(move |core, _| {
                let stored = core.replica.stored();
                let rejected = stored.rejected.values().find(|entry| entry.op_id == name);
                match rejected {
                    Some(entry) => Some(Err(Box::new(entry.clone()))),
                    None if stored.undecided().any(|entry| entry.op_id == name) => None,
                    None => Some(Ok(())),
                }
            });
            match fate.await? {
                Some(fate) => return Ok(fate),
                None => status.changed().await.map_err(|_| Error::Closed)?,
            }
        }
    }
}
