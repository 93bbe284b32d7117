//! [`Sequence`]: integer ids, offline too.

use std::time::Duration;

use syncline_client_core::NoId;
use tokio::sync::oneshot;

use crate::{Client, Error};

/// A sequence of integer ids that no other client is ever given: see [`Client::sequence`].
#[derive(Clone, Debug)]
pub struct Sequence {
    client: Client,
    name: String,
}

impl Client {
    /// Uses a sequence of the workspace, from now on and after every restart. While there is a connection the client takes blocks of `block_size` ids
    /// from the server by itself, a new one when half of it is gone; so choose what an app may need while it is offline.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use syncline_client::{Client, Error, NoId};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let orders = client.sequence("orders", 100).await?;
    /// orders.wait(Duration::from_secs(10)).await?; // the first block needs a connection, once
    ///
    /// let id = match orders.next_id().await {      // the next ones do not
    ///     Ok(id) => id,
    ///     Err(Error::NoId(NoId::NoneLeft)) => return Ok(()), // offline for long: wait for a connection
    ///     Err(error) => return Err(error),
    /// };
    /// client.set("orders", &id.to_string(), "two pizzas").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Ids are not without holes: what a crash takes, a block that is dropped when the server is put back to a backup, and what is never used are left out.
    /// Copies of one store share their ids until they learn of each other (`SEQN-IDENTITY`): do not copy stores that are to be used side by side.
    ///
    /// # Errors
    /// No sequence may be named so, or the store fails.
    pub async fn sequence(&self, name: &str, block_size: u64) -> Result<Sequence, Error> {
        let own = name.to_owned();
        let used = self
            .ask(move |core, env| core.replica.use_sequence(&own, block_size, env))
            .await?;
        used?;
        let (client, name) = (self.clone(), name.to_owned());
        Ok(Sequence { client, name })
    }
}

impl Sequence {
    /// The next id. It is taken out durably before this returns: no restart and no crash brings it again (`SEQN-ONCE`).
    ///
    /// # Errors
    /// [`Error::NoId`] says why there is none, and what to do; or the store fails.
    pub async fn next_id(&self) -> Result<u64, Error> {
        let name = self.name.clone();
        let id = self
            .client
            .ask(move |core, env| core.replica.next_id(&name, env))
            .await?;
        id.map_err(Error::NoId)
    }

    /// How many ids can be handed out without the server.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn left(&self) -> Result<u64, Error> {
        let name = self.name.clone();
        self.client
            .ask(move |core, _| core.replica.ids_left(&name))
            .await
    }

    /// Waits until there is an id: at most so long.
    ///
    /// # Errors
    /// [`Error::NoId`] if there was none in time, [`Error::Closed`] if the client ended.
    pub async fn wait(&self, at_most: Duration) -> Result<(), Error> {
        let name = self.name.clone();
        let given = self.client.ask(move |core, _| {
            let (tell, given) = oneshot::channel();
            if core.replica.ids_left(&name) > 0 {
                // Whoever asked no longer waits, if this fails.
                let _ = tell.send(());
            } else {
                core.awaiting_ids.push((name, tell));
            }
            given
        });
        match tokio::time::timeout(at_most, given.await?).await {
            Ok(given) => given.map_err(|_| Error::Closed),
            Err(_) => Err(Error::NoId(NoId::NoneLeft)),
        }
    }
}
