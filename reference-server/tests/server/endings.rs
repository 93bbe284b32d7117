//! How servers and connections end, and what is there afterwards.

use serde_json::{Value, json};
use syncline_server::Config;
use syncline_server::log::{MemoryLog, SqliteLog};

use crate::harness::{Ending, Running, config, push};

/// Reads acks of pushes of one mutation each, from `seq` on, until something else comes; returns the last `seq` and what came.
async fn acks(client: &mut crate::harness::Client, mut seq: u64) -> (u64, Value) {
    loop {
        let frame = client.receive().await.unwrap();
        if frame["type"] != "ack" {
            return (seq - 1, frame);
        }
        assert_eq!(frame["results"][0]["seq"], seq, "{frame}");
        assert_eq!(frame["results"][0]["status"], "applied", "{frame}");
        seq += 1;
    }
}

#[tokio::test]
async fn an_orderly_end_acknowledges_then_says_goodbye() {
    let log = MemoryLog::new();
    let mut server = Running::start(log.clone(), Config::default()).await;
    let (mut client, welcome) = server.session("w", "c").await;
    let op_ids: Vec<String> = (0..=200).map(|seq| format!("o{seq}")).collect();
    for seq in 1..=200 {
        let follows = (seq > 1).then(|| op_ids[seq as usize - 1].as_str());
        client
            .send(push(
                &welcome["epoch"],
                follows,
                seq,
                &op_ids[seq as usize],
                "t",
                &json!(seq),
            ))
            .await;
    }
    let first = client.next_of("ack").await;
    assert_eq!(first["results"][0]["seq"], 1);
    server.begin_stop();

    let (last, goaway) = acks(&mut client, 2).await;
    assert_eq!(
        (&goaway["type"], &goaway["reason"]),
        (&json!("goaway"), &json!("shutdown")),
        "{goaway}"
    );
    assert!(goaway["retryAfterMs"].as_u64().unwrap() > 0);
    assert_eq!(client.closed().await, Ending::Code(1001));
    server.ended().await;

    let server = Running::start(log, config()).await;
    let (_, welcome) = server.session("w", "c").await;
    assert_eq!(
        (&welcome["lastSeq"], &welcome["version"]),
        (&json!(last), &json!(last)),
        "decided is acknowledged"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_connections_ends_at_once() {
    let server = Running::plain().await;
    let mut client = server.reader("w").await;
    client.0.close(None).await.unwrap();
    server.until_health("connections", 0).await;
    server.stop().await;
}

/// A client that does not answer the close delays the end, but does not prevent it.
#[tokio::test]
async fn a_client_that_does_not_close_does_not_prevent_the_end() {
    let server = Running::plain().await;
    let _silent = server.reader("w").await;
    server.stop().await;
}

/// Writes under a new server on the same file each time, ended in each of the ways.
#[tokio::test]
async fn data_survives_every_end() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("data.db");
    let mut epoch = Value::Null;
    let op_ids = ["", "a", "b", "c", "d"];
    for seq in 1..=4_usize {
        let log = SqliteLog::open(&path).unwrap();
        let server = Running::start(log.clone(), config()).await;
        let (mut client, welcome) = server.session("w", "c").await;
        assert_eq!(welcome["lastSeq"], seq - 1);
        assert!(
            epoch.is_null() || epoch == welcome["epoch"],
            "the history goes on"
        );
        epoch = welcome["epoch"].clone();
        let follows = (seq > 1).then(|| op_ids[seq - 1]);
        client
            .send(push(
                &epoch,
                follows,
                seq as u64,
                op_ids[seq],
                "t",
                &json!(seq),
            ))
            .await;
        assert_eq!(client.next_of("ack").await["results"][0]["version"], seq);
        if seq % 2 == 0 {
            server.stop().await;
        } else {
            server.kill().await;
            assert_eq!(client.closed().await, Ending::Broken);
        }
        log.close();
    }
    let server = Running::start(SqliteLog::open(&path).unwrap(), config()).await;
    let mut reader = server.reader("w").await;
    reader.subscribe("t").await;
    let rows = reader.next_of("update").await;
    let values: Vec<_> = rows["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["value"].clone())
        .collect();
    assert_eq!(values, [1, 2, 3, 4]);
    server.stop().await;
}

/// The end of the runtime is the end of everything: the file can be opened again at once.
#[test]
fn a_dropped_runtime_frees_the_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("data.db");
    for version in 0..3_u64 {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let server = Running::start(SqliteLog::open(&path).unwrap(), config()).await;
            let (mut client, welcome) = server.session("w", &format!("c{version}")).await;
            assert_eq!(welcome["version"], version);
            client
                .send(push(&welcome["epoch"], None, 1, "a", "t", &json!(1)))
                .await;
            client.next_of("ack").await;
        });
    }
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older() {
    let server = Running::plain().await;
    let (mut older, _) = server.session("w", "c").await;
    let (mut newer, _) = server.session("w", "c").await;
    assert_eq!(older.next_of("goaway").await["reason"], "session_replaced");
    assert_eq!(older.closed().await, Ending::Code(1001));
    newer.ping().await;
    server.stop().await;
}

/// A handle that outlives its server does not keep the file.
#[tokio::test]
async fn a_control_does_not_keep_the_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("data.db");
    let server = Running::start(SqliteLog::open(&path).unwrap(), config()).await;
    let control = server.control.clone();
    control.backup("w").await.unwrap();
    server.stop().await;
    SqliteLog::open(&path).unwrap();
    assert!(control.backup("w").await.is_err());
}
