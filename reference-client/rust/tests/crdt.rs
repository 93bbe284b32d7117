//! Documents carry a real CRDT: Loro, at several clients that edit offline, over restarts, through compactions by any of them, and come to the
//! same state, byte for byte.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use loro::{ExportMode, LoroDoc, LoroValue, VersionVector};
use syncline_client::{Client, Document, DocumentWatch, Origin, Store, TableSettings};
use syncline_server::Config;
use syncline_server::log::MemoryLog;
use tokio::net::TcpListener;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// A person with a drawing: a CRDT in memory, kept in sync by a client.
struct Person {
    client: Client,
    document: Document,
    watch: DocumentWatch,
    doc: LoroDoc,
    online: bool,
    path: std::path::PathBuf,
}

/// A CRDT made of a document's entries.
fn made_of<'a>(entries: impl IntoIterator<Item = &'a Vec<u8>>) -> LoroDoc {
    let doc = LoroDoc::new();
    for entry in entries {
        doc.import(entry).unwrap();
    }
    doc
}

async fn entries(document: &Document) -> Vec<Vec<u8>> {
    let entries = document.entries().await.unwrap().into_iter();
    entries.map(|entry| entry.data).collect()
}

impl Person {
    async fn open(url: &str, path: std::path::PathBuf, online: bool) -> Person {
        let store = Store::sqlite(&path).unwrap();
        let builder = Client::builder(url, "home").store(store);
        let client = builder.offline().open().await.unwrap();
        client.subscribe(["drawings"]).await.unwrap();
        let documents = TableSettings::documents();
        client.declare("drawings", documents).await.unwrap();
        let document = client.document("drawings", "d");
        let watch = document.watch().await.unwrap();
        let doc = made_of(&entries(&document).await);
        if online {
            client.go_online().await.unwrap();
        }
        Person {
            client,
            document,
            watch,
            doc,
            online,
            path,
        }
    }

    /// Writes or erases something, and says so.
    async fn edit(&self, dice: &mut Dice, round: usize) {
        let before: VersionVector = self.doc.oplog_vv();
        let text = self.doc.get_text("text");
        let length = text.len_unicode();
        match dice.below(4) {
            0 if length > 3 => text.delete(dice.below(length - 2), 2).unwrap(),
            1 => self
                .doc
                .get_map("map")
                .insert(&format!("k{}", dice.below(5)), round as i64)
                .unwrap(),
            _ => text
                .insert(dice.below(length + 1), &format!("<{round}>"))
                .unwrap(),
        }
        self.doc.commit();
        let edit = self.doc.export(ExportMode::updates(&before)).unwrap();
        self.document.append(edit).await.unwrap();
    }

    /// Takes in what others did.
    fn take(&mut self) {
        while let Some(change) = self.watch.try_next() {
            assert!(!change.anew, "nothing was deleted or rejected");
            if change.origin == Origin::Server {
                for entry in change.entries {
                    self.doc.import(&entry.data).unwrap();
                }
            }
        }
    }

    async fn compact(&self) -> bool {
        let merge = |entries: Vec<Vec<u8>>| {
            let doc = made_of(&entries);
            // The base is closed: whatever an edit was made upon stands before it.
            Some(doc.export(ExportMode::Snapshot).unwrap())
        };
        self.document.compact(merge).await.unwrap().is_some()
    }

    async fn set_online(&mut self, online: bool) {
        match online {
            true => self.client.go_online().await.unwrap(),
            false => self.client.go_offline().await.unwrap(),
        }
        self.online = online;
    }

    async fn restarted(self, url: &str) -> Person {
        let (path, online) = (self.path.clone(), self.online);
        self.client.close().await;
        Person::open(url, path, online).await
    }
}

async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/sync", listener.local_addr().unwrap());
    let serving = syncline_server::run(
        listener,
        MemoryLog::new(),
        Config::default(),
        std::future::pending(),
    );
    tokio::spawn(serving);
    url
}

/// DOC-COMPACT, DOC-CLIENT-APPLY, DOC-CLIENT-ONCE, DOC-CLIENT-COMPACT, by what they are for.
#[tokio::test]
async fn replicas_of_a_crdt_converge_through_partitions_and_compactions() {
    for seed in [1, 2, 3] {
        let mut dice = Dice(seed);
        let url = server().await;
        let folder = tempfile::tempdir().unwrap();
        let mut people = Vec::new();
        for name in ["ann", "bob", "cid"] {
            people.push(Person::open(&url, folder.path().join(name), true).await);
        }
        let mut compactions = 0;
        for round in 0..150 {
            let who = dice.below(people.len());
            match dice.below(20) {
                0..12 => people[who].edit(&mut dice, round).await,
                12 | 13 => compactions += usize::from(people[who].compact().await),
                14..17 => {
                    let online = !people[who].online;
                    people[who].set_online(online).await;
                }
                17 => {
                    let person = people.swap_remove(who).restarted(&url).await;
                    people.push(person);
                }
                _ => {
                    for person in people.iter().filter(|person| person.online) {
                        person.client.wait_synced(PATIENCE).await.unwrap();
                    }
                }
            }
            let last = people.len() - 1;
            people[who.min(last)].take();
        }
        assert!(compactions > 3, "{compactions}");
        // What one was told last may be news to others: twice suffices, for all are online then.
        for _ in 0..2 {
            for person in &mut people {
                person.set_online(false).await;
                person.set_online(true).await;
                person.client.wait_synced(PATIENCE).await.unwrap();
            }
        }
        check_equal(&mut people).await;
    }
}

/// All hold the same entries, make the same of them, and have the same in memory.
async fn check_equal(people: &mut [Person]) {
    let mut all: Vec<(Vec<Vec<u8>>, Vec<u8>, LoroValue)> = Vec::new();
    for person in people {
        person.take();
        let rejected = person.client.rejected().await.unwrap();
        assert!(rejected.is_empty(), "{rejected:?}");
        let entries = entries(&person.document).await;
        let fresh = made_of(&entries);
        let state = person.doc.get_deep_value();
        assert_eq!(
            fresh.get_deep_value(),
            state,
            "what it was told is what it has"
        );
        assert_eq!(fresh.oplog_vv(), person.doc.oplog_vv());
        let bytes = fresh.export(ExportMode::Snapshot).unwrap();
        all.push((entries, bytes, state));
    }
    for other in &all[1..] {
        assert_eq!(other.2, all[0].2, "the same state");
        assert_eq!(other.0, all[0].0, "the same entries");
        assert_eq!(other.1, all[0].1, "the same bytes");
    }
}
