//! A client that wants some of a table's rows only.

use syncline_client::{Client, Filter, Notice, Shape, Side};
use syncline_server::log::MemoryLog;

use crate::support::{PATIENCE, TestServer, open, synced};

/// The numbers of the rows that are seen, by key.
async fn seen(client: &Client) -> Vec<(String, u64)> {
    let rows = client.get_all::<serde_json::Value>("rows").await.unwrap();
    let number = |value: &serde_json::Value| value["n"].as_u64().unwrap_or(0);
    rows.iter()
        .map(|(key, value)| (key.clone(), number(value)))
        .collect()
}

async fn until_seen(client: &Client, expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(key, n)| ((*key).to_owned(), *n))
        .collect();
    let mut watch = client.watch::<serde_json::Value>("rows").await.unwrap();
    let holds = async {
        while seen(client).await != expected {
            watch.next().await.unwrap().unwrap();
        }
    };
    let held = tokio::time::timeout(PATIENCE, holds).await;
    if held.is_err() {
        panic!("{:?}, expected {expected:?}", seen(client).await);
    }
}

fn below(bound: f64) -> Shape {
    Shape::of(["others"]).filtered("rows", Filter::range("n", Side::Lt, bound))
}

#[tokio::test]
async fn rows_come_and_go_by_the_filter_and_the_filter_changes_in_place() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let writer = open(&server.url(), syncline_client::MemoryStore::default()).await;
    let reader = Client::builder(&server.url(), "home").open().await.unwrap();
    reader.subscribe_where(below(10.0)).await.unwrap();
    for (key, n) in [("a", 1), ("b", 20), ("c", 2)] {
        writer
            .set("rows", key, serde_json::json!({ "n": n }))
            .await
            .unwrap();
    }
    until_seen(&reader, &[("a", 1), ("c", 2)]).await;

    // One leaves, one comes, one is deleted.
    writer
        .set("rows", "a", serde_json::json!({ "n": 11 }))
        .await
        .unwrap();
    writer
        .set("rows", "b", serde_json::json!({ "n": 3 }))
        .await
        .unwrap();
    writer.delete("rows", "c").await.unwrap();
    until_seen(&reader, &[("b", 3)]).await;

    // An own write outside the filter is seen while it is under way, and not for ever.
    reader
        .set("rows", "d", serde_json::json!({ "n": 12 }))
        .await
        .unwrap();
    synced(&reader).await;
    until_seen(&reader, &[("b", 3)]).await;

    // What matches before and after does not leave the view: the watch tells of nothing else.
    let mut changes = reader.watch::<serde_json::Value>("rows").await.unwrap();
    reader.subscribe_where(below(12.0)).await.unwrap();
    until_seen(&reader, &[("a", 11), ("b", 3)]).await;
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!((change.key.as_str(), change.value.is_some()), ("a", true));
    reader.subscribe_where(below(5.0)).await.unwrap();
    until_seen(&reader, &[("b", 3)]).await;
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!((change.key.as_str(), change.value.is_some()), ("a", false));

    // Without filters the table is there whole.
    reader.subscribe(["others", "rows"]).await.unwrap();
    until_seen(&reader, &[("a", 11), ("b", 3), ("d", 12)]).await;
    reader.close().await;
    writer.close().await;
    server.stop().await;
}

#[tokio::test]
async fn a_filter_beyond_the_limits_is_refused_to_the_app() {
    let reader = Client::builder("ws://127.0.0.1:1/sync", "home").offline();
    let reader = reader.open().await.unwrap();
    let wide = |values: u64| Shape::default().filtered("rows", Filter::within("n", 0..values));
    // 32 nodes are what every server allows.
    assert!(reader.subscribe_where(wide(32)).await.is_err());
    reader.subscribe_where(wide(31)).await.unwrap();
    reader.close().await;
}

#[tokio::test]
async fn a_server_without_filters_refuses_and_the_app_is_told() {
    let config = syncline_server::Config {
        capabilities: Vec::new(),
        ..Default::default()
    };
    let server = TestServer::with(&MemoryLog::new(), config).await;
    let reader = Client::builder(&server.url(), "home")
        .offline()
        .open()
        .await
        .unwrap();
    let mut notices = reader.notices().await.unwrap();
    reader.subscribe_where(below(10.0)).await.unwrap();
    reader.go_online().await.unwrap();
    let Notice::ShapeRefused { trouble, .. } = notices.recv().await.unwrap() else {
        panic!("another notice");
    };
    assert_eq!(trouble.code.as_deref(), Some("unsupported_setting"));
    reader.close().await;
    server.stop().await;
}
