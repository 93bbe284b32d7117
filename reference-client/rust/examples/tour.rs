//! A tour of the capabilities, each in a few lines. The README shows the function `tour`, and a test runs it.
//!
//! ```text
//! cargo run --release -p syncline-server                 # in another window
//! cargo run -p syncline-client --example tour -- ws://127.0.0.1:8081/sync
//! ```

use std::time::Duration;

use serde_json::{Value, json};
use syncline_client::{
    Client, Error, Fields, Filter, Mode, Notice, Progress, Shape, Strategy, TableSettings, Trigger,
};

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

    // Digests: the client compares what it holds with what the server has, after every reconnect and as often as it is told to.
    // If a disk or a program was at fault, it says so by `Notice::Diverged`, and fetches the rows anew.
    bob.verify_every(Duration::from_secs(600)).await?;

    // Schemas: what does not fit is rejected, and says where.
    let rules = json!({ "properties": { "price": { "type": "number", "minimum": 0 } } });
    alice
        .declare("menu", TableSettings::default().schema(1, rules))
        .await?;
    alice.set("menu", "soup", json!({ "price": -5 })).await?;
    alice.wait_synced(PATIENCE).await?;
    for rejected in alice.rejected().await? {
        assert_eq!(rejected.code, "schema_violation");
        alice.confirm(&rejected.op_id).await?;
    }

    // Filters: a shape of the rows that match, changed in place.
    let open = Filter::eq("open", true);
    bob.subscribe_where(Shape::of(["parcels"]).filtered("parcels", open))
        .await?;
    alice.subscribe(["parcels"]).await?;
    alice.set("parcels", "p1", json!({ "open": false })).await?;
    alice.set("parcels", "p2", json!({ "open": true })).await?;
    alice.wait_synced(PATIENCE).await?;
    bob.sync(PATIENCE).await?;
    assert_eq!(bob.get_all::<Value>("parcels").await?.len(), 1);

    // Documents: bytes of a CRDT (Loro, Yjs, Automerge), appended offline, merged by whoever likes.
    alice
        .declare("drawings", TableSettings::documents())
        .await?;
    let drawing = alice.document("drawings", "d1");
    drawing.append(b"an edit").await?;
    drawing.append(b"another").await?;
    alice.wait_synced(PATIENCE).await?;
    drawing.compact(|edits| Some(edits.concat())).await?;

    // On demand: of many sketches, those that are open. The rest is not fetched, and can be appended to all the same.
    alice
        .declare("sketches", TableSettings::documents())
        .await?;
    for key in ["s1", "s2", "s3"] {
        alice.document("sketches", key).append(b"a line").await?;
    }
    alice.wait_synced(PATIENCE).await?;
    bob.document("sketches", "s2").open().await?;
    bob.wait_synced(PATIENCE).await?;
    assert_eq!(bob.documents("sketches").await?, ["s2"]);

    // History: who has changed what, and when, as far back as the server remembers.
    let page = alice.history("wishes").newest().limit(10).page().await?;
    for change in &page.changes {
        println!(
            "{} by {}: {:?}",
            change.key,
            change.author,
            change.value::<String>()?
        );
    }

    // Batches: rows that change together, or not at all.
    alice.set_trigger(Trigger::Manual).await?;
    alice
        .mutate(|m| _ = m.set("tasks", "2", "bread").delete("stock", "milk"))
        .await?;

    // Control: when to sync, in which direction, what first (alice was opened with `urgent(["orders"])`), and how far it is.
    let mut progress = alice.progress().await?;
    let counts = alice.sync(PATIENCE).await?;
    assert_eq!(counts.applied, 1);
    assert!(matches!(
        progress.recv().await,
        Some(Progress::Start { pending: 1 })
    ));
    alice.set_mode(Mode::PullOnly).await?; // writes wait in the outbox
    alice.set("tasks", "3", "jam").await?;
    alice.set_mode(Mode::Both).await?;
    alice.set_trigger(Trigger::Immediate).await?;
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
    let alice = Client::builder(url, &workspace).urgent(["orders"]);
    let alice = alice.open().await?;
    let bob = Client::builder(url, &workspace).watch_others();
    let bob = bob.open().await?;
    for client in [&alice, &bob] {
        client
            .subscribe(["tasks", "wishes", "stock", "orders"])
            .await?;
        client.subscribe(["menu", "drawings"]).await?;
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
