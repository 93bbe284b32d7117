//! Documents on demand, at clients that open some of many.

use syncline_client::{Client, Document, Notice, Store, TableSettings};
use syncline_server::log::MemoryLog;

use crate::support::{PATIENCE, TestServer, synced, until};

/// A client that holds all drawings.
async fn keeper(url: &str) -> Client {
    let client = Client::builder(url, "home").open().await.unwrap();
    client.subscribe(["drawings"]).await.unwrap();
    let settings = TableSettings::documents();
    client.declare("drawings", settings).await.unwrap();
    for number in 0..20 {
        let drawing = client.document("drawings", &format!("d{number}"));
        drawing.append(format!("first of {number}")).await.unwrap();
    }
    synced(&client).await;
    client
}

async fn reader(url: &str, store: impl Into<Store>) -> Client {
    let client = Client::builder(url, "home").store(store);
    client.open().await.unwrap()
}

async fn seen(document: &Document) -> Vec<String> {
    let entries = document.entries().await.unwrap().into_iter();
    let text = |data| String::from_utf8(data).unwrap();
    entries.map(|entry| text(entry.data)).collect()
}

async fn until_seen(document: &Document, expected: &[&str]) {
    let mut watch = document.watch().await.unwrap();
    let holds = async {
        while seen(document).await != expected {
            watch.next().await.unwrap();
        }
    };
    let held = tokio::time::timeout(PATIENCE, holds).await;
    if held.is_err() {
        panic!("{:?}, expected {expected:?}", seen(document).await);
    }
}

/// DOC-FILTER, FLT-CLIENT-CHANGE: what is open is there, live, through a restart; the rest is not, and is written all the same.
#[tokio::test]
async fn documents_are_opened_and_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = || Store::sqlite(folder.path().join("bob.db")).unwrap();
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = keeper(&server.url()).await;
    let bob = reader(&server.url(), store()).await;
    let (third, fifth) = (
        bob.document("drawings", "d3"),
        bob.document("drawings", "d5"),
    );
    third.open().await.unwrap();
    synced(&bob).await;
    assert_eq!(bob.documents("drawings").await.unwrap(), ["d3"]);
    assert_eq!(seen(&third).await, ["first of 3"]);

    // Another beside it; then live changes of both, and of others.
    let mut changes = third.watch().await.unwrap();
    fifth.open().await.unwrap();
    synced(&bob).await;
    assert_eq!(bob.documents("drawings").await.unwrap(), ["d3", "d5"]);
    assert_eq!(changes.try_next(), None, "it was there all the while");
    for key in ["d4", "d5", "d3"] {
        let drawing = alice.document("drawings", key);
        drawing.append("second").await.unwrap();
    }
    until_seen(&third, &["first of 3", "second"]).await;
    until_seen(&fifth, &["first of 5", "second"]).await;
    third.compact(|all| Some(all.concat())).await.unwrap();
    until_seen(&alice.document("drawings", "d3"), &["first of 3second"]).await;

    // Offline: what is open and what is not are written.
    bob.go_offline().await.unwrap();
    third.append("from bob").await.unwrap();
    bob.document("drawings", "d9")
        .append("from bob")
        .await
        .unwrap();
    bob.close().await;
    let bob = reader(&server.url(), store()).await;
    let (third, fifth) = (
        bob.document("drawings", "d3"),
        bob.document("drawings", "d5"),
    );
    synced(&bob).await;
    until_seen(&third, &["first of 3second", "from bob"]).await;
    until_seen(
        &alice.document("drawings", "d9"),
        &["first of 9", "from bob"],
    )
    .await;
    assert_eq!(bob.documents("drawings").await.unwrap(), ["d3", "d5"]);

    assert!(third.close().await.unwrap() && !third.close().await.unwrap());
    synced(&bob).await;
    assert_eq!(bob.documents("drawings").await.unwrap(), ["d5"]);
    assert!(fifth.close().await.unwrap());
    assert_eq!(bob.documents("drawings").await.unwrap(), [""; 0]);
    until(&bob, "without shapes", |status| status.cursors.is_empty()).await;
    bob.close().await;
    alice.close().await;
    server.stop().await;
}

/// FLT-NOT-OFFERED: where there are no filters, the app is told.
#[tokio::test]
async fn a_server_without_filters_opens_none() {
    let config = syncline_server::Config {
        capabilities: vec!["tables".to_owned(), "documents".to_owned()],
        ..Default::default()
    };
    let server = TestServer::with(&MemoryLog::new(), config).await;
    let alice = keeper(&server.url()).await;
    let bob = Client::builder(&server.url(), "home").offline();
    let bob = bob.open().await.unwrap();
    let mut notices = bob.notices().await.unwrap();
    bob.document("drawings", "d3").open().await.unwrap();
    bob.go_online().await.unwrap();
    let notice = tokio::time::timeout(PATIENCE, notices.recv()).await;
    let Some(Notice::ShapeRefused { trouble, .. }) = notice.unwrap() else {
        panic!("another notice");
    };
    assert_eq!(trouble.code.as_deref(), Some("unsupported_setting"));
    bob.close().await;
    alice.close().await;
    server.stop().await;
}
