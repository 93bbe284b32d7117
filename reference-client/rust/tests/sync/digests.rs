//! A store that has lost something: what is held is not what the server has.

use syncline_client::{MemoryStore, Notice, Storage, StoreChange, Transaction};
use syncline_server::log::MemoryLog;

use crate::support::{TestServer, expect, notes, open, synced, until_note};

#[tokio::test]
async fn a_row_that_the_store_has_lost_comes_back() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let mut store = MemoryStore::default();
    let alice = open(&server.url(), store.clone()).await;
    alice.set("notes", "1", "lost").await.unwrap();
    alice.set("notes", "2", "kept").await.unwrap();
    synced(&alice).await;
    alice.close().await;

    let (table, key) = ("notes".to_owned(), "1".to_owned());
    let changes = vec![StoreChange::RowDropped { table, key }];
    store.apply(Transaction { changes }).unwrap();
    let builder = syncline_client::Client::builder(&server.url(), "home").store(store);
    let alice = builder.offline().open().await.unwrap();
    let mut notices = alice.notices().await.unwrap();
    alice.set("notes", "3", "not sent yet").await.unwrap();
    assert_eq!(
        notes(&alice).await,
        expect(&[("2", "kept"), ("3", "not sent yet")])
    );

    alice.go_online().await.unwrap();
    until_note(&alice, "1", Some("lost")).await;
    synced(&alice).await;
    let told = notices.recv().await.unwrap();
    assert_eq!(told, Notice::Diverged(["notes".to_owned()].into()));
    let all = [("1", "lost"), ("2", "kept"), ("3", "not sent yet")];
    assert_eq!(notes(&alice).await, expect(&all));
    alice.close().await;
}
