//! [`History`]: what was changed, by whom and when, as the server knows it.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use syncline_client_core::NoHistory;
use syncline_schemas::{HistoryOrder, Json, PastChange, Place};
use tokio::sync::oneshot;

use crate::{Client, Error};

/// A question about the past: see [`Client::history`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before `page`"]
pub struct History {
    client: Client,
    ask: syncline_schemas::History,
    /// The epoch that its places are from.
    epoch: Option<String>,
}

/// A page of the past.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The changes, in the order that was asked for.
    pub changes: Vec<HistoryChange>,
    /// All changes of the workspace from this version on are known; of what was before, none is. 1 or less: nothing was forgotten.
    pub from: u64,
    /// The workspace's last version when the page was made.
    pub to: u64,
    /// Whether there is another page.
    pub has_more: bool,
    next: History,
}

/// A change that was made to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryChange {
    /// The row's key.
    pub key: String,
    /// The version that the row had from then on.
    pub version: u64,
    /// Whose change it was: the same for all changes of one client, as in [`Other::author`](crate::Other::author).
    pub author: String,
    /// When the server decided it, by its clock.
    pub at: SystemTime,
    /// The value that the row had from then on; none: it was deleted.
    pub value: Option<Json>,
    /// The row's other values from then on, where it had several.
    pub siblings: Vec<Json>,
}

impl Client {
    /// Asks what was changed in a table, by whom and when. It is read from the server, as far back as that remembers, and only while there is a connection;
    /// what the app sees of its rows is not touched by it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use syncline_client::{Client, Error};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let url = format!("ws://{}/sync", listener.local_addr()?);
    /// # let (log, config) = (syncline_server::log::MemoryLog::new(), syncline_server::Config::default());
    /// # tokio::spawn(syncline_server::run(listener, log, config, std::future::pending()));
    /// let client = Client::builder(&url, "home").open().await?;
    /// client.set("notes", "1", "buy milk").await?;
    /// client.set("notes", "1", "buy oat milk").await?;
    /// client.wait_synced(Duration::from_secs(10)).await?;
    ///
    /// let mut next = Some(client.history("notes").key("1").newest().limit(20).page().await?);
    /// # let mut seen = Vec::new();
    /// while let Some(page) = next {
    ///     for change in &page.changes {
    ///         println!("{:?} by {}: {:?}", change.at, change.author, change.value::<String>()?);
    /// #       seen.extend(change.value::<String>()?);
    ///     }
    ///     next = page.next().await?;
    /// }
    /// # assert_eq!(seen, ["buy oat milk", "buy milk"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn history(&self, table: &str) -> History {
        History {
            client: self.clone(),
            ask: syncline_schemas::History {
                table: table.to_owned(),
                key: None,
                order: HistoryOrder::Newest,
                after: None,
                before: None,
                limit: None,
            },
            epoch: None,
        }
    }
}

impl History {
    /// Only of this row.
    pub fn key(mut self, key: &str) -> History {
        self.ask.key = Some(key.to_owned());
        self
    }

    /// The last change first: the default.
    pub fn newest(mut self) -> History {
        self.ask.order = HistoryOrder::Newest;
        self
    }

    /// The first change first, as far as it is known.
    pub fn oldest(mut self) -> History {
        self.ask.order = HistoryOrder::Oldest;
        self
    }

    /// Only changes of later versions.
    pub fn after(mut self, version: u64) -> History {
        self.ask.after = Some(whole(version));
        self
    }

    /// Only changes of earlier versions.
    pub fn before(mut self, version: u64) -> History {
        self.ask.before = Some(whole(version));
        self
    }

    /// At most so many changes a page; without it as many as the server gives. A page may have fewer, and more may follow all the same.
    pub fn limit(mut self, changes: u64) -> History {
        self.ask.limit = Some(changes);
        self
    }

    /// Asks for the page.
    ///
    /// # Errors
    /// [`Error::NoHistory`] says why there is none: no connection, a server that does not offer it, a limit; or the client is closed.
    pub async fn page(self) -> Result<HistoryPage, Error> {
        let (ask, epoch) = (self.ask.clone(), self.epoch.clone());
        let told = self.client.ask(move |core, env| {
            let (tell, told) = oneshot::channel();
            let request = core.replica.history(ask, epoch.as_deref(), env)?;
            core.awaiting_past.push((request, tell));
            Ok::<_, NoHistory>(told)
        });
        let told = told.await?.map_err(no_history)?;
        let page = told.await.map_err(|_| Error::Closed)?;
        let page = page.map_err(no_history)?;
        let past = page.past;
        let last = past.changes.last().map(|change| Place {
            version: change.version(),
            index: Some(change.index()),
        });
        let mut next = self;
        next.epoch = Some(page.epoch);
        // A server that has more tells one at least: where it does not, there is nowhere to go on from.
        let has_more = past.has_more && last.is_some();
        match next.ask.order {
            HistoryOrder::Newest => next.ask.before = last,
            HistoryOrder::Oldest => next.ask.after = last,
        }
        Ok(HistoryPage {
            changes: past.changes.into_iter().map(HistoryChange::of).collect(),
            from: past.from,
            to: past.to,
            has_more,
            next,
        })
    }
}

impl HistoryPage {
    /// The next page; none, if this is the last.
    ///
    /// # Errors
    /// As [`History::page`]; and [`NoHistory::OtherEpoch`], if the workspace was replaced meanwhile.
    pub async fn next(self) -> Result<Option<HistoryPage>, Error> {
        match self.has_more {
            true => self.next.page().await.map(Some),
            false => Ok(None),
        }
    }
}

impl HistoryChange {
    fn of(change: PastChange) -> HistoryChange {
        let (version, author) = (change.version(), change.author().to_owned());
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(change.at());
        let (key, value, siblings) = match change {
            PastChange::Set(set) => (set.key, Some(set.value), set.siblings.unwrap_or_default()),
            PastChange::Delete(delete) => (delete.key, None, Vec::new()),
        };
        let siblings = siblings.into_iter().map(|sibling| sibling.value).collect();
        HistoryChange {
            key,
            version,
            author,
            at,
            value,
            siblings,
        }
    }

    /// The value that the row had from then on; none, if it was deleted.
    ///
    /// # Errors
    /// The value is not a `T`.
    pub fn value<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let value = self.value.as_ref();
        Ok(value
            .map(|value| serde_json::from_str(value.get()))
            .transpose()?)
    }
}

/// The place of all changes of a version.
fn whole(version: u64) -> Place {
    Place {
        version,
        index: None,
    }
}

fn no_history(why: NoHistory) -> Error {
    Error::NoHistory(Box::new(why))
}
