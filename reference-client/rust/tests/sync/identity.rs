//! Stores and servers that are not what they were: copies, backups, long absence.

use syncline_client::{
    Client, Decision, Error, MemoryStore, Status, Storage, Store, StoreChange, Transaction,
};
use syncline_schemas::Limits;
use syncline_server::log::MemoryLog;

use crate::assert_error;
use crate::support::{TestServer, expect, notes, open, synced, until, until_note};

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
    let is_of_another_epoch = |status: &Status| {
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
