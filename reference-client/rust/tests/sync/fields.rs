//! Two clients in one row, each at fields of its own.

use serde_json::json;
use syncline_client::{Error, Fields, Notice, Store, Strategy, TableSettings};
use syncline_server::log::MemoryLog;

use crate::assert_error;
use crate::support::{TestServer, open, synced};

#[tokio::test]
async fn fields_that_were_changed_offline_do_not_undo_each_other() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    let bob = open(&server.url(), Store::memory()).await;
    let task = json!({ "title": "milk", "done": false, "due": "today" });
    alice.set("notes", "1", &task).await.unwrap();
    synced(&alice).await;
    synced(&bob).await;

    alice.go_offline().await.unwrap();
    bob.go_offline().await.unwrap();
    alice
        .patch("notes", "1", json!({ "done": true }))
        .await
        .unwrap();
    let edit = Fields::default().set("title", "oat milk").remove("due");
    bob.mutate(|m| _ = m.patch_with("notes", "1", edit))
        .await
        .unwrap();
    for client in [&alice, &bob] {
        client.go_online().await.unwrap();
        synced(client).await;
    }
    let both = json!({ "title": "oat milk", "done": true });
    for client in [&alice, &bob] {
        let mut changes = client.watch::<serde_json::Value>("notes").await.unwrap();
        while client.get("notes", "1").await.unwrap() != Some(both.clone()) {
            changes.next().await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_no_patch_is_refused_at_the_write() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    assert_error!(alice.patch("notes", "1", json!([1])).await, Error::Value(_));
    assert_error!(
        alice.patch("notes", "1", json!({})).await,
        Error::Refused(_)
    );
    let twice = Fields::default().set("a", 1).remove("a");
    let written = alice.mutate(|m| _ = m.patch_with("notes", "1", twice));
    assert_error!(written.await, Error::Refused(_));
    assert_eq!(alice.status().pending, 0);
}

/// FLD-APART, FLD-CLIENT-TOLD: what two apps made of different fields stands beside each other; of one and the same field one stands, and the other app is told.
#[tokio::test]
async fn fields_are_decided_one_by_one() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    let bob = open(&server.url(), Store::memory()).await;
    let mut notices = bob.notices().await.unwrap();
    let settings = TableSettings::default()
        .strategy(Strategy::ServerWins)
        .by_field();
    alice.declare("notes", settings).await.unwrap();
    let task = json!({ "title": "milk", "done": false, "due": "today" });
    alice.set("notes", "1", &task).await.unwrap();
    synced(&alice).await;
    while bob.get("notes", "1").await.unwrap() != Some(task.clone()) {
        bob.status_changes().changed().await.unwrap();
    }

    bob.go_offline().await.unwrap();
    alice
        .patch("notes", "1", json!({ "done": true, "title": "oat milk" }))
        .await
        .unwrap();
    synced(&alice).await;
    // Bob, who has seen nothing of that, writes the row whole: without `due`, and with a title of his own.
    let whole = json!({ "title": "soy milk", "done": false, "price": 2 });
    bob.set("notes", "1", &whole).await.unwrap();
    bob.go_online().await.unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        let Some(Notice::FieldConflict(conflict)) = notices.recv().await else {
            panic!("another notice")
        };
        assert_eq!((&*conflict.table, &*conflict.key), ("notes", "1"));
        let mine = conflict.mine.map(|value| value.to_string());
        let theirs = conflict.theirs.map(|value| value.to_string());
        told.push((conflict.field, mine, theirs));
    }
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            ("done".to_owned(), text("false"), text("true")),
            (
                "title".to_owned(),
                text("\"soy milk\""),
                text("\"oat milk\"")
            ),
        ]
    );
    synced(&bob).await;
    let both = json!({ "title": "oat milk", "done": true, "price": 2 });
    for client in [&alice, &bob] {
        let mut changes = client.watch::<serde_json::Value>("notes").await.unwrap();
        while client.get("notes", "1").await.unwrap() != Some(both.clone()) {
            changes.next().await.unwrap().unwrap();
        }
    }
}
