//! [`Builder`]: opening a client.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use syncline_client_core::{Migration, Migrations, Mode, Others, Replica, Trigger};
use syncline_schemas::{Pattern, patterns};
use tokio::sync::{mpsc, watch};

use crate::actor::{Actor, Core};
use crate::control::milliseconds;
use crate::forms::Forms;
use crate::mutation::SchemaVersions;
use crate::{Client, Clock, Error, Store, link};

/// How a client is opened.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    url: String,
    workspace: String,
    store: Store,
    clock: Clock,
    offline: bool,
    watches_others: bool,
    mode: Mode,
    trigger: Trigger,
    verify_every: Option<Option<Duration>>,
    schemas: SchemaVersions,
    migrations: Migrations,
    urgent: Vec<String>,
}

impl Builder {
    pub(crate) fn new(url: &str, workspace: &str) -> Builder {
        Builder {
            url: url.to_owned(),
            workspace: workspace.to_owned(),
            store: Store::memory(),
            clock: Clock::default(),
            offline: false,
            watches_others: false,
            mode: Mode::default(),
            trigger: Trigger::default(),
            verify_every: None,
            schemas: SchemaVersions::new(),
            migrations: Migrations::default(),
            urgent: Vec::new(),
        }
    }

    /// Where the replica is kept. Without this: in memory, gone with the client.
    pub fn store(mut self, store: impl Into<Store>) -> Builder {
        self.store = store.into();
        self
    }

    /// Goes by this clock instead of the system's.
    pub fn clock(mut self, clock: Clock) -> Builder {
        self.clock = clock;
        self
    }

    /// Begins without a connection, until [`Client::go_online`].
    pub fn offline(mut self) -> Builder {
        self.offline = true;
        self
    }

    /// Learns who else is present, for [`Client::others`]. Without this the server does not tell: with many others that is much. To be
    /// [present](Client::present) oneself needs nothing.
    pub fn watch_others(mut self) -> Builder {
        self.watches_others = true;
        self
    }

    /// Begins in this mode. Without this: in both directions. [`Client::set_mode`] changes it.
    pub fn mode(mut self, mode: Mode) -> Builder {
        self.mode = mode;
        self
    }

    /// Begins with this trigger for pushes. Without this: each write is pushed at once. [`Client::set_trigger`] changes it.
    pub fn trigger(mut self, trigger: Trigger) -> Builder {
        self.trigger = trigger;
        self
    }

    /// Verifies so often that what is held is what the server has, while a connection lasts; `None`: only after each resume. Without this: every quarter of an hour.
    /// [`Client::verify_every`] changes it, and says more.
    pub fn verify_every(mut self, interval: impl Into<Option<Duration>>) -> Builder {
        self.verify_every = Some(interval.into());
        self
    }

    /// The app knows a table's schema in this version (1 or more): each write to the table says so, and keeps saying it in the outbox. If the schema has been raised by the time
    /// that the write is decided, and it does not fit any more, it is rejected with `schema_outdated` instead of `schema_violation`:
    /// a newer version of the app can make of it what fits. See [`TableSettings::schema`](crate::TableSettings::schema).
    pub fn schema_version(mut self, table: &str, version: u64) -> Builder {
        self.schemas.insert(table.to_owned(), version);
        self
    }

