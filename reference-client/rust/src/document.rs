//! [`Document`]: bytes that a CRDT makes, kept in order and passed on; nobody here looks into them.

use syncline_client_core::{DocumentNews, Origin, SeenEntry};
use syncline_schemas::{AppendOp, CompactOp, Op, base64};
use tokio::sync::mpsc;

use crate::{Client, Error, Mutation};

/// A document of a table that is declared to hold [documents](crate::TableSettings::documents): a list of entries, each what a CRDT library made of one or several edits. See
/// [`Client::document`].
#[derive(Clone, Debug)]
pub struct Document {
    client: Client,
    table: String,
    key: String,
}

/// An entry of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentEntry {
    /// The bytes.
    pub data: Vec<u8>,
    /// The version at which the server has it; none, while it is this client's own and has not come back.
    pub version: Option<u64>,
    /// Up to which version it stands for all entries, if it is a compaction.
    pub covers: Option<u64>,
}

/// What has changed in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentChange {
    /// The entries that are new, each told once: others' when they come, one's own when they are written. A compaction by another is told too, though most
    /// of what it holds is known: CRDTs do not mind.
    pub entries: Vec<DocumentEntry>,
    /// Entries that were told are gone (the document was deleted, an own entry rejected, the server put back to a backup): what was made of them does not hold
    /// any more. [`Document::entries`] has what does.
    pub anew: bool,
    /// Whose doing it is.
    pub origin: Origin,
}

/// The changes of a document, from the moment of [`Document::watch`] on.
#[derive(Debug)]
pub struct DocumentWatch(mpsc::UnboundedReceiver<DocumentChange>);

impl DocumentWatch {
    /// The next change; none once the client is closed and everything is taken.
    pub async fn next(&mut self) -> Option<DocumentChange> {
        self.0.recv().await
    }

    /// The next change, if one is there already.
    pub fn try_next(&mut self) -> Option<DocumentChange> {
        self.0.try_recv().ok()
    }
}

/// Who watches which document.
pub(crate) struct DocumentFeed {
    table: String,
    key: String,
    changes: mpsc::UnboundedSender<DocumentChange>,
}

impl DocumentFeed {
    /// Whether anybody still listens.
    pub(crate) fn is_heard(&self) -> bool {
        !self.changes.is_closed()
    }

    /// Lays a change ready, if it is of this document.
    pub(crate) fn put(&self, news: &DocumentNews) {
        if (&news.table, &news.key) != (&self.table, &self.key) {
            return;
        }
        let change = DocumentChange {
            entries: news.entries.iter().map(DocumentEntry::from).collect(),
            anew: news.anew,
            origin: news.origin,
        };
        // Who does not listen any more is taken off the list.
        let _ = self.changes.send(change);
    }
}

impl From<&SeenEntry> for DocumentEntry {
    fn from(entry: &SeenEntry) -> DocumentEntry {
        DocumentEntry {
            // What is no base64 no server accepts, and no client writes.
            data: base64::decode(&entry.data).unwrap_or_default(),
            version: entry.version,
            covers: entry.covers,
        }
    }
}

impl Client {
    /// A document, there or not: the first entry makes it. Its table is to be declared as one of documents, once, and subscribed to whole; or this document is [opened](Document::open).
    ///
    /// ```
    /// # use syncline_client::{Client, TableSettings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let url = format!("ws://{}/sync", listener.local_addr()?);
    /// # let (log, config) = (syncline_server::log::MemoryLog::new(), syncline_server::Config::default());
    /// # tokio::spawn(syncline_server::run(listener, log, config, std::future::pending()));
    /// let client = Client::builder(&url, "home").open().await?;
    /// client.subscribe(["drawings"]).await?;
    /// client.declare("drawings", TableSettings::documents()).await?;
    ///
    /// let drawing = client.document("drawings", "d1");
    /// let mut changes = drawing.watch().await?;
    /// for entry in drawing.entries().await? {
    ///     println!("{} bytes for the CRDT to import", entry.data.len());
    /// }
    /// drawing.append(b"what the CRDT made of an edit").await?;
    /// let own = changes.next().await.expect("one's own entries are told, too");
    /// assert_eq!(own.entries[0].data, b"what the CRDT made of an edit");
    ///
    /// // Now and then: one entry in the place of all that the server has told of.
    /// client.wait_synced(None).await?;
    /// drawing.compact(|entries| (entries.len() > 100).then(|| entries.concat())).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn document(&self, table: &str, key: &str) -> Document {
        let (table, key) = (table.to_owned(), key.to_owned());
        let client = self.clone();
        Document { client, table, key }
    }

    /// The keys of a table's documents, as far as they are held.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn documents(&self, table: &str) -> Result<Vec<String>, Error> {
        let table = table.to_owned();
        self.ask(move |core, _| core.replica.documents(&table))
            .await
    }
}

