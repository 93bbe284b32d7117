//! [`Watch`]: the changes of a table, as they come.
//!
//! What an app has not taken yet is kept by row: of several changes of one row only the last. So an app that does not read costs
//! at most as much as the table is large, and still sees every row as it is in the end.

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use syncline_client_core::Origin;
use syncline_schemas::Json;
use tokio::sync::Notify;

use crate::Error;

/// A change of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<T> {
    /// The row's key.
    pub key: String,
    /// Its value now; none: there is no such row.
    pub value: Option<T>,
    /// Whose doing it is.
    pub origin: Origin,
}

/// The changes of a table's view from the moment of [`Client::watch`](crate::Client::watch) on.
#[derive(Debug)]
pub struct Watch<T> {
    feed: Arc<Feed>,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Watch<T> {
    pub(crate) fn new(feed: Arc<Feed>) -> Watch<T> {
        Watch {
            feed,
            value: PhantomData,
        }
    }

    /// The next change; none once the client is closed and everything is taken. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// The row is not a `T`. The next call goes on with the next change.
    pub async fn next(&mut self) -> Option<Result<Change<T>, Error>> {
        loop {
            let news = self.feed.news.notified();
            match self.feed.take() {
                Taken::Change(key, (value, origin)) => {
                    return Some(typed(key, value.as_ref(), origin));
                }
                Taken::Closed => return None,
                Taken::Nothing => news.await,
            }
        }
    }
}

fn typed<T: DeserializeOwned>(
    key: String,
    value: Option<&Json>,
    origin: Origin,
) -> Result<Change<T>, Error> {
    let value = value
        .map(|value| serde_json::from_str(value.get()))
        .transpose()?;
    Ok(Change { key, value, origin })
}

/// What lies ready for one watch.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// The rows that changed, in the order in which they first did.
    keys: VecDeque<String>,
    /// What became of each last.
    changes: HashMap<String, (Option<Json>, Origin)>,
    closed: bool,
}

enum Taken {
    Change(String, (Option<Json>, Origin)),
    Nothing,
    Closed,
}

impl Feed {
    /// Lays a change ready.
    pub(crate) fn put(&self, key: &str, value: Option<&Json>, origin: Origin) {
        let mut queue = self.queue();
        let change = (value.cloned(), origin);
        if queue.changes.insert(key.to_owned(), change).is_none() {
            queue.keys.push_back(key.to_owned());
        }
        drop(queue);
        self.news.notify_one();
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.news.notify_one();
    }

    fn take(&self) -> Taken {
        let mut queue = self.queue();
        let next = queue.keys.pop_front();
        match next.and_then(|key| queue.changes.remove_entry(&key)) {
            Some((key, change)) => Taken::Change(key, change),
            None if queue.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn put(feed: &Feed, key: &str, value: Option<&str>, origin: Origin) {
        let value = value.map(|value| Json::parse(value).unwrap());
        feed.put(key, value.as_ref(), origin);
    }

    #[tokio::test]
    async fn what_is_not_taken_is_kept_by_row() {
        let feed = Arc::new(Feed::default());
        let mut watch = Watch::<u32>::new(feed.clone());
        put(&feed, "a", Some("1"), Origin::Local);
        put(&feed, "b", Some("\"no number\""), Origin::Server);
        put(&feed, "a", Some("3"), Origin::Server);
        put(&feed, "c", None, Origin::Local);
        feed.close();
        let a = watch.next().await.unwrap().unwrap();
        assert_eq!(
            a,
            Change {
                key: "a".into(),
                value: Some(3),
                origin: Origin::Server
            }
        );
        assert!(matches!(watch.next().await, Some(Err(Error::Value(_)))));
        let c = watch.next().await.unwrap().unwrap();
        assert_eq!((c.key.as_str(), c.value), ("c", None));
        assert!(watch.next().await.is_none());
    }

    #[tokio::test]
    async fn a_watch_that_waits_is_woken() {
        let feed = Arc::new(Feed::default());
        let mut watch = Watch::<u32>::new(feed.clone());
        let waiting = tokio::spawn(async move { watch.next().await });
        tokio::task::yield_now().await;
        put(&feed, "a", Some("1"), Origin::Local);
        assert_eq!(waiting.await.unwrap().unwrap().unwrap().value, Some(1));
    }
}
