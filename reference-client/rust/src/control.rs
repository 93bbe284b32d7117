//! What the app chooses of the sync: its directions, when writes are pushed, a sync now, and to hear how far it is.

use std::time::Duration;

use syncline_client_core::{Mode, Progress, SyncCounts, Trigger};
use tokio::sync::{mpsc, oneshot};

use crate::{Client, Error};

/// How and when it syncs. None of it is stored: an app chooses at each start, by its [`Builder`](crate::Builder) or here.
impl Client {
    /// In which directions to sync, from now on (`CLIENT-MODE-PUSH`, `CLIENT-MODE-PULL`). Nothing is lost by a change: writes stay in the outbox until they may be pushed,
    /// and rows stay as they are until they may be followed again.
    ///
    /// With [`Mode::PushOnly`], and a shape that is wanted, the client is never `synced`: it does not know what the server has.
    ///
    /// ```
    /// # async fn example(client: &syncline_client::Client) -> Result<(), syncline_client::Error> {
    /// use syncline_client::Mode;
    ///
    /// client.set_mode(Mode::PullOnly).await?; // on a metered connection, say
    /// client.set("notes", "1", "buy milk").await?; // durable and seen, as ever; not pushed
    /// client.set_mode(Mode::Both).await?; // now it is
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The client is closed.
    pub async fn set_mode(&self, mode: Mode) -> Result<(), Error> {
        self.ask(move |core, env| core.replica.set_mode(mode, env))
            .await
    }

    /// What lets writes through to the server, from now on (`CLIENT-TRIGGER`). What was let through before stays so. Only pushes wait for a trigger:
    /// what others write comes as ever.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn set_trigger(&self, trigger: Trigger) -> Result<(), Error> {
        self.ask(move |core, env| core.replica.set_trigger(trigger, env))
            .await
    }

    /// Syncs now, as far as the [mode](Self::set_mode) allows: pushes what is pending, whatever the trigger, waits until all of it is decided, and until every shape has been brought to
    /// what the server has now (`CLIENT-SYNC`): at most so long, if a time is given. It goes on over breaks of the connection, and
    /// while the client is offline it waits. Of syncs that are asked for at the same time each is told the counts of all.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use syncline_client::{Client, Trigger};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let url = format!("ws://{}/sync", listener.local_addr()?);
    /// # let (log, config) = (syncline_server::log::MemoryLog::new(), syncline_server::Config::default());
    /// # tokio::spawn(syncline_server::run(listener, log, config, std::future::pending()));
    /// let client = Client::builder(&url, "home").trigger(Trigger::Manual).open().await?;
    /// client.set("notes", "1", "buy milk").await?;
    /// client.set("notes", "2", "buy tea").await?; // neither is pushed yet
    ///
    /// let counts = client.sync(Duration::from_secs(10)).await?;
    /// assert_eq!((counts.pushed, counts.applied), (2, 2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotSynced`] if the time passed before: it goes on all the same. [`Error::Closed`] if the client ended.
    pub async fn sync(&self, at_most: impl Into<Option<Duration>>) -> Result<SyncCounts, Error> {
        let ended = self.ask(|core, env| {
            let (tell, ended) = oneshot::channel();
            core.awaiting_end.push(tell);
            core.replica.sync(env);
            ended
        });
        let ended = ended.await?;
        let at_most = at_most.into();
        let counts = match at_most {
            None => ended.await,
            Some(at_most) => match tokio::time::timeout(at_most, ended).await {
                Ok(counts) => counts,
                Err(_) => return Err(Error::NotSynced(Box::new(self.status()))),
            },
        };
        counts.map_err(|_| Error::Closed)
    }

    /// Verifies so often, from now on, that what is held is what the server has (`DIG-INTERVAL`), a second at least; `None`: not by time. It does so after each resume in any case,
    /// where the server offers digests. What differs is told ([`Notice::Diverged`](crate::Notice::Diverged)) and fetched anew, once on each connection; no write is touched by that. A check costs a frame
    /// each way, whatever is held: the sums are kept up to date row by row.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn verify_every(&self, interval: impl Into<Option<Duration>>) -> Result<(), Error> {
        let every_ms = interval.into().map(milliseconds);
        self.ask(move |core, env| core.replica.verify_every(every_ms, env))
            .await
    }

    /// How far syncs have come, from now on: [`Progress::Start`], parts, [`Progress::End`], and what goes wrong meanwhile, of those that the
    /// app asks for and of those that the client begins by itself, one at a time (`CLIENT-PROGRESS`).
    ///
    /// ```
    /// # async fn example(client: &syncline_client::Client) -> Result<(), syncline_client::Error> {
    /// use syncline_client::Progress;
    ///
    /// let mut progress = client.progress().await?;
    /// while let Some(progress) = progress.recv().await {
    ///     match progress {
    ///         Progress::Start { pending } => println!("{pending} writes to push"),
    ///         Progress::Part { done, total, rows } => println!("{done} of {total}, {rows} rows"),
    ///         Progress::End(counts) => println!("{} rows changed", counts.rows),
    ///         Progress::Error(trouble) => println!("{}", trouble.message),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The client is closed.
    pub async fn progress(&self) -> Result<mpsc::UnboundedReceiver<Progress>, Error> {
        let (listener, progress) = mpsc::unbounded_channel();
        self.ask(move |core, _| {
            core.following.push(listener);
            core.replica.watch_progress();
        })
        .await?;
        Ok(progress)
    }
}

/// As the core counts time: what is longer than a number can say is for ever.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
