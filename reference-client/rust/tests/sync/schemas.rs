//! Tables with a schema: an app that is newer raises it while an older one is offline.

use serde_json::{Value, json};
use syncline_client::{Client, Store, TableSettings};
use syncline_server::log::MemoryLog;

use crate::support::{TestServer, open, synced};

/// The first version of the app knows notes with a text, the second notes with a title.
fn rules(version: u64) -> Value {
    let needed = if version == 1 { "text" } else { "title" };
    json!({ "type": "object", "required": [needed], "properties": { needed: { "type": "string" } } })
}

/// An app of this version: it declares at its start what it knows.
async fn app(url: &str, version: u64, store: impl Into<Store>) -> Client {
    let client = Client::builder(url, "home").schema_version("notes", version);
    let client = client.store(store).open().await.unwrap();
    client.subscribe(["notes"]).await.unwrap();
    let settings = TableSettings::default().schema(version, rules(version));
    client.declare("notes", settings).await.unwrap();
    synced(&client).await;
    client
}

/// The codes of what was rejected.
async fn codes(client: &Client) -> Vec<String> {
    let rejected = client.rejected().await.unwrap().into_iter();
    rejected.map(|entry| entry.code).collect()
}

/// TAB-OUTDATED, TAB-RAISED: what does not fit any more is told apart from what never did, whatever the app is by the time that it is sent.
#[tokio::test]
async fn what_an_older_app_wrote_offline_is_outdated() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let store = || Store::sqlite(folder.path().join("old.db")).unwrap();
    let old = app(&server.url(), 1, store()).await;
    old.set("notes", "1", json!({ "text": "milk" }))
        .await
        .unwrap();
    synced(&old).await;
    old.go_offline().await.unwrap();
    old.set("notes", "2", json!({ "text": "eggs" }))
        .await
        .unwrap();
    old.patch("notes", "1", json!({ "text": "oat milk" }))
        .await
        .unwrap();
    let both = json!({ "text": "tea", "title": "tea" });
    old.set("notes", "3", &both).await.unwrap();
    old.close().await;

    let new = app(&server.url(), 2, Store::memory()).await;
    assert_eq!(codes(&new).await, [""; 0]);
    let upgraded = app(&server.url(), 2, store()).await;
    assert_eq!(
        codes(&upgraded).await,
        ["schema_outdated", "schema_outdated"]
    );
    upgraded
        .set("notes", "4", json!({ "text": "salt" }))
        .await
        .unwrap();
    synced(&upgraded).await;
    assert_eq!(codes(&upgraded).await[2..], ["schema_violation"]);
    let kept = upgraded.get_all::<Value>("notes").await.unwrap();
    assert_eq!(json!(kept), json!({ "1": { "text": "milk" }, "3": both }));
}

/// TAB-RAISED: an older app that starts again lowers nothing; without a version of its own a client breaks the schema like anybody.
#[tokio::test]
async fn an_older_app_that_starts_lowers_nothing() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let _new = app(&server.url(), 2, Store::memory()).await;
    let old = app(&server.url(), 1, Store::memory()).await;
    assert_eq!(codes(&old).await, [""; 0]);
    old.set("notes", "1", json!({ "text": "milk" }))
        .await
        .unwrap();
    synced(&old).await;
    assert_eq!(codes(&old).await, ["schema_outdated"]);
    let plain = open(&server.url(), Store::memory()).await;
    plain
        .set("notes", "1", json!({ "text": "milk" }))
        .await
        .unwrap();
    synced(&plain).await;
    assert_eq!(codes(&plain).await, ["schema_violation"]);
}