impl Document {
    /// All entries: first those that the server has told of, in their order, then those of one's own that it has not.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn entries(&self) -> Result<Vec<DocumentEntry>, Error> {
        let (table, key) = (self.table.clone(), self.key.clone());
        let seen = self
            .client
            .ask(move |core, _| core.replica.document(&table, &key));
        Ok(seen.await?.iter().map(DocumentEntry::from).collect())
    }

    /// Adds an entry, offline or not. Returns the mutation's `opId`. It is rejected with `document_deleted`, if the document that this client knew is deleted by the time that the server hears
    /// of it, and with `document_full`, if there are too many entries: then compact, and append again.
    ///
    /// # Errors
    /// The data passes `limits.valueBytesMax`, or the store fails.
    pub async fn append(&self, data: impl AsRef<[u8]>) -> Result<String, Error> {
        let make = |mutation: &mut Mutation| {
            mutation.append(&self.table, &self.key, data);
        };
        self.client.mutate(make).await
    }

    /// Puts one entry in the place of all that the server has told of: `merge` makes it of their bytes. What others append meanwhile, and what this client has not got back yet, stays
    /// beside it. Returns the mutation's `opId`; nothing, if there is nothing to merge, or `merge` makes nothing of it.
    ///
    /// # Errors
    /// The data passes `limits.valueBytesMax`, or the store fails.
    pub async fn compact(
        &self,
        merge: impl FnOnce(Vec<Vec<u8>>) -> Option<Vec<u8>>,
    ) -> Result<Option<String>, Error> {
        let (table, key) = (self.table.clone(), self.key.clone());
        let found = self.client.ask(move |core, _| {
            let (covers, entries) = core.replica.compactable(&table, &key)?;
            Some((covers, entries, core.epoch()))
        });
        let Some((covers, entries, epoch)) = found.await? else {
            return Ok(None);
        };
        let entries = entries.iter().map(|entry| DocumentEntry::from(entry).data);
        let Some(merged) = merge(entries.collect()) else {
            return Ok(None);
        };
        let compact = Op::Compact(CompactOp {
            table: self.table.clone(),
            key: self.key.clone(),
            covers,
            data: base64::encode(&merged),
        });
        let written = self.client.ask(move |core, env| {
            // Versions of another history cover nothing, or too much (`DOC-CLIENT-EPOCH`).
            let same = core.epoch() == epoch;
            same.then(|| core.replica.mutate(vec![compact], env))
                .transpose()
        });
        Ok(written.await??)
    }

    /// Wants to hold this document, from now on and after every restart: of a table with many, only those that are open are fetched (capability `filters`). It is there once the server
    /// has answered ([`Client::wait_synced`]); others of the table that are open stay as they are meanwhile. To open what is open, or what is held anyway because
    /// the table is subscribed to whole, does nothing.
    ///
    /// The open documents of a table are a shape of their own, whose filter they are: the table is not to be [subscribed](Client::subscribe) to beside. A server without the capability
    /// refuses it: [`Notice::ShapeRefused`](crate::Notice::ShapeRefused). Unopened documents can be appended to all the same.
    ///
    /// ```
    /// # use syncline_client::{Client, TableSettings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let url = format!("ws://{}/sync", listener.local_addr()?);
    /// # let (log, config) = (syncline_server::log::MemoryLog::new(), syncline_server::Config::default());
    /// # tokio::spawn(syncline_server::run(listener, log, config, std::future::pending()));
    /// # let client = Client::builder(&url, "home").open().await?;
    /// # client.declare("drawings", TableSettings::documents()).await?;
    /// let drawing = client.document("drawings", "d1");
    /// drawing.open().await?;
    /// client.wait_synced(None).await?; // now it is here, whole
    /// drawing.append(b"what the CRDT made of an edit").await?;
    /// drawing.close().await?; // the append is sent, the document is let go of
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The table is wanted by another filter, so many open documents pass a limit (`filterNodesMax`, `filterBytesMax`), or the store fails.
    pub async fn open(&self) -> Result<(), Error> {
        let (table, key) = (self.table.clone(), self.key.clone());
        let opened = self
            .client
            .ask(move |core, env| core.replica.open_document(&table, &key, env));
        Ok(opened.await??)
    }

    /// Does not want to hold this document any more. What waits to be sent of it is sent. Says whether it was open: that is one thing for the whole app, not one for each who opened it.
    ///
    /// # Errors
    /// What stays open passes a limit that the server has lowered, or the store fails.
    pub async fn close(&self) -> Result<bool, Error> {
        let (table, key) = (self.table.clone(), self.key.clone());
        let closed = self
            .client
            .ask(move |core, env| core.replica.close_document(&table, &key, env));
        Ok(closed.await??)
    }

    /// Removes the document, whatever anybody has appended. Returns the mutation's `opId`.
    ///
    /// # Errors
    /// The store fails.
    pub async fn delete(&self) -> Result<String, Error> {
        self.client.delete(&self.table, &self.key).await
    }

    /// What changes from now on. To miss nothing, watch first and read the [`entries`](Self::entries) then.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn watch(&self) -> Result<DocumentWatch, Error> {
        let (changes, watch) = mpsc::unbounded_channel();
        let feed = DocumentFeed {
            table: self.table.clone(),
            key: self.key.clone(),
            changes,
        };
        self.client
            .ask(move |core, _| core.document_feeds.push(feed))
            .await?;
        Ok(DocumentWatch(watch))
    }
}

impl Mutation {
    /// The document gets one more entry; its table is one of documents. A mutation names a document once: who has several edits makes one entry of them.
    pub fn append(&mut self, table: &str, key: &str, data: impl AsRef<[u8]>) -> &mut Mutation {
        self.push(Op::Append(AppendOp {
            table: table.to_owned(),
            key: key.to_owned(),
            data: base64::encode(data.as_ref()),
            base: None,
        }))
    }
}
