//! Two clients in one row, each at fields of its own.

use serde_json::json;
use syncline_client::{Error, Fields, Store};
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
