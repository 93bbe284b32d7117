//! [`Client`]: what an app holds.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline_client_core::{
    Conflict, Decision, DoubtEntry, Env, FieldConflict, Others, RejectedEntry, ResolveError, Row,
    Status, Tables, Trouble,
};
use syncline_schemas::Json;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::actor::{Core, Request};
use crate::shape::Shape;
use crate::watch::{Feed, Watch};
use crate::{Builder, Error, Mutation, TableSettings, mutation};

/// A replica of a workspace, in an app. It works offline at once, and is brought in sync in the background.
///
/// Handles are cheap to clone. When the last is dropped the client ends; [`close`](Self::close) also waits for it.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) requests: mpsc::UnboundedSender<Request>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) others: watch::Receiver<Others>,
    pub(crate) failure: Arc<OnceLock<Error>>,
    pub(crate) task: Arc<tokio::sync::Mutex<Option<JoinHandle<()>>>>,
    pub(crate) schemas: Arc<mutation::SchemaVersions>,
}

/// A row as the server said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseRow<T> {
    /// Its value.
    pub value: T,
    /// The version that last changed it.
    pub version: u64,
    /// Its other values, where it has several, in the order in which they were written: until a write resolves them.
    pub siblings: Vec<T>,
}

/// A write that was not simply taken, or rows that were not the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It was rejected, and stays in the list until [`Client::confirm`].
    Rejected(RejectedEntry),
    /// Nobody can say whether it was applied: it waits for [`Client::resolve`].
    InDoubt(DoubtEntry),
    /// It changed nothing: what another wrote stands, by the table's strategy.
    Superseded(Conflict),
    /// The server made another value of it and of what was there.
    Resolved(Conflict),
    /// A field of it changed nothing: what another wrote of this field stands, by the table's strategy. Told field by field, in tables of granularity `field`
    /// ([`TableSettings::by_field`](crate::TableSettings::by_field)); its other fields are written.
    FieldConflict(FieldConflict),
    /// More fields of it changed nothing. There are so many, or their names so long, that the server did not say which; the row shows what stands.
    FieldConflictsUntold {
        /// The mutation.
        op_id: String,
        /// The row's table.
        table: String,
        /// The row's key.
        key: String,
        /// How many fields.
        count: u64,
    },
    /// A row has several values now. A write to it, by a client that has seen them, leaves one; [`Client::base_all`] has them all.
    Siblings {
        /// The row's table.
        table: String,
        /// The row's key.
        key: String,
    },
    /// What was held of the shape of these tables was not what the server has: one of the two is at fault. The rows are fetched anew, once on
    /// each connection; no write is touched by that (`DIG-REPAIR`).
    Diverged(Tables),
    /// The server does not serve a shape on this connection, for a filter that it does not know, say. What is held of it stays as it is.
    ShapeRefused {
        /// The shape.
        tables: Tables,
        /// Why.
        trouble: Trouble,
    },
}

/// Opening and closing.
impl Client {
    /// A client of a workspace on a server, as in `ws://127.0.0.1:8081/sync`.
    pub fn builder(url: &str, workspace: &str) -> Builder {
        Builder::new(url, workspace)
    }

    /// Ends the client: the connection is closed, the store is released. What was not sent stays in the store.
    pub async fn close(self) {
        let close = |core: &mut Core, env: Env| {
            core.replica.go_offline(env);
            core.closing = true;
        };
        // A client that has ended already needs no asking.
        let _ = self.ask(close).await;
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }

    /// Asks the task, and waits for its answer and for what came of it to be durable.
    pub(crate) async fn ask<R: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Core, Env) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (reply, answer) = oneshot::channel();
        let request: Request = Box::new(move |core, env| {
            let answer = ask(core, env);
            Box::new(move || drop(reply.send(answer)))
        });
        let ended = || self.failure.get().cloned().unwrap_or(Error::Closed);
        self.requests.send(request).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }
}

/// Writing. Each returns when the write is durable in the local store; the server hears of it when it can.
impl Client {
    /// Gives a row a value. Returns the mutation's `opId`.
    ///
    /// # Errors
    /// The value is no JSON, the write passes a limit, or the store fails.
    pub async fn set(
        &self,
        table: &str,
        key: &str,
        value: impl Serialize,
    ) -> Result<String, Error> {
        let make = |mutation: &mut Mutation| {
            mutation.set(table, key, value);
        };
        self.mutate(make).await
    }

    /// Gives fields of a row values, and leaves its other fields (`FLD-PATCH`). Returns the mutation's `opId`.
    ///
    /// # Errors
    /// `fields` is no object, the write passes a limit, or the store fails.
    pub async fn patch(
        &self,
        table: &str,
        key: &str,
        fields: impl Serialize,
    ) -> Result<String, Error> {
        let make = |mutation: &mut Mutation| {
            mutation.patch(table, key, fields);
        };
        self.mutate(make).await
    }

    /// Removes a row.
    ///
    /// # Errors
    /// The write passes a limit, or the store fails.
    pub async fn delete(&self, table: &str, key: &str) -> Result<String, Error> {
        let make = |mutation: &mut Mutation| {
            mutation.delete(table, key);
        };
        self.mutate(make).await
    }

