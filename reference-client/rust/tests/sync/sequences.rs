//! Ids made offline: two clients with an app each, which create orders under integers and never meet.

use std::collections::BTreeSet;

use syncline_client::{Client, Error, NoId, Sequence, Storage, Store};
use syncline_server::log::MemoryLog;

use crate::assert_error;
use crate::support::{Line, PATIENCE, TestServer, open, synced, until};

async fn orders(client: &Client) -> Sequence {
    client.sequence("orders", 20).await.unwrap()
}

/// Takes ids, and writes an order under each.
async fn create(client: &Client, orders: &Sequence, count: usize, ids: &mut Vec<u64>) {
    for _ in 0..count {
        let id = orders.next_id().await.unwrap();
        client.set("notes", &id.to_string(), id).await.unwrap();
        ids.push(id);
    }
}

#[tokio::test]
async fn orders_created_offline_never_collide() {
    let folder = tempfile::tempdir().unwrap();
    let log = MemoryLog::new();
    let mut server = TestServer::start(&log).await;
    let line = Line::lay().await;
    line.connect(&server);
    let path = |name: &str| folder.path().join(name);
    let start = async |name: &str| {
        let client = open(&line.url(), Store::sqlite(path(name)).unwrap()).await;
        let orders = orders(&client).await;
        (client, orders)
    };
    let (mut ann, mut anns) = start("ann.db").await;
    let (bob, bobs) = start("bob.db").await;
    let mut ids = Vec::new();
    for round in 0..4 {
        for (client, orders) in [(&ann, &anns), (&bob, &bobs)] {
            orders.wait(PATIENCE).await.unwrap();
            synced(client).await;
        }
        line.cut();
        for client in [&ann, &bob] {
            until(client, "offline", |status| !status.online).await;
        }
        create(&ann, &anns, 7, &mut ids).await;
        create(&bob, &bobs, 9, &mut ids).await;
        if round % 2 == 0 {
            // The server restarts, and so does ann's app.
            server.stop().await;
            server = TestServer::start(&log).await;
            ann.close().await;
            (ann, anns) = start("ann.db").await;
            create(&ann, &anns, 2, &mut ids).await;
        }
        line.connect(&server);
        for client in [&ann, &bob] {
            client.go_online().await.unwrap();
            synced(client).await;
        }
    }
    let distinct: BTreeSet<u64> = ids.iter().copied().collect();
    assert_eq!((ids.len(), distinct.len()), (4 * 16 + 2 * 2, ids.len()));
    let carl = open(&line.url(), Store::memory()).await;
    synced(&carl).await;
    let rows = carl.get_all::<u64>("notes").await.unwrap();
    assert!(rows.iter().all(|(key, id)| *key == id.to_string()));
    assert_eq!(rows.into_values().collect::<BTreeSet<_>>(), distinct);
}

#[tokio::test]
async fn without_a_block_it_says_what_to_do() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let builder = Client::builder(&server.url(), "home").offline();
    let client = builder.open().await.unwrap();
    let orders = client.sequence("orders", 3).await.unwrap();
    assert_error!(orders.next_id().await, Error::NoId(NoId::NoneLeft));
    let soon = std::time::Duration::from_millis(10);
    assert_error!(orders.wait(soon).await, Error::NoId(NoId::NoneLeft));
    client.go_online().await.unwrap();
    orders.wait(PATIENCE).await.unwrap();
    assert_eq!(orders.next_id().await.unwrap(), 1);
    let observe = client.mutate(|mutation| {
        mutation.observe("orders", 500);
    });
    observe.await.unwrap();
    orders.wait(PATIENCE).await.unwrap();
    assert_eq!(orders.next_id().await.unwrap(), 501);
    assert_error!(client.sequence("", 3).await, Error::Refused(_));
}

#[tokio::test]
async fn a_server_put_back_to_a_backup_gives_no_id_again() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let ann = open(&server.url(), Store::memory()).await;
    let anns = orders(&ann).await;
    anns.wait(PATIENCE).await.unwrap();
    let backup = server.control.backup("home").await.unwrap();
    let mut ids = Vec::new();
    create(&ann, &anns, 15, &mut ids).await;
    synced(&ann).await;
    let bob = open(&server.url(), Store::memory()).await;
    let bobs = orders(&bob).await;
    bobs.wait(PATIENCE).await.unwrap();
    create(&bob, &bobs, 5, &mut ids).await;
    synced(&bob).await;
    let before = bob.status().cursors;
    // Ann has to stand there too: what she is told late is no new epoch.
    until(&ann, "level with bob", |status| status.cursors == before).await;

    server.control.restore("home", backup).await.unwrap();
    for client in [&ann, &bob] {
        until(client, "of the new epoch", |status| {
            status.synced && status.cursors != before
        })
        .await;
    }
    for (client, orders) in [(&ann, &anns), (&bob, &bobs)] {
        orders.wait(PATIENCE).await.unwrap();
        create(client, orders, 5, &mut ids).await;
    }
    let distinct: BTreeSet<u64> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

/// A copy that learns of its twin hands out nothing of what both have.
#[tokio::test]
async fn a_copy_drops_its_ids_once_it_knows() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let store = syncline_client::MemoryStore::default();
    let phone = open(&server.url(), store.clone()).await;
    let phones = orders(&phone).await;
    phones.wait(PATIENCE).await.unwrap();
    synced(&phone).await;
    phone.go_offline().await.unwrap();
    let mut copy = store.fork();
    let clone = open(&server.url(), copy.clone()).await;
    clone.set("notes", "clone", 1).await.unwrap();
    synced(&clone).await;
    clone.close().await;
    phone.set("notes", "phone", 1).await.unwrap();
    phone.go_online().await.unwrap();
    synced(&phone).await;

    let client_id = |state: syncline_client::StoredState| state.meta.unwrap().client_id;
    assert_ne!(
        client_id(store.state()),
        client_id(copy.load().unwrap()),
        "the phone found that it has a twin"
    );
    phones.wait(PATIENCE).await.unwrap();
    let clone = open(&server.url(), copy).await;
    let clones = orders(&clone).await;
    clones.wait(PATIENCE).await.unwrap();
    let mut ids = Vec::new();
    create(&phone, &phones, 8, &mut ids).await;
    create(&clone, &clones, 8, &mut ids).await;
    let distinct: BTreeSet<u64> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}
