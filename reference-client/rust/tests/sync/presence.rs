//! Who is here: across breaks and restarts.

use serde_json::json;
use syncline_client::{Client, Others};
use syncline_server::log::MemoryLog;

use crate::support::{Line, PATIENCE, TestServer, until};

async fn open(url: &str) -> Client {
    let builder = Client::builder(url, "home").watch_others();
    builder.open().await.unwrap()
}

/// Waits until the others are these, by their states.
async fn until_others(client: &Client, expected: &[&str]) -> Others {
    let states = |others: &Others| {
        let mut states: Vec<String> = others.values().map(|o| o.state.get().to_owned()).collect();
        states.sort();
        states
    };
    let mut others = client.others();
    let seen = others.wait_for(|others| states(others) == expected);
    match tokio::time::timeout(PATIENCE, seen).await {
        Ok(seen) => seen.unwrap().clone(),
        Err(_) => panic!("never {expected:?}: {:?}", client.others().borrow()),
    }
}

#[tokio::test]
async fn clients_see_each_other_and_no_ghosts() {
    let log = MemoryLog::new();
    let server = TestServer::start(&log).await;
    let line = Line::lay().await;
    line.connect(&server);
    let (alice, bob) = (open(&line.url()).await, open(&server.url()).await);
    alice.present(json!({ "at": 1 })).await.unwrap();
    bob.present("here").await.unwrap();
    let before = until_others(&bob, &[r#"{"at":1}"#]).await;
    until_others(&alice, &[r#""here""#]).await;

    // Her connection breaks: nobody is there for her, and she is gone for him; on the next one both are back, she under another name.
    line.cut();
    until(&alice, "offline", |status| !status.online).await;
    until_others(&alice, &[]).await;
    until_others(&bob, &[]).await;
    line.connect(&server);
    until_others(&alice, &[r#""here""#]).await;
    let after = until_others(&bob, &[r#"{"at":1}"#]).await;
    let (old, new) = (before.iter().next().unwrap(), after.iter().next().unwrap());
    assert_ne!(old.0, new.0);
    assert_eq!(old.1.author, new.1.author);
    assert!(old.1.author.is_some());

    for at in 2..50 {
        alice.present(json!({ "at": at })).await.unwrap();
    }
    until_others(&bob, &[r#"{"at":49}"#]).await;
    alice.withdraw().await.unwrap();
    until_others(&bob, &[]).await;

    // A server that starts again knows nobody who does not say so.
    server.stop().await;
    until(&bob, "offline", |status| !status.online).await;
    let server = TestServer::start(&log).await;
    line.connect(&server);
    let carol = open(&server.url()).await;
    until(&alice, "online", |status| status.online).await;
    until_others(&carol, &[]).await;
    alice.present(7).await.unwrap();
    until_others(&carol, &["7"]).await;
    for client in [alice, bob, carol] {
        client.close().await;
    }
}