    /// Says what a table's settings are, for all clients. Returns the mutation's `opId`; where it was declared otherwise before, it is rejected.
    ///
    /// ```
    /// # async fn example(client: &syncline_client::Client) -> Result<(), syncline_client::Error> {
    /// use syncline_client::{Strategy, TableSettings};
    ///
    /// let settings = TableSettings::default().strategy(Strategy::LastWriteWins);
    /// client.declare("notes", settings).await?; // at every start: to say the same again does no harm
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The store fails.
    pub async fn declare(&self, table: &str, settings: TableSettings) -> Result<String, Error> {
        let make = |mutation: &mut Mutation| {
            mutation.declare(table, settings);
        };
        self.mutate(make).await
    }

    /// Makes several changes that apply together, or not at all. Returns the mutation's `opId`.
    ///
    /// # Errors
    /// A value is no JSON, a row is named twice, the mutation has no op or passes a limit, or the store fails.
    pub async fn mutate(&self, make: impl FnOnce(&mut Mutation)) -> Result<String, Error> {
        let mut mutation = Mutation::default();
        make(&mut mutation);
        let ops = mutation.into_ops(&self.schemas)?;
        let written = self
            .ask(move |core, env| core.replica.mutate(ops, env))
            .await?;
        Ok(written?)
    }
}

/// Reading: always from the local replica, own writes included.
impl Client {
    /// A row's value, if there is one.
    ///
    /// # Errors
    /// The value is not a `T`.
    pub async fn get<T: DeserializeOwned>(
        &self,
        table: &str,
        key: &str,
    ) -> Result<Option<T>, Error> {
        let (table, key) = (table.to_owned(), key.to_owned());
        let value = self
            .ask(move |core, _| core.replica.view(&table, &key).cloned())
            .await?;
        Ok(value
            .map(|value| serde_json::from_str(value.get()))
            .transpose()?)
    }

    /// A table's rows, by key.
    ///
    /// # Errors
    /// A value is not a `T`.
    pub async fn get_all<T: DeserializeOwned>(
        &self,
        table: &str,
    ) -> Result<BTreeMap<String, T>, Error> {
        let table = table.to_owned();
        let rows = self.ask(move |core, _| {
            let rows = core.replica.view_rows(&table).into_iter();
            rows.map(|(key, value)| (key.to_owned(), value.clone()))
                .collect::<Vec<(String, Json)>>()
        });
        let rows = rows.await?.into_iter();
        rows.map(|(key, value)| Ok((key, serde_json::from_str(value.get())?)))
            .collect()
    }

    /// The version at which the server last said that the row was changed; 0 if it said of none. What
    /// [`Mutation::set_if`] compares.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn version(&self, table: &str, key: &str) -> Result<u64, Error> {
        let (table, key) = (table.to_owned(), key.to_owned());
        self.ask(move |core, _| {
            core.replica
                .base_row(&table, &key)
                .map_or(0, |row| row.version)
        })
        .await
    }

    /// A table's rows as the server last said them, by key: without what this client has written and not yet got back.
    ///
    /// # Errors
    /// A value is not a `T`.
    pub async fn base_all<T: DeserializeOwned>(
        &self,
        table: &str,
    ) -> Result<BTreeMap<String, BaseRow<T>>, Error> {
        let table = table.to_owned();
        let rows = self
            .ask(move |core, _| core.replica.stored().base.get(&table).cloned())
            .await?;
        let typed = |(key, row): (String, Row)| {
            let beside = row.siblings.iter();
            let row = BaseRow {
                value: serde_json::from_str(row.value.get())?,
                version: row.version,
                siblings: beside
                    .map(|sibling| serde_json::from_str(sibling.value.get()))
                    .collect::<Result<_, _>>()?,
            };
            Ok((key, row))
        };
        rows.into_iter().flatten().map(typed).collect()
    }

    /// The changes of a table from now on, others' and one's own.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn watch<T: DeserializeOwned>(&self, table: &str) -> Result<Watch<T>, Error> {
        let feed = Arc::new(Feed::default());
        let (table, own) = (table.to_owned(), Arc::downgrade(&feed));
        self.ask(move |core, _| core.feeds.push((table, own)))
            .await?;
        Ok(Watch::new(feed))
    }
}

/// What is synced, and how that stands.
impl Client {
    /// Wants these tables, whole, as one shape, from now on and after every restart. A shape that is wanted already is left as it is; its filters, if it has some
    /// ([`subscribe_where`](Self::subscribe_where)), are taken away.
    ///
    /// # Errors
    /// Another shape has one of the tables, or the shape passes a limit.
    pub async fn subscribe<S: Into<String>>(
        &self,
        tables: impl IntoIterator<Item = S>,
    ) -> Result<(), Error> {
        let tables: Tables = tables.into_iter().map(Into::into).collect();
        let subscribed = self
            .ask(move |core, env| core.replica.subscribe(tables, env))
            .await?;
        Ok(subscribed?)
    }

