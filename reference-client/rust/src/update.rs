//! [`Client::update`]: reading a row, changing it, and trying again when somebody was faster.

use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline_client_core::RejectedEntry;
use syncline_schemas::{Json, Op, errors};

use crate::{Client, Error, Mutation};

/// What has become of a write.
enum Fate {
    Applied,
    Rejected(Box<RejectedEntry>),
    InDoubt,
}

/// What a row is changed from.
struct Seen {
    value: Option<Json>,
    version: u64,
    /// How far the replica had come.
    cursor: Option<u64>,
}

impl Client {
    /// Changes a row by what it is: `change` is given its value, if there is one, and gives the new one, or nothing to remove it. The write applies only if nobody else
    /// has changed the row meanwhile (`OP-IF-VERSION`); else `change` is asked again, with what is there then. So it may be called several times, and must do
    /// nothing else. Returns once the server has applied it: offline it waits. Leave the rejections of its tries to it: it confirms them.
    /// In a table of `keep_both` it is given the last value, and what it writes replaces all.
    ///
    /// ```
    /// # async fn example(client: &syncline_client::Client) -> Result<(), syncline_client::Error> {
    /// client.update("stock", "milk", |left: Option<u64>| left.and_then(|left| left.checked_sub(1))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The table is in no shape that is subscribed, the row is not a `T`, the write is rejected for another reason, nobody can say whether it was applied, or the store fails.
    pub async fn update<T: Serialize + DeserializeOwned>(
        &self,
        table: &str,
        key: &str,
        mut change: impl FnMut(Option<T>) -> Option<T>,
    ) -> Result<(), Error> {
        let mut seen = self.settled(table, key, None).await?;
        loop {
            let before = seen
                .value
                .as_ref()
                .map(|value| serde_json::from_str(value.get()));
            let value = change(before.transpose()?);
            let mut mutation = Mutation::default();
            match &value {
                Some(value) => mutation.set_if(table, key, value, seen.version),
                None => mutation.delete_if(table, key, seen.version),
            };
            let Some(op_id) = self
                .write_over(table, key, seen.version, mutation.into_ops(&self.schemas)?)
                .await?
            else {
                seen = self.settled(table, key, None).await?;
                continue;
            };
            match self.decided(&op_id).await? {
                Fate::Applied => return Ok(()),
                Fate::InDoubt => return Err(Error::InDoubt(op_id)),
                Fate::Rejected(entry) if entry.code == errors::VERSION_CONFLICT.code => {
                    self.confirm(&op_id).await?;
                    seen = self.settled(table, key, Some(&seen)).await?;
                }
                Fate::Rejected(entry) => return Err(Error::Rejected(entry)),
            }
        }
    }

    /// Writes, if the row is still what was seen: another task of the app may have been faster.
    async fn write_over(
        &self,
        table: &str,
        key: &str,
        version: u64,
        ops: Vec<Op>,
    ) -> Result<Option<String>, Error> {
        let (table, key) = (table.to_owned(), key.to_owned());
        let written = self.ask(move |core, env| {
            let now = { core.replica.stored().base_row(&table, &key) }.map_or(0, |row| row.version);
            let same = now == version && !core.replica.is_pending(&table, &key);
            same.then(|| core.replica.mutate(ops, env)).transpose()
        });
        Ok(written.await??)
    }

    /// The row once nothing of the app's own is pending on it, and there is news since this was seen.
    async fn settled(&self, table: &str, key: &str, before: Option<&Seen>) -> Result<Seen, Error> {
        let mut status = self.status.clone();
        loop {
            status.borrow_and_update();
            let (name, row) = (table.to_owned(), key.to_owned());
            let found = self.ask(move |core, _| {
                let stored = core.replica.stored();
                let (_, cursor) = stored.shape_of(&name)?;
                let pending = core.replica.is_pending(&name, &row);
                let seen = Seen {
                    value: { core.replica.view(&name, &row) }
                        .map(|value| core.forms.row(&name, &row, value)),
                    version: stored.base_row(&name, &row).map_or(0, |row| row.version),
                    cursor: cursor.as_ref().map(|cursor| cursor.version),
                };
                Some((!pending).then_some(seen))
            });
            let found = found.await?;
            let seen = found.ok_or_else(|| Error::NotSubscribed(table.to_owned()))?;
            let is_news = |seen: &Seen| {
                before.is_none_or(|before| {
                    (before.version, before.cursor) != (seen.version, seen.cursor)
                })
            };
            if let Some(seen) = seen.filter(is_news) {
                return Ok(seen);
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
                let in_doubt = stored.in_doubt.values().any(|entry| entry.op_id == name);
                match rejected {
                    Some(entry) => Some(Fate::Rejected(Box::new(entry.clone()))),
                    None if in_doubt => Some(Fate::InDoubt),
                    None if stored.undecided().any(|entry| entry.op_id == name) => None,
                    None => Some(Fate::Applied),
                }
            });
            match fate.await? {
                Some(fate) => return Ok(fate),
                None => status.changed().await.map_err(|_| Error::Closed)?,
            }
        }
    }
}
