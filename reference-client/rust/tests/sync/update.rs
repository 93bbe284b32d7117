//! Reading, changing, trying again.

use syncline_client::{Client, Error, Store};
use syncline_server::log::MemoryLog;

use crate::assert_error;
use crate::support::{TestServer, open, synced};

async fn add_one(client: &Client, times: usize) {
    for _ in 0..times {
        let one_more = |count: Option<u64>| Some(count.unwrap_or(0) + 1);
        client.update("notes", "count", one_more).await.unwrap();
    }
}

/// OP-IF-VERSION: four tasks that count together, two of them of one client, lose nothing, and the locks that did not hold leave nothing behind.
#[tokio::test]
async fn updates_at_once_are_all_counted() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let clients = [
        open(&server.url(), Store::memory()).await,
        open(&server.url(), Store::memory()).await,
        open(&server.url(), Store::memory()).await,
    ];
    tokio::join!(
        add_one(&clients[0], 20),
        add_one(&clients[0], 20),
        add_one(&clients[1], 20),
        add_one(&clients[2], 20)
    );
    let reader = open(&server.url(), Store::memory()).await;
    synced(&reader).await;
    assert_eq!(reader.get("notes", "count").await.unwrap(), Some(80));
    for client in &clients {
        assert_eq!(client.rejected().await.unwrap(), []);
    }
}

#[tokio::test]
async fn an_update_sees_own_writes_and_may_remove_the_row() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    alice.set("notes", "n", 3).await.unwrap();
    let seen = |value: Option<u64>| {
        assert_eq!(value, Some(3), "what was written just now");
        None
    };
    alice.update("notes", "n", seen).await.unwrap();
    assert_eq!(alice.get::<u64>("notes", "n").await.unwrap(), None);
    assert_eq!(alice.version("notes", "n").await.unwrap(), 0);
}

#[tokio::test]
async fn what_cannot_be_updated_says_why() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    let nothing = |value: Option<u64>| value;
    assert_error!(
        alice.update("nobody's", "n", nothing).await,
        Error::NotSubscribed(_)
    );
    alice.set("notes", "n", "a word").await.unwrap();
    assert_error!(alice.update("notes", "n", nothing).await, Error::Value(_));
}
