//! The task behind a [`Client`](crate::Client): the one place where replica, store and connection meet.
//!
//! What the app asks, what the server says and what the clock strikes are inputs of the replica, taken one after the other, as many as lie ready. Then, in this order: what
//! the replica wants kept is committed, once for all of them; frames go out; the app is told. So nothing is sent or told
//! that a crash could undo, and under load one commit serves many writes.

use std::sync::{Arc, OnceLock, Weak};

use syncline_client_core::{
    Env, Event, HistoryPage, NoHistory, Others, Progress, Replica, Status, SyncCounts, Transaction,
    Wish,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::handshake::client::Request as Handshake;

use crate::Error;
use crate::client::Notice;
use crate::clock::Clock;
use crate::document::DocumentFeed;
use crate::forms::Forms;
use crate::link::{Incoming, Link};
use crate::store::Storage;
use crate::watch::Feed;

/// How many inputs are taken before what they led to is committed.
const INPUTS_MAX: usize = 512;

/// What the app asks: run on the replica; what it gives back is run when all that came of it is durable.
pub(crate) type Request = Box<dyn FnOnce(&mut Core, Env) -> Completion + Send>;

/// Tells the app.
pub(crate) type Completion = Box<dyn FnOnce() + Send>;

/// What a request works on.
pub(crate) struct Core {
    pub(crate) replica: Replica,
    /// What the app's migrations make of rows.
    pub(crate) forms: Forms,
    /// Who watches which table.
    pub(crate) feeds: Vec<(String, Weak<Feed>)>,
    /// Who watches which document.
    pub(crate) document_feeds: Vec<DocumentFeed>,
    /// Who wants to hear of writes that were not taken, and of rows that were wrong.
    pub(crate) notified: Vec<mpsc::UnboundedSender<Notice>>,
    /// Who waits for ids of which sequence.
    pub(crate) awaiting_ids: Vec<(String, oneshot::Sender<()>)>,
    /// Who waits for a page of the past, by the request's number.
    pub(crate) awaiting_past: Vec<(u64, oneshot::Sender<Result<HistoryPage, NoHistory>>)>,
    /// Who waits for the end of a sync.
    pub(crate) awaiting_end: Vec<oneshot::Sender<SyncCounts>>,
    /// Who wants to hear of the progress of syncs.
    pub(crate) following: Vec<mpsc::UnboundedSender<Progress>>,
    /// Whether the app wants the client closed.
    pub(crate) closing: bool,
}

/// The task's state.
pub(crate) struct Actor {
    pub(crate) core: Core,
    /// None only while a commit is under way.
    pub(crate) storage: Option<Box<dyn Storage>>,
    pub(crate) clock: Clock,
    pub(crate) handshake: Handshake,
    pub(crate) link: Option<Link>,
    pub(crate) requests: mpsc::UnboundedReceiver<Request>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) others: watch::Sender<Others>,
    /// Why the client stopped, if the store failed.
    pub(crate) failure: Arc<OnceLock<Error>>,
}

impl Actor {
    /// Runs until the app closes the client or drops it, or the store fails.
    pub(crate) async fn run(mut self) {
        let mut completions = Vec::new();
        loop {
            if let Err(error) = self.settle(&mut completions).await {
                tracing::error!(%error, "the client stops");
                let _ = self.failure.set(error);
                break;
            }
            if self.core.closing {
                break;
            }
            if !self.next_inputs(&mut completions).await {
                self.core.closing = true;
                self.core.replica.go_offline(self.clock.env());
            }
        }
        self.core
            .feeds
            .iter()
            .filter_map(|(_, feed)| feed.upgrade())
            .for_each(|feed| feed.close());
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }

    /// Takes the next input, and those that lie ready behind it. False: nobody holds the client any more.
    async fn next_inputs(&mut self, completions: &mut Vec<Completion>) -> bool {
        let timeout = self.core.replica.poll_timeout();
        tokio::select! {
            request = self.requests.recv() => match request {
                Some(request) => self.answer(request, completions),
                None => return false,
            },
            incoming = next_of(&mut self.link) => self.take_in(incoming),
            () = self.clock.reach(timeout) => self.core.replica.tick(self.clock.env()),
        }
        for _ in 0..INPUTS_MAX {
            let request = self.requests.try_recv().ok();
            let incoming = self.link.as_mut().and_then(Link::try_next);
            if request.is_none() && incoming.is_none() {
                break;
            }
            if let Some(request) = request {
                self.answer(request, completions);
            }
            if let Some(incoming) = incoming {
                self.take_in(incoming);
            }
        }
        true
    }

    fn answer(&mut self, request: Request, completions: &mut Vec<Completion>) {
        completions.push(request(&mut self.core, self.clock.env()));
    }

    fn take_in(&mut self, incoming: Incoming) {
        let env = self.clock.env();
        let replica = &mut self.core.replica;
        match incoming {
            Incoming::Open => replica.connected(env),
            Incoming::Frame(frame) => replica.receive(&frame, env),
            Incoming::Ping => replica.ponged(env),
            Incoming::Over(cause) => {
                tracing::debug!(cause, "disconnected");
                self.link = None;
                replica.disconnected(&cause, env);
            }
        }
        self.follow_wishes();
    }

    /// Opens and closes the connection. At once, also between two inputs: of a connection that is given up no further frame may be
    /// handed in.
    fn follow_wishes(&mut self) {
        while let Some(wish) = self.core.replica.poll_wish() {
            self.link = match wish {
                Wish::Close => None,
                Wish::Connect => Some(Link::open(self.handshake.clone())),
            };
        }
    }

