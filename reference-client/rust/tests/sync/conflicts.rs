//! Writes that meet: each strategy as two apps see it.

use syncline_client::{Client, Clock, Error, Notice, Stands, Store, Strategy, TableSettings};
use syncline_server::log::MemoryLog;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::assert_error;
use crate::support::{TestServer, open, synced};

async fn declared(client: &Client, strategy: Strategy) {
    let settings = TableSettings::default().strategy(strategy);
    client.declare("notes", settings).await.unwrap();
    synced(client).await;
}

async fn next(notices: &mut UnboundedReceiver<Notice>) -> Notice {
    notices.recv().await.expect("a client that is open tells")
}

/// Both have seen the first value; then alice writes offline, and bob after her, online.
async fn apart(alice: &Client, bob: &Client) {
    alice.set("notes", "n", "first").await.unwrap();
    synced(alice).await;
    synced(bob).await;
    while bob.get::<String>("notes", "n").await.unwrap().is_none() {
        bob.status_changes().changed().await.unwrap();
    }
    alice.go_offline().await.unwrap();
    alice.set("notes", "n", "alice").await.unwrap();
    bob.set("notes", "n", "bob").await.unwrap();
    synced(bob).await;
}

/// CFL-LAST-WRITE, CFL-CLIENT-TOLD: what was written offline an hour ago does not undo what was written since, and its writer is told.
#[tokio::test]
async fn the_later_write_stands_whenever_it_comes() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let clock = Clock::default();
    let alice = Client::builder(&server.url(), "home").clock(clock.clone());
    let alice = alice.open().await.unwrap();
    alice.subscribe(["notes"]).await.unwrap();
    let bob = open(&server.url(), Store::memory()).await;
    let mut notices = alice.notices().await.unwrap();
    declared(&alice, Strategy::LastWriteWins).await;
    apart(&alice, &bob).await;
    clock.skip(std::time::Duration::from_secs(3600));
    alice.go_online().await.unwrap();
    let Notice::Superseded(conflict) = next(&mut notices).await else {
        panic!("another notice")
    };
    let Stands::Value(stands) = &conflict.stands else {
        panic!("not told: {conflict:?}")
    };
    assert_eq!(stands.get(), "\"bob\"");
    let listed = alice.conflicts().await.unwrap();
    assert_eq!(listed[0].conflicts, std::slice::from_ref(&conflict));
    assert_eq!(alice.status().conflicts, 1);
    alice.confirm(&conflict.op_id).await.unwrap();
    assert_error!(
        alice.confirm(&conflict.op_id).await,
        Error::NoSuchMutation(_)
    );
    assert_eq!(alice.conflicts().await.unwrap(), []);
    synced(&alice).await;
    assert_eq!(
        alice.get::<String>("notes", "n").await.unwrap().as_deref(),
        Some("bob")
    );
    assert_eq!(alice.rejected().await.unwrap(), []);
}

/// CFL-SIBLINGS: both values stand for both apps, until one of them has decided.
#[tokio::test]
async fn both_values_stand_until_somebody_decides() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.db");
    let alice = open(&server.url(), Store::sqlite(&path).unwrap()).await;
    let bob = open(&server.url(), Store::memory()).await;
    let mut notices = bob.notices().await.unwrap();
    declared(&alice, Strategy::KeepBoth).await;
    apart(&alice, &bob).await;
    alice.go_online().await.unwrap();
    synced(&alice).await;
    assert!(matches!(next(&mut notices).await, Notice::Siblings { .. }));
    alice.close().await;
    // What stands beside is kept in the store.
    let alice = open(&server.url(), Store::sqlite(&path).unwrap()).await;
    for client in [&alice, &bob] {
        let rows = client.base_all::<String>("notes").await.unwrap();
        assert_eq!(rows["n"].value, "alice");
        assert_eq!(rows["n"].siblings, ["bob"]);
    }
    bob.set("notes", "n", "alice and bob").await.unwrap();
    synced(&bob).await;
    let rows = bob.base_all::<String>("notes").await.unwrap();
    assert!(rows["n"].siblings.is_empty());
    assert_eq!(rows["n"].value, "alice and bob");
}

/// CFL-RESOLVED: the server's resolver makes one of two, and the writer is told.
#[tokio::test]
async fn the_server_makes_one_of_two() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    let bob = open(&server.url(), Store::memory()).await;
    let mut notices = bob.notices().await.unwrap();
    let settings = TableSettings::default().resolver("deep_merge");
    alice.declare("notes", settings).await.unwrap();
    bob.go_offline().await.unwrap();
    alice.set("notes", "list", ["milk"]).await.unwrap();
    synced(&alice).await;
    bob.set("notes", "list", ["bread"]).await.unwrap();
    bob.go_online().await.unwrap();
    assert!(matches!(next(&mut notices).await, Notice::Resolved(_)));
    synced(&bob).await;
    let list = bob.get::<Vec<String>>("notes", "list").await.unwrap();
    assert_eq!(list.unwrap(), ["milk", "bread"]);
}

/// TAB-OTHERWISE: a declaration that contradicts an earlier one is a rejected write like others.
#[tokio::test]
async fn a_contradicting_declaration_is_rejected() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    declared(&alice, Strategy::KeepBoth).await;
    declared(&alice, Strategy::KeepBoth).await;
    assert_eq!(alice.rejected().await.unwrap(), []);
    declared(&alice, Strategy::ServerWins).await;
    assert_eq!(
        alice.rejected().await.unwrap()[0].code,
        "declared_otherwise"
    );
}
