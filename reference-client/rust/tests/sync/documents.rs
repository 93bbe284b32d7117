//! Documents: entries that come and go, at two clients.

use syncline_client::{
    Client, Document, DocumentChange, DocumentWatch, Origin, Store, TableSettings,
};
use syncline_server::log::MemoryLog;

use crate::support::{PATIENCE, TestServer, synced};

async fn open(url: &str, store: impl Into<Store>) -> Client {
    let client = Client::builder(url, "home").store(store);
    let client = client.open().await.unwrap();
    client.subscribe(["drawings"]).await.unwrap();
    client
        .declare("drawings", TableSettings::documents())
        .await
        .unwrap();
    client
}

/// The entries as the client sees them, each as text, with a star where the server has told of it.
async fn seen(document: &Document) -> Vec<String> {
    let entries = document.entries().await.unwrap().into_iter();
    let text = |data| String::from_utf8(data).unwrap();
    entries
        .map(|entry| text(entry.data) + if entry.version.is_some() { "*" } else { "" })
        .collect()
}

async fn next(watch: &mut DocumentWatch) -> (Vec<String>, bool, Origin) {
    let next = tokio::time::timeout(PATIENCE, watch.next()).await;
    told(next.unwrap().unwrap())
}

fn told(change: DocumentChange) -> (Vec<String>, bool, Origin) {
    let entries = change.entries.into_iter();
    let texts = entries.map(|entry| String::from_utf8(entry.data).unwrap());
    (texts.collect(), change.anew, change.origin)
}

fn of(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// DOC-CLIENT-VIEW, DOC-CLIENT-ONCE, DOC-COMPACT: what each sees, and is told, through appends offline and a compaction.
#[tokio::test]
async fn each_entry_is_told_once_and_none_is_lost_in_a_compaction() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    let bob = open(&server.url(), Store::memory()).await;
    let (hers, his) = (
        alice.document("drawings", "d"),
        bob.document("drawings", "d"),
    );
    let (mut her_watch, mut his_watch) = (hers.watch().await.unwrap(), his.watch().await.unwrap());
    hers.append("a1").await.unwrap();
    assert_eq!(
        next(&mut her_watch).await,
        (of(&["a1"]), false, Origin::Local)
    );
    assert_eq!(
        next(&mut his_watch).await,
        (of(&["a1"]), false, Origin::Server)
    );

    bob.go_offline().await.unwrap();
    his.append("b1").await.unwrap();
    assert_eq!(
        next(&mut his_watch).await,
        (of(&["b1"]), false, Origin::Local)
    );
    hers.append("a2").await.unwrap();
    synced(&alice).await;
    let merged = hers
        .compact(|entries| Some(entries.concat()))
        .await
        .unwrap();
    assert!(merged.is_some());
    synced(&alice).await;
    assert_eq!(seen(&hers).await, ["a1a2*"]);
    assert_eq!(seen(&his).await, ["a1*", "b1"], "offline");
    let late = his.compact(|_| Some(b"all".to_vec())).await.unwrap();
    assert!(late.is_some());
    assert_eq!(
        seen(&his).await,
        ["a1*", "b1"],
        "his own is not in the base"
    );

    bob.go_online().await.unwrap();
    synced(&bob).await;
    assert_eq!(
        next(&mut his_watch).await,
        (of(&["a1a2"]), false, Origin::Server)
    );
    assert_eq!(his_watch.try_next(), None, "his own is not told again");
    synced(&alice).await;
    assert_eq!(
        next(&mut her_watch).await,
        (of(&["a2"]), false, Origin::Local)
    );
    assert_eq!(
        next(&mut her_watch).await,
        (of(&["b1"]), false, Origin::Server)
    );
    assert_eq!(her_watch.try_next(), None, "nor her own compaction");
    for document in [&hers, &his] {
        assert_eq!(
            seen(document).await,
            ["a1a2*", "b1*"],
            "his compaction came too late"
        );
    }
    let none = hers.compact(|_| Some(Vec::new())).await.unwrap();
    assert!(none.is_some(), "b1 is to be merged");
    synced(&alice).await;
    assert_eq!(
        hers.compact(|_| Some(Vec::new())).await.unwrap(),
        None,
        "there is nothing"
    );
}

/// DOC-DELETE, DOC-BASE: an edit of a document that is gone comes back, and the store has what the server has after a restart.
#[tokio::test]
async fn a_deleted_document_is_told_and_is_not_torn() {
    let folder = tempfile::tempdir().unwrap();
    let store = || Store::sqlite(folder.path().join("bob.db")).unwrap();
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    let bob = open(&server.url(), store()).await;
    let (hers, his) = (
        alice.document("drawings", "d"),
        bob.document("drawings", "d"),
    );
    hers.append("a1").await.unwrap();
    alice.document("drawings", "e").append("e1").await.unwrap();
    synced(&alice).await;
    bob.go_offline().await.unwrap();
    bob.go_online().await.unwrap();
    synced(&bob).await;
    bob.go_offline().await.unwrap();
    his.append("b1").await.unwrap();
    hers.delete().await.unwrap();
    synced(&alice).await;
    bob.close().await;

    let bob = open(&server.url(), store()).await;
    let his = bob.document("drawings", "d");
    synced(&bob).await;
    assert_eq!(seen(&his).await, [""; 0]);
    let rejected = bob.rejected().await.unwrap();
    let codes: Vec<&str> = rejected.iter().map(|entry| entry.code.as_str()).collect();
    assert_eq!(codes, ["document_deleted"]);
    assert_eq!(bob.documents("drawings").await.unwrap(), ["e"]);
    let mut watch = hers.watch().await.unwrap();
    his.append("all of it").await.unwrap();
    assert_eq!(
        next(&mut watch).await,
        (of(&["all of it"]), false, Origin::Server)
    );
    his.delete().await.unwrap();
    assert_eq!(next(&mut watch).await, (of(&[]), true, Origin::Server));
}
