//! Clients against the reference server.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::Duration;

use support::{Line, TestServer, expect, notes, open, synced, until, until_note};
use syncline_client::{
    Change, Client, Decision, Error, MemoryStore, Mutation, Origin, Storage, Store, StoreChange,
    StoredState, Transaction,
};
use syncline_schemas::Limits;
use syncline_server::log::MemoryLog;

#[tokio::test]
async fn two_clients_converge() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let (alice, bob) = (
        open(&server.url(), Store::memory()).await,
        open(&server.url(), Store::memory()).await,
    );
    alice.set("notes", "1", "buy milk").await.unwrap();
    until_note(&bob, "1", Some("buy milk")).await;
    bob.set("notes", "1", "buy oat milk").await.unwrap();
    bob.set("notes", "2", "call mum").await.unwrap();
    until_note(&alice, "2", Some("call mum")).await;
    alice.delete("notes", "2").await.unwrap();
    until_note(&bob, "2", None).await;
    for client in [&alice, &bob] {
        synced(client).await;
        assert_eq!(notes(client).await, expect(&[("1", "buy oat milk")]));
        assert_eq!(client.status().pending, 0);
    }
}

#[tokio::test]
async fn edits_made_offline_survive_a_restart_and_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.db");
    let line = Line::lay().await;

    let alice = open(&line.url(), Store::sqlite(&path).unwrap()).await;
    alice
        .set("notes", "1", "written in the tunnel")
        .await
        .unwrap();
    alice.set("notes", "2", "thrown away").await.unwrap();
    alice.delete("notes", "2").await.unwrap();
    assert!(!alice.status().online);
    assert_eq!(alice.status().pending, 3);
    alice.close().await;

    let alice = open(&line.url(), Store::sqlite(&path).unwrap()).await;
    assert_eq!(
        notes(&alice).await,
        expect(&[("1", "written in the tunnel")])
    );
    assert_eq!(alice.status().pending, 3);
    assert_error!(alice.wait_synced(Duration::ZERO).await, Error::NotSynced(_));

    let server = TestServer::start(&MemoryLog::new()).await;
    line.connect(&server);
    alice.go_online().await.unwrap();
    synced(&alice).await;
    let bob = open(&server.url(), Store::memory()).await;
    synced(&bob).await;
    assert_eq!(notes(&bob).await, expect(&[("1", "written in the tunnel")]));
}

