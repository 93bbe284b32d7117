//! Connections that come and go.

use std::time::Duration;

use syncline_client::{Error, Store};
use syncline_server::log::MemoryLog;

use crate::assert_error;
use crate::support::{Line, TestServer, expect, notes, open, synced, until};

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