    /// Wants a shape of which some tables are filtered, from now on and after every restart (capability `filters`). For tables that are wanted already, the filters
    /// are changed in place: rows that match before and after stay in the view all the while, and no [`Watch`](crate::Watch) tells of them.
    ///
    /// A server without the capability refuses the shape: [`Notice::ShapeRefused`].
    ///
    /// # Errors
    /// Another shape has one of the tables, or the shape or its filters pass a limit.
    pub async fn subscribe_where(&self, shape: Shape) -> Result<(), Error> {
        let Shape { tables, filters } = shape;
        let subscribed = self
            .ask(move |core, env| core.replica.subscribe_where(tables, filters, env))
            .await?;
        Ok(subscribed?)
    }

    /// Does not want the shape of exactly these tables any more: what is held of it goes. Says whether there was one.
    ///
    /// # Errors
    /// The store fails.
    pub async fn unsubscribe<S: Into<String>>(
        &self,
        tables: impl IntoIterator<Item = S>,
    ) -> Result<bool, Error> {
        let tables: Tables = tables.into_iter().map(Into::into).collect();
        self.ask(move |core, env| core.replica.unsubscribe(&tables, env))
            .await
    }

    /// How the client stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// How the client stands, whenever that changes.
    #[must_use]
    pub fn status_changes(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until everything written is decided and in the base, and every shape has reached what the server had when it was
    /// connected to: at most so long, if a time is given.
    ///
    /// # Errors
    /// [`Error::NotSynced`] if the time passed before, [`Error::Closed`] if the client ended.
    pub async fn wait_synced(&self, at_most: impl Into<Option<Duration>>) -> Result<(), Error> {
        let mut status = self.status.clone();
        let synced = status.wait_for(|status| status.synced);
        match at_most.into() {
            None => synced.await.map(drop).map_err(|_| Error::Closed),
            Some(at_most) => match tokio::time::timeout(at_most, synced).await {
                Ok(synced) => synced.map(drop).map_err(|_| Error::Closed),
                Err(_) => Err(Error::NotSynced(Box::new(self.status()))),
            },
        }
    }

    /// Closes the connection and opens none until [`go_online`](Self::go_online).
    ///
    /// # Errors
    /// The client is closed.
    pub async fn go_offline(&self) -> Result<(), Error> {
        self.ask(|core, env| core.replica.go_offline(env)).await
    }

    /// Connects, at once and whenever the connection breaks.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn go_online(&self) -> Result<(), Error> {
        self.ask(|core, env| core.replica.go_online(env)).await
    }
}

/// Who is here: nothing of it is stored, and nothing waits for a connection but the last state.
impl Client {
    /// Is seen by the other sessions of the workspace with this state, from now on and on every connection, if the server offers presence. Of
    /// states that follow each other faster than `limits.presenceIntervalMs` the last is sent. The state does not outlive the client: after a restart the app says it again.
    ///
    /// ```
    /// # use serde_json::json;
    /// # use syncline_client::Client;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let url = format!("ws://{}/sync", listener.local_addr()?);
    /// # let (log, config) = (syncline_server::log::MemoryLog::new(), syncline_server::Config::default());
    /// # tokio::spawn(syncline_server::run(listener, log, config, std::future::pending()));
    /// let bob = Client::builder(&url, "home").open().await?;
    /// bob.present(json!({ "name": "Bob", "cursor": 17 })).await?;
    ///
    /// let ann = Client::builder(&url, "home").watch_others().open().await?;
    /// let mut others = ann.others();
    /// let there = others.wait_for(|others| !others.is_empty()).await?;
    /// for (session, other) in &*there {
    ///     println!("{session} of {:?}: {}", other.author, other.state.get());
    ///     assert_eq!(other.state.get(), r#"{"cursor":17,"name":"Bob"}"#);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The state is no JSON, or larger than `limits.presenceBytesMax`.
    pub async fn present(&self, state: impl Serialize) -> Result<(), Error> {
        let state = mutation::json(&state)?;
        self.say_present(Some(state)).await
    }

    /// Is not seen by others any more.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn withdraw(&self) -> Result<(), Error> {
        self.say_present(None).await
    }

    /// The other sessions that are present, by name, now and whenever that changes. Empty without a connection, on a server that does not offer
    /// presence, and without [`Builder::watch_others`]. One client may have several, an old session for a while beside its new one: they have one `author`.
    #[must_use]
    pub fn others(&self) -> watch::Receiver<Others> {
        self.others.clone()
    }

    async fn say_present(&self, state: Option<Json>) -> Result<(), Error> {
        let said = self.ask(move |core, env| core.replica.present(state, env));
        Ok(said.await??)
    }
}

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

    /// Takes a rejected write off the list.
    ///
    /// # Errors
    /// There is none of this name, or the store fails.
    pub async fn confirm(&self, op_id: &str) -> Result<(), Error> {
        let name = op_id.to_owned();
        let found = self
            .ask(move |core, env| core.replica.confirm_rejection(&name, env))
            .await?;
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
