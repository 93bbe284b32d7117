//! The past, page by page: a question is taken at once, and its page told when it comes.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Value, json};
use syncline_client::{Client, Error, HistoryChange, HistoryPage, NoHistory};

use crate::{Out, Refused};

/// A question, and the name of its page.
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    page: String,
    table: String,
    key: Option<String>,
    order: String,
    limit: Option<u64>,
}

/// The page behind another.
#[derive(Debug, Deserialize)]
pub(super) struct Next {
    page: String,
    of: String,
}

/// The pages that have come, by name.
#[derive(Clone, Default)]
pub(super) struct Pages(Arc<Mutex<BTreeMap<String, HistoryPage>>>);

impl Pages {
    pub(super) async fn ask(&self, client: &Client, ask: Ask, out: Out) {
        let mut history = client.history(&ask.table);
        if let Some(key) = &ask.key {
            history = history.key(key);
        }
        if ask.order == "oldest" {
            history = history.oldest();
        }
        if let Some(limit) = ask.limit {
            history = history.limit(limit);
        }
        let page = async move { history.page().await.map(Some) };
        self.tell(ask.page, page, out).await;
    }

    pub(super) async fn next(&self, next: Next, out: Out) -> Result<(), Refused> {
        let of = self.page(&next.of);
        let of = of.ok_or_else(|| Refused::of("there is no such page"))?;
        self.tell(next.page, of.next(), out).await;
        Ok(())
    }

    fn page(&self, name: &str) -> Option<HistoryPage> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.get(name).cloned()
    }

    /// Tells what becomes of a page, and lets other commands be served meanwhile.
    async fn tell(
        &self,
        name: String,
        page: impl Future<Output = Result<Option<HistoryPage>, Error>> + Send + 'static,
        out: Out,
    ) {
        let pages = self.clone();
        let mut telling = Box::pin(async move {
            let page = page.await;
            let event = shown(&name, &page);
            if let Ok(Some(page)) = page {
                let mut pages = pages.0.lock().unwrap_or_else(PoisonError::into_inner);
                pages.insert(name, page);
            }
            // Nobody reads any more: the runner has ended.
            let _ = out.send(event);
        });
        // It is asked before the next command is read.
        tokio::select! {
            biased;
            () = &mut telling => return,
            () = std::future::ready(()) => {}
        }
        tokio::spawn(telling);
    }
}

/// The event of a page.
fn shown(name: &str, page: &Result<Option<HistoryPage>, Error>) -> Value {
    let code = match page {
        Ok(Some(page)) => {
            let changes: Vec<Value> = page.changes.iter().map(change).collect();
            return json!({
                "event": "history", "page": name, "changes": changes,
                "from": page.from, "to": page.to, "hasMore": page.has_more,
            });
        }
        Ok(None) => "no_more".to_owned(),
        Err(error) => code(error),
    };
    json!({ "event": "history", "page": name, "code": code })
}

fn change(change: &HistoryChange) -> Value {
    let at = change.at.duration_since(SystemTime::UNIX_EPOCH);
    let at = at.map_or(0, |since| since.as_millis());
    let mut shown = json!({ "key": change.key, "version": change.version, "author": change.author, "at": at as u64 });
    if let Some(value) = &change.value {
        shown["value"] = serde_json::from_str(value.get()).expect("what came is JSON");
    }
    shown
}

fn code(error: &Error) -> String {
    let Error::NoHistory(why) = error else {
        return "closed".to_owned();
    };
    match &**why {
        NoHistory::Offline => "offline".to_owned(),
        NoHistory::NotOffered => "not_offered".to_owned(),
        NoHistory::OtherEpoch => "other_epoch".to_owned(),
        NoHistory::Refused(refusal) => refusal.code.to_owned(),
        NoHistory::Failed(trouble) => trouble.code.clone().unwrap_or_default(),
    }
}