    /// The app knows a table in this version (as it says by [`schema_version`](Self::schema_version), which this implies), and how rows of the version before come to it. Of several
    /// migrations of a table each is run, by its version. Rows that are read ([`Client::get`], [`Client::watch`] and their like) are in the new form, whoever wrote them and whenever, for as long as
    /// the app has the migration. What the app has written and never sent is brought to it once, at the first start with the migration; what may have been
    /// sent is left, and if the server does not take it, it comes back as `schema_outdated`. A store that was opened so is not opened by an older version of the app any more.
    ///
    /// A schema that the app declares comes after its old writes: one that those do not fit in their new form is to be in force before, declared by a
    /// client that has none.
    ///
    /// ```
    /// # async fn example() -> Result<(), syncline_client::Error> {
    /// use serde_json::Value;
    /// use syncline_client::{Client, Migration, PatchFields};
    ///
    /// // A note's `text` is its `title` from version 2 on. A row of the new form stays as it is.
    /// let row = |mut note: Value| {
    ///     if let Some(text) = note.as_object_mut().and_then(|note| note.remove("text")) {
    ///         note.as_object_mut().unwrap().entry("title").or_insert(text);
    ///     }
    ///     note
    /// };
    /// let patch = |mut fields: PatchFields| {
    ///     if let Some(text) = fields.set.remove("text") {
    ///         fields.set.entry("title".to_owned()).or_insert(text);
    ///     }
    ///     fields
    /// };
    /// let client = Client::builder("ws://127.0.0.1:8081/sync", "demo")
    ///     .migration("notes", 2, Migration::new(row).patches(patch))
    ///     .open()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn migration(mut self, table: &str, version: u64, migration: Migration) -> Builder {
        self.migrations.add(table, version, migration);
        self
    }

    /// What is written to these tables, and waits, goes to the server before the rest: the most urgent table first. Two writes that touch one row stay in
    /// their order, whatever their tables; what may have been sent already, and what a sync is of that is under way, is not passed.
    ///
    /// It has a price: where the store turns out to be a copy of another that is in use too, or the server has forgotten it, the app is asked about what it wrote with urgent
    /// tables and is undecided ([`Client::in_doubt`]), where without them it would be applied, once, without asking.
    pub fn urgent<S: Into<String>>(mut self, tables: impl IntoIterator<Item = S>) -> Builder {
        self.urgent = tables.into_iter().map(Into::into).collect();
        self
    }

    /// Opens the client. It can be used at once; whether and when there is a server does not matter.
    ///
    /// # Errors
    /// The URL or the workspace's name is none, or the store cannot be read, is of another workspace, or was used by a newer version of the app.
    pub async fn open(mut self) -> Result<Client, Error> {
        let handshake = link::request(&self.url)?;
        if !patterns::Workspace::matches(&self.workspace) {
            return Err(Error::WorkspaceName(self.workspace));
        }
        let mut storage = self.store.into_storage();
        let loaded =
            tokio::task::spawn_blocking(move || storage.load().map(|stored| (storage, stored)));
        let (storage, stored) = loaded.await.map_err(Error::store)??;
        let clock = self.clock;
        let mut replica = Replica::load(&self.workspace, stored, clock.env())?;
        for (table, version) in &self.schemas {
            self.migrations.know(table, *version);
        }
        for table in self.migrations.tables() {
            let known = self.migrations.known().get(table).copied();
            self.schemas.insert(table.to_owned(), known.unwrap_or(0));
        }
        replica.migrate(self.migrations.clone(), clock.env())?;
        if self.watches_others {
            replica.watch_presence();
        }
        if !self.urgent.is_empty() {
            replica.set_urgent(self.urgent, clock.env());
        }
        replica.set_mode(self.mode, clock.env());
        replica.set_trigger(self.trigger, clock.env());
        if let Some(interval) = self.verify_every {
            replica.verify_every(interval.map(milliseconds), clock.env());
        }
        if !self.offline {
            replica.go_online(clock.env());
        }
        let (to_actor, requests) = mpsc::unbounded_channel();
        let (status, own_status) = watch::channel(replica.status());
        let (others, own_others) = watch::channel(Others::new());
        let failure = Arc::new(OnceLock::new());
        let core = Core {
            replica,
            forms: Forms::new(self.migrations),
            feeds: Vec::new(),
            document_feeds: Vec::new(),
            notified: Vec::new(),
            awaiting_ids: Vec::new(),
            awaiting_past: Vec::new(),
            awaiting_end: Vec::new(),
            following: Vec::new(),
            closing: false,
        };
        let actor = Actor {
            core,
            storage: Some(storage),
            clock,
            handshake,
            link: None,
            requests,
            status,
            others,
            failure: failure.clone(),
        };
        let task = Arc::new(tokio::sync::Mutex::new(Some(tokio::spawn(actor.run()))));
        Ok(Client {
            requests: to_actor,
            status: own_status,
            others: own_others,
            failure,
            task,
            schemas: Arc::new(self.schemas),
        })
    }
}