#[tokio::test]
async fn a_rejection_takes_back_its_own_effect_alone_and_stays_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.db");
    let server = TestServer::start(&MemoryLog::new()).await;
    let bob = open(&server.url(), Store::memory()).await;
    bob.set("notes", "plan", "bob's").await.unwrap();
    synced(&bob).await;

    let alice = open(&server.url(), Store::sqlite(&path).unwrap()).await;
    synced(&alice).await;
    alice.go_offline().await.unwrap();
    let known = alice.version("notes", "plan").await.unwrap();
    alice.set("notes", "before", "kept").await.unwrap();
    let doomed = alice
        .mutate(|m| {
            m.set_if("notes", "plan", "alice's", known)
                .set("notes", "with it", "goes too");
        })
        .await
        .unwrap();
    alice.set("notes", "after", "kept").await.unwrap();
    assert_eq!(
        alice
            .get::<String>("notes", "plan")
            .await
            .unwrap()
            .as_deref(),
        Some("alice's")
    );

    bob.set("notes", "plan", "bob's newer").await.unwrap();
    synced(&bob).await;
    alice.go_online().await.unwrap();
    synced(&alice).await;
    let all = expect(&[
        ("after", "kept"),
        ("before", "kept"),
        ("plan", "bob's newer"),
    ]);
    assert_eq!(notes(&alice).await, all);
    alice.close().await;

    let alice = open(&server.url(), Store::sqlite(&path).unwrap()).await;
    assert_eq!(notes(&alice).await, all);
    let rejected = alice.rejected().await.unwrap();
    assert_eq!(rejected.len(), 1);
    assert_eq!(
        (rejected[0].op_id.as_str(), rejected[0].code.as_str()),
        (doomed.as_str(), "version_conflict")
    );
    assert_eq!(rejected[0].ops.len(), 2);
    assert_eq!(alice.status().rejected, 1);
    alice.confirm(&doomed).await.unwrap();
    assert_error!(alice.confirm(&doomed).await, Error::NoSuchMutation(_));
    assert!(alice.rejected().await.unwrap().is_empty());
    alice.close().await;
    assert!(
        open(&server.url(), Store::sqlite(&path).unwrap())
            .await
            .rejected()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_copied_store_loses_nothing_and_writes_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (
        folder.path().join("phone.db"),
        folder.path().join("clone.db"),
    );
    let server = TestServer::start(&MemoryLog::new()).await;
    let phone = open(&server.url(), Store::sqlite(&path).unwrap()).await;
    phone.set("notes", "0", "synced before").await.unwrap();
    synced(&phone).await;
    phone.go_offline().await.unwrap();
    // If it is applied a second time after somebody has changed it, that shows.
    phone
        .set("notes", "counter", "pending when copied")
        .await
        .unwrap();
    phone.close().await;
    std::fs::copy(&path, &copy).unwrap();

    let offline = |path| {
        Client::builder(&server.url(), "home")
            .store(Store::sqlite(path).unwrap())
            .offline()
            .open()
    };
    let (phone, clone) = (offline(&path).await.unwrap(), offline(&copy).await.unwrap());
    phone.set("notes", "phone", "from the phone").await.unwrap();
    clone.set("notes", "clone", "from the clone").await.unwrap();

    phone.go_online().await.unwrap();
    synced(&phone).await;
    phone
        .set("notes", "counter", "changed since")
        .await
        .unwrap();
    synced(&phone).await;
    clone.go_online().await.unwrap();
    synced(&clone).await;
    let bob = open(&server.url(), Store::memory()).await;
    for client in [&phone, &clone, &bob] {
        until_note(client, "clone", Some("from the clone")).await;
        synced(client).await;
        let all = [
            ("0", "synced before"),
            ("clone", "from the clone"),
            ("counter", "changed since"),
            ("phone", "from the phone"),
        ];
        assert_eq!(notes(client).await, expect(&all));
        assert_eq!((client.status().rejected, client.status().in_doubt), (0, 0));
    }
}

#[tokio::test]
async fn a_server_put_back_to_a_backup_is_followed() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    alice.set("notes", "old", "in the backup").await.unwrap();
    synced(&alice).await;
    let backup = server.control.backup("home").await.unwrap();
    alice
        .set("notes", "lost", "after the backup")
        .await
        .unwrap();
    synced(&alice).await;
    let before = alice
        .status()
        .cursors
        .into_values()
        .flatten()
        .next()
        .unwrap();

    server.control.restore("home", backup).await.unwrap();
    let is_of_another_epoch = |status: &syncline_client::Status| {
        status
            .cursors
            .values()
            .flatten()
            .all(|cursor| cursor.epoch != before.epoch)
    };
    until(&alice, "of the new epoch", is_of_another_epoch).await;
    alice
        .set("notes", "new", "after the restore")
        .await
        .unwrap();
    synced(&alice).await;
    assert_eq!(
        notes(&alice).await,
        expect(&[("new", "after the restore"), ("old", "in the backup")])
    );
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let (log, line) = (MemoryLog::new(), Line::lay().await);
    let server = TestServer::start(&log).await;
    line.connect(&server);
    let alice = open(&line.url(), Store::memory()).await;
    alice.set("notes", "1", "before").await.unwrap();
    synced(&alice).await;

    line.cut();
    server.stop().await;
    until(&alice, "offline", |status| !status.online).await;
    assert!(alice.status().last_error.is_some());
    alice.set("notes", "2", "in between").await.unwrap();

    let server = TestServer::start(&log).await;
    line.connect(&server);
    until(&alice, "synced", |status| {
        status.synced && status.pending == 0
    })
    .await;
    assert_eq!(alice.status().last_error, None);
    let bob = open(&server.url(), Store::memory()).await;
    synced(&bob).await;
    assert_eq!(
        notes(&bob).await,
        expect(&[("1", "before"), ("2", "in between")])
    );
}

