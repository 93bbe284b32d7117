//! A tour of the capabilities, each in a few lines. The README shows the function `tour`, and a test runs it.
//!
//! ```text
//! cargo run --release -p syncline-server                 # in another window
//! cargo run -p syncline-client --example tour -- ws://127.0.0.1:8081/sync
//! ```

use std::time::Duration;

use serde_json::json;
use syncline_client::{Client, Error, Fields, Notice, Strategy, TableSettings};

const PATIENCE: Duration = Duration::from_secs(30);

// README: begin
async fn tour(alice: &Client, bob: &Client) -> Result<(), Error> {
    // Fields: each changes what it means to change, and nobody writes the rest back.
    alice
        .set("tasks", "1", json!({ "title": "milk", "due": "today" }))
        .await?;
    bob.patch("tasks", "1", json!({ "done": true })).await?;
    alice
        .mutate(|m| _ = m.patch_with("tasks", "1", Fields::default().remove("due")))
        .await?;

    // Strategies: what becomes of two writes whose writers did not know of each other.
    let keep_both = TableSettings::default().strategy(Strategy::KeepBoth);
    alice.declare("wishes", keep_both).await?; // at every start: saying it again does no harm
    let mut notices = alice.notices().await?;
    alice.wait_synced(PATIENCE).await?;
    bob.wait_synced(PATIENCE).await?;
    alice.go_offline().await?;
    alice.set("wishes", "lunch", "pizza").await?;
    bob.set("wishes", "lunch", "soup").await?;
    bob.wait_synced(PATIENCE).await?;
    alice.go_online().await?;
    while let Some(notice) = notices.recv().await {
        if let Notice::Siblings { table, key } = notice {
            alice.set(&table, &key, "pizza, then soup").await?; // has seen both: leaves one
            break;
        }
    }
    for conflict in alice.conflicts().await? {
        alice.confirm(&conflict.op_id).await?; // what other strategies made of writes, listed until the app has seen it
    }

    // Locks: read, change, and again if somebody was faster.
    alice
        .update("stock", "milk", |left: Option<u64>| {
            Some(left.unwrap_or(12) - 1)
        })
        .await?;

    // Sequences: integer ids, made offline, that nobody else is given.
    let orders = alice.sequence("orders", 100).await?;
    orders.wait(PATIENCE).await?;
    alice.go_offline().await?;
    alice
        .set("orders", &orders.next_id().await?.to_string(), "two pizzas")
        .await?;
    alice.go_online().await?;

    // Presence: who is there, and a little of what they do. Gone with the connection.
    alice.present(json!({ "reads": "tasks/1" })).await?;
    let mut others = bob.others(); // bob was opened with `watch_others`
    let there = others.wait_for(|others| !others.is_empty()).await;
    assert!(there.is_ok_and(|there| there.values().all(|other| other.author.is_some())));

    // Digests: the client compares what it holds with what the server has after every reconnect, and says so
    // by `Notice::Diverged` if a disk or a program was at fault; it has fetched the rows anew by then.
    Ok(())
}
// README: end

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let url = url.unwrap_or_else(|| "ws://127.0.0.1:8081/sync".to_owned());
    run(&url).await
}

/// The tour, by two clients of a workspace of their own.
pub(crate) async fn run(url: &str) -> Result<(), Error> {
    let workspace = format!("tour-{}", std::process::id());
    let alice = Client::builder(url, &workspace).open().await?;
    let bob = Client::builder(url, &workspace).watch_others();
    let bob = bob.open().await?;
    for client in [&alice, &bob] {
        client
            .subscribe(["tasks", "wishes", "stock", "orders"])
            .await?;
    }
    tour(&alice, &bob).await?;
    alice.wait_synced(PATIENCE).await?;
    let tasks = alice.get_all::<serde_json::Value>("tasks").await?;
    println!("tasks: {tasks:?}");
    let orders = alice.get_all::<String>("orders").await?;
    println!("orders: {orders:?}");
    let lunch = alice.get::<String>("wishes", "lunch").await?;
    println!("lunch: {lunch:?}");
    alice.close().await;
    bob.close().await;
    Ok(())
}
