//! The app's control of the sync, against a server.

use syncline_client::{Client, Error, MemoryStore, Mode, Progress, SyncCounts, Trigger};
use syncline_server::log::MemoryLog;
use tokio::sync::mpsc;

use crate::assert_error;
use crate::support::{Line, PATIENCE, TestServer, expect, notes, open, synced, until, until_note};

async fn next(progress: &mut mpsc::UnboundedReceiver<Progress>) -> Progress {
    let next = tokio::time::timeout(PATIENCE, progress.recv()).await;
    next.unwrap().unwrap()
}

#[tokio::test]
async fn a_manual_client_syncs_when_it_is_asked() {
    let log = MemoryLog::new();
    let server = TestServer::start(&log).await;
    let line = Line::lay().await;
    let bob = open(&server.url(), MemoryStore::default()).await;
    let builder = Client::builder(&line.url(), "home").trigger(Trigger::Manual);
    let alice = builder.open().await.unwrap();
    alice.subscribe(["notes"]).await.unwrap();
    alice.set("notes", "1", "hers").await.unwrap();
    alice.set("notes", "2", "hers").await.unwrap();
    bob.set("notes", "3", "his").await.unwrap();
    synced(&bob).await;
    let syncing = tokio::spawn({
        let alice = alice.clone();
        async move { alice.sync(PATIENCE).await }
    });
    until(&alice, "pending", |status| status.pending == 2).await;
    line.connect(&server);
    let counts = syncing.await.unwrap().unwrap();
    assert_eq!((counts.pushed, counts.applied), (2, 2));
    let all = expect(&[("1", "hers"), ("2", "hers"), ("3", "his")]);
    assert_eq!(notes(&alice).await, all);

    // Other's writes come without a trigger; one's own wait, over a break of the connection too.
    alice.set("notes", "1", "later").await.unwrap();
    bob.set("notes", "4", "his").await.unwrap();
    until_note(&alice, "4", Some("his")).await;
    line.cut();
    until(&alice, "offline", |status| !status.online).await;
    let brief = std::time::Duration::from_millis(1);
    assert_error!(alice.sync(brief).await, Error::NotSynced(_));
    assert_eq!(alice.status().pending, 1);
    line.connect(&server);
    let counts = alice.sync(PATIENCE).await.unwrap();
    assert_eq!((counts.pushed, counts.rejected), (1, 0));
    until_note(&bob, "1", Some("later")).await;
    let nothing = alice.sync(PATIENCE).await.unwrap();
    assert_eq!(nothing, SyncCounts::default());
    alice.close().await;
    bob.close().await;
}

#[tokio::test]
async fn modes_hold_each_direction_back() {
    let log = MemoryLog::new();
    let server = TestServer::start(&log).await;
    let bob = open(&server.url(), MemoryStore::default()).await;
    let builder = Client::builder(&server.url(), "home").mode(Mode::PullOnly);
    let alice = builder.open().await.unwrap();
    alice.subscribe(["notes"]).await.unwrap();
    alice.set("notes", "1", "hers").await.unwrap();
    bob.set("notes", "2", "his").await.unwrap();
    until_note(&alice, "2", Some("his")).await;
    alice.sync(PATIENCE).await.unwrap();
    assert_eq!(alice.status().pending, 1);
    assert_eq!(bob.get::<String>("notes", "1").await.unwrap(), None);

    alice.set_mode(Mode::PushOnly).await.unwrap();
    until_note(&bob, "1", Some("hers")).await;
    bob.set("notes", "2", "newer").await.unwrap();
    synced(&bob).await;
    alice.sync(PATIENCE).await.unwrap();
    let held = expect(&[("1", "hers"), ("2", "his")]);
    assert_eq!(notes(&alice).await, held);

    alice.set_mode(Mode::Both).await.unwrap();
    until_note(&alice, "2", Some("newer")).await;
    synced(&alice).await;
    assert_eq!(notes(&alice).await, notes(&bob).await);
    alice.close().await;
    bob.close().await;
}

#[tokio::test]
async fn pushes_wait_for_their_trigger_and_are_told() {
    let log = MemoryLog::new();
    let server = TestServer::start(&log).await;
    let builder = Client::builder(&server.url(), "home").trigger(Trigger::Threshold(3));
    let client = builder.open().await.unwrap();
    until(&client, "online", |status| status.online).await;
    let mut progress = client.progress().await.unwrap();
    for key in ["1", "2"] {
        client.set("notes", key, "x").await.unwrap();
    }
    assert_eq!(client.status().pending, 2);
    client.set("notes", "3", "x").await.unwrap();
    assert_eq!(next(&mut progress).await, Progress::Start { pending: 3 });
    let mut last = 0;
    let counts = loop {
        match next(&mut progress).await {
            Progress::Part { done, total, .. } => {
                assert!(done > last && total == 3);
                last = done;
            }
            Progress::End(counts) => break counts,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((last, counts.pushed, counts.applied), (3, 3, 3));

    client.set("notes", "4", "x").await.unwrap();
    client.set_trigger(Trigger::Interval(10)).await.unwrap();
    assert_eq!(next(&mut progress).await, Progress::Start { pending: 1 });
    until(&client, "pushed", |status| status.pending == 0).await;
    client.close().await;
}