#[tokio::test]
async fn acks_lost_in_a_cut_cost_nothing() {
    let (server, line) = (
        TestServer::start(&MemoryLog::new()).await,
        Line::lay().await,
    );
    line.connect(&server);
    let alice = open(&line.url(), Store::memory()).await;
    synced(&alice).await;
    for round in 0..20 {
        for write in 0..5 {
            alice
                .set("notes", &format!("{round}-{write}"), "once")
                .await
                .unwrap();
        }
        line.cut();
        line.connect(&server);
        alice.go_online().await.unwrap();
    }
    synced(&alice).await;
    let bob = open(&server.url(), Store::memory()).await;
    synced(&bob).await;
    assert_eq!(notes(&bob).await.len(), 100);
    assert_eq!(notes(&alice).await, notes(&bob).await);
    assert_eq!((alice.status().rejected, alice.status().in_doubt), (0, 0));
    // A hundred writes are a hundred versions: none was decided twice.
    let version = bob
        .status()
        .cursors
        .into_values()
        .flatten()
        .next()
        .unwrap()
        .version;
    assert_eq!(version, 100);
}

#[tokio::test]
async fn a_large_snapshot_comes_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    // From here on its own limits are known: before, those that every server has.
    synced(&alice).await;
    let text = "x".repeat(2_000);
    for block in 0..20 {
        let fill = |m: &mut Mutation| {
            for row in 0..50 {
                m.set("notes", &format!("{block}-{row}"), &text);
            }
        };
        alice.mutate(fill).await.unwrap();
    }
    synced(&alice).await;
    let path = folder.path().join("bob.db");
    let bob = open(&server.url(), Store::sqlite(&path).unwrap()).await;
    synced(&bob).await;
    assert_eq!(notes(&bob).await.len(), 1_000);
    assert_eq!(notes(&bob).await, notes(&alice).await);
    bob.close().await;
    let offline = Client::builder(&server.url(), "home")
        .store(Store::sqlite(&path).unwrap())
        .offline()
        .open()
        .await
        .unwrap();
    assert_eq!(notes(&offline).await, notes(&alice).await);
}

#[tokio::test]
async fn changes_are_told_with_their_origin() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let (alice, bob) = (
        open(&server.url(), Store::memory()).await,
        open(&server.url(), Store::memory()).await,
    );
    let mut changes = alice.watch::<String>("notes").await.unwrap();
    let change = |key: &str, value: Option<&str>, origin| Change {
        key: key.to_owned(),
        value: value.map(str::to_owned),
        origin,
    };

    alice.set("notes", "1", "mine").await.unwrap();
    assert_eq!(
        changes.next().await.unwrap().unwrap(),
        change("1", Some("mine"), Origin::Local)
    );
    synced(&alice).await;
    bob.set("notes", "2", "theirs").await.unwrap();
    // One's own write, come back from the server, has changed nothing and is not told.
    assert_eq!(
        changes.next().await.unwrap().unwrap(),
        change("2", Some("theirs"), Origin::Server)
    );
    bob.delete("notes", "2").await.unwrap();
    assert_eq!(
        changes.next().await.unwrap().unwrap(),
        change("2", None, Origin::Server)
    );
    alice.close().await;
    assert!(changes.next().await.is_none());
}

#[tokio::test]
async fn what_nobody_can_know_is_asked() {
    // The store of a client whose outcomes the server no longer has: simulated by a clock that is three months old.
    let server = TestServer::start(&MemoryLog::new()).await;
    let store = MemoryStore::default();
    let alice = Client::builder(&server.url(), "home")
        .store(store.clone())
        .offline()
        .open()
        .await
        .unwrap();
    alice.subscribe(["notes"]).await.unwrap();
    alice.set("notes", "1", "from long ago").await.unwrap();
    alice.set("notes", "2", "from long ago too").await.unwrap();
    alice.close().await;
    age_entries(&store, Limits::default().client_ttl_ms + 60_000);

    let alice = open(&server.url(), store).await;
    until(&alice, "in doubt", |status| status.in_doubt == 2).await;
    alice.set("notes", "3", "new writes go on").await.unwrap();
    synced(&alice).await;
    assert_eq!(notes(&alice).await, expect(&[("3", "new writes go on")]));
    let doubts = alice.in_doubt().await.unwrap();
    alice
        .resolve(&doubts[0].op_id, Decision::Again)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        alice
            .resolve(&doubts[1].op_id, Decision::Drop)
            .await
            .unwrap(),
        None
    );
    assert_error!(
        alice.resolve(&doubts[1].op_id, Decision::Drop).await,
        Error::NoSuchMutation(_)
    );
    synced(&alice).await;
    assert_eq!(
        notes(&alice).await,
        expect(&[("1", "from long ago"), ("3", "new writes go on")])
    );
}