    /// Does what the inputs led to.
    async fn settle(&mut self, completions: &mut Vec<Completion>) -> Result<(), Error> {
        if let Some(transaction) = self.core.replica.poll_store() {
            self.commit(transaction).await?;
        }
        self.follow_wishes();
        while let Some(frame) = self.core.replica.poll_frame() {
            if let Some(link) = &self.link {
                link.send(frame);
            }
        }
        let mut others_changed = false;
        while let Some(event) = self.core.replica.poll_event() {
            others_changed |= matches!(event, Event::Presence { .. });
            self.core.tell(&event);
        }
        if others_changed {
            self.others.send_replace(self.core.replica.others().clone());
        }
        let status = self.core.replica.status();
        self.status
            .send_if_modified(|old| std::mem::replace(old, status.clone()) != status);
        completions.drain(..).for_each(|tell| tell());
        Ok(())
    }

    /// Commits on a thread that may block.
    async fn commit(&mut self, transaction: Transaction) -> Result<(), Error> {
        let mut storage = self.storage.take().ok_or(Error::Closed)?;
        let work = tokio::task::spawn_blocking(move || {
            let result = storage.apply(transaction);
            (storage, result)
        });
        let (storage, result) = work.await.map_err(Error::store)?;
        self.storage = Some(storage);
        result
    }
}

impl Core {
    /// The history that the replica follows.
    pub(crate) fn epoch(&self) -> Option<String> {
        let meta = self.replica.stored().meta.as_ref();
        meta.and_then(|meta| meta.epoch.clone())
    }

    /// Hands changes to those who watch; the rest the app finds in its lists.
    fn tell(&mut self, event: &Event) {
        match event {
            Event::Rows { origin, changes } => {
                self.feeds.retain(|(_, feed)| feed.strong_count() > 0);
                for change in changes {
                    if change.value.is_none() {
                        self.forms.forget(&change.table, &change.key);
                    }
                    let feeds = self
                        .feeds
                        .iter()
                        .filter(|(table, _)| *table == change.table);
                    let feeds: Vec<_> = feeds.filter_map(|(_, feed)| feed.upgrade()).collect();
                    if feeds.is_empty() {
                        continue;
                    }
                    let (table, key) = (&change.table, &change.key);
                    let value =
                        { change.value.as_ref() }.map(|value| self.forms.row(table, key, value));
                    feeds
                        .iter()
                        .for_each(|feed| feed.put(key, value.as_ref(), *origin));
                }
            }
            Event::Rejected(entry) => {
                let (op_id, code) = (&entry.op_id, &entry.code);
                tracing::warn!(op_id, code, "a write was rejected");
                self.notify(&Notice::Rejected(entry.clone()));
            }
            Event::InDoubt(entry) => {
                let op_id = &entry.op_id;
                tracing::warn!(op_id, "whether a write was applied cannot be known");
                self.notify(&Notice::InDoubt(entry.clone()));
            }
            Event::ShapeRefused { tables, trouble } => {
                tracing::warn!(?tables, ?trouble, "a shape was refused");
                let (tables, trouble) = (tables.clone(), trouble.clone());
                self.notify(&Notice::ShapeRefused { tables, trouble });
            }
            Event::Superseded(conflict) => {
                tracing::warn!(op_id = conflict.op_id, "a write was superseded");
                self.notify(&Notice::Superseded(conflict.clone()));
            }
            Event::Resolved(conflict) => self.notify(&Notice::Resolved(conflict.clone())),
            Event::FieldConflict(conflict) => {
                let (op_id, field) = (&conflict.op_id, &conflict.field);
                tracing::warn!(op_id, field, "a field of a write was superseded");
                self.notify(&Notice::FieldConflict(conflict.clone()));
            }
            Event::FieldConflictsUntold {
                op_id,
                table,
                key,
                count,
            } => self.notify(&Notice::FieldConflictsUntold {
                op_id: op_id.clone(),
                table: table.clone(),
                key: key.clone(),
                count: *count,
            }),
            Event::Siblings { table, key } => {
                let (table, key) = (table.clone(), key.clone());
                self.notify(&Notice::Siblings { table, key });
            }
            Event::Document(news) => {
                self.document_feeds.retain(DocumentFeed::is_heard);
                self.document_feeds.iter().for_each(|feed| feed.put(news));
            }
            Event::Sync(progress) => self.tell_progress(progress),
            // The app finds them together, as they are now.
            Event::Presence { .. } => {}
            Event::Allocated { sequence } => {
                let given = |(name, _): &mut (String, _)| name == sequence;
                for (_, tell) in self.awaiting_ids.extract_if(.., given) {
                    // Who gave up waiting does not care.
                    let _ = tell.send(());
                }
            }
            Event::Past { request, page } => {
                let asked = |(number, _): &mut (u64, _)| number == request;
                for (_, tell) in self.awaiting_past.extract_if(.., asked) {
                    // Who gave up waiting does not care.
                    let _ = tell.send(page.clone());
                }
            }
            Event::Diverged { tables } => {
                tracing::error!(
                    ?tables,
                    "what is held of a shape is not what the server has"
                );
                self.notify(&Notice::Diverged(tables.clone()));
            }
        }
    }

    fn tell_progress(&mut self, progress: &Progress) {
        if let Progress::End(counts) = progress {
            for tell in self.awaiting_end.drain(..) {
                // Who gave up waiting does not care.
                let _ = tell.send(*counts);
            }
        }
        self.following
            .retain(|listener| listener.send(progress.clone()).is_ok());
    }

    fn notify(&mut self, notice: &Notice) {
        self.notified
            .retain(|listener| listener.send(notice.clone()).is_ok());
    }
}

async fn next_of(link: &mut Option<Link>) -> Incoming {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}