fn age_entries(store: &MemoryStore, by_ms: u64) {
    let entries = store.state().outbox.into_values();
    let aged = entries.map(|mut entry| {
        entry.written_at_ms -= by_ms;
        StoreChange::EntryPut(entry)
    });
    store
        .clone()
        .apply(Transaction {
            changes: aged.collect(),
        })
        .unwrap();
}

/// A store whose disk is full from some moment on.
struct FullStore {
    store: MemoryStore,
    room: u32,
}

impl Storage for FullStore {
    fn load(&mut self) -> Result<StoredState, Error> {
        self.store.load()
    }

    fn apply(&mut self, transaction: Transaction) -> Result<(), Error> {
        self.room = self
            .room
            .checked_sub(1)
            .ok_or_else(|| Error::store(std::io::Error::other("disk full")))?;
        self.store.apply(transaction)
    }
}

#[tokio::test]
async fn a_store_that_fails_stops_the_client_and_loses_nothing_that_was_told() {
    let store = MemoryStore::default();
    let full = FullStore {
        store: store.clone(),
        room: 3,
    };
    let alice = Client::builder("ws://127.0.0.1:1/sync", "home")
        .store(full)
        .offline()
        .open()
        .await
        .unwrap();
    let mut told = Vec::new();
    let failure = loop {
        let key = told.len().to_string();
        match alice.set("notes", &key, "x").await {
            Ok(_) => told.push(key),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&failure, Error::Store(error) if error.to_string() == "disk full"),
        "{failure}"
    );
    assert_error!(alice.get::<String>("notes", "0").await, Error::Store(_));
    assert!(!told.is_empty());
    let kept: Vec<String> = store
        .state()
        .outbox
        .values()
        .map(|entry| entry.ops[0].key().to_owned())
        .collect();
    assert_eq!(kept, told);
}

#[tokio::test]
async fn misuse_is_refused_at_once() {
    let client = |url: &str, workspace: &str| Client::builder(url, workspace).offline().open();
    assert_error!(
        client("http://127.0.0.1:1/sync", "home").await,
        Error::Url(_)
    );
    assert_error!(client("nonsense", "home").await, Error::Url(_));
    assert_error!(
        client("ws://127.0.0.1:1/sync", "no spaces").await,
        Error::WorkspaceName(_)
    );

    let store = MemoryStore::default();
    let alice = Client::builder("ws://127.0.0.1:1/sync", "home")
        .store(store.clone())
        .offline()
        .open()
        .await
        .unwrap();
    assert_error!(alice.mutate(|_| ()).await, Error::Refused(_));
    assert_error!(
        alice.set("notes", "1", "x".repeat(5_000)).await,
        Error::Refused(_)
    );
    assert_error!(alice.set("", "1", 1).await, Error::Refused(_));
    alice.subscribe(["notes", "tags"]).await.unwrap();
    assert_error!(alice.subscribe(["notes"]).await, Error::Refused(_));
    alice.set("notes", "1", 5).await.unwrap();
    assert_error!(alice.get::<String>("notes", "1").await, Error::Value(_));
    assert_eq!(alice.status().pending, 1);
    let twin = alice.clone();
    alice.close().await;
    assert_error!(twin.set("notes", "1", 6).await, Error::Closed);

    let nowhere = std::path::Path::new("no/such/folder/store.db");
    let error = Store::sqlite(nowhere).unwrap_err();
    assert!(
        matches!(error, Error::Store(_)) && error.to_string().contains("no/such/folder"),
        "{error}"
    );

    let other = Client::builder("ws://127.0.0.1:1/sync", "work")
        .store(store)
        .open()
        .await;
    assert_error!(other, Error::OtherWorkspace(_));
}
