//! What an operator does while the server runs.

use std::time::Duration;

use serde_json::{Value, json};
use syncline_server::Config;
use syncline_server::log::{Log, MemoryLog, SqliteLog};

use crate::harness::{Client, Ending, Running, config, push};

async fn set(client: &mut Client, epoch: &Value, follows: Option<&str>, seq: u64, op_id: &str) {
    client
        .send(push(epoch, follows, seq, op_id, "t", &json!(seq)))
        .await;
    assert_eq!(client.until("ack").await["results"][0]["status"], "applied");
}

async fn restoring<L: Log>(log: L) {
    let server = Running::start(log, config()).await;
    let (mut client, welcome) = server.session("w", "c").await;
    let epoch = welcome["epoch"].clone();
    set(&mut client, &epoch, None, 1, "a").await;
    let backup = server.control.backup("w").await.unwrap();
    set(&mut client, &epoch, Some("a"), 2, "b").await;
    server.control.restore("w", backup.clone()).await.unwrap();
    assert_eq!(client.next_of("goaway").await["reason"], "history_replaced");
    assert_eq!(client.closed().await, Ending::Code(1001));

    let (mut client, welcome) = server.session("w", "c").await;
    assert_ne!(welcome["epoch"], epoch);
    assert_eq!(
        (&welcome["version"], &welcome["lastSeq"]),
        (&json!(1), &json!(1))
    );
    set(&mut client, &welcome["epoch"], Some("a"), 2, "b2").await;

    server.control.restore("elsewhere", backup).await.unwrap();
    let (_, elsewhere) = server.session("elsewhere", "c").await;
    assert_eq!(elsewhere["version"], 1);
    assert_ne!(elsewhere["epoch"], welcome["epoch"]);
    server.stop().await;
}

#[tokio::test]
async fn a_backup_is_restored_as_another_history_in_memory() {
    restoring(MemoryLog::new()).await;
}

#[tokio::test]
async fn a_backup_is_restored_as_another_history_in_sqlite() {
    let place = tempfile::tempdir().unwrap();
    restoring(SqliteLog::open(&place.path().join("data.db")).unwrap()).await;
}

/// The first update of a subscription that resumes from this version.
async fn resume(server: &Running, epoch: &Value, version: u64) -> Value {
    let mut reader = server.reader("w").await;
    let cursor = json!({"epoch": epoch, "version": version});
    reader
        .send(json!({"type": "subscribe", "id": "s", "tables": {"t": {}}, "cursor": cursor}))
        .await;
    reader.next_of("subscribed").await;
    reader.next_of("update").await
}

#[tokio::test]
async fn after_a_truncation_older_cursors_get_a_replacement() {
    let server = Running::plain().await;
    let (mut client, welcome) = server.session("w", "c").await;
    let epoch = welcome["epoch"].clone();
    set(&mut client, &epoch, None, 1, "a").await;
    set(&mut client, &epoch, Some("a"), 2, "b").await;
    let update = resume(&server, &epoch, 1).await;
    assert_eq!(
        (
            &update["from"],
            update["replace"].as_bool().unwrap_or(false)
        ),
        (&json!(1), false),
        "{update}"
    );
    server.control.truncate("w").await.unwrap();
    let update = resume(&server, &epoch, 1).await;
    assert_eq!(
        (
            &update["from"],
            update["replace"].as_bool().unwrap_or(false)
        ),
        (&json!(0), true),
        "{update}"
    );
    set(&mut client, &epoch, Some("b"), 3, "c").await;
    server.stop().await;
}

#[tokio::test]
async fn an_idle_workspace_leaves_memory_and_comes_back() {
    let mut config = config();
    config.timeouts.workspace_idle = Duration::from_millis(20);
    let server = Running::start(MemoryLog::new(), config).await;
    for round in 0..3_u64 {
        let (mut client, welcome) = server.session("w", &format!("c{round}")).await;
        assert_eq!(welcome["version"], round);
        set(&mut client, &welcome["epoch"], None, 1, "a").await;
        drop(client);
        server.until_health("workspaces", 0).await;
    }
    server.stop().await;
}

/// Checkpoints are made beside the work, the log behind them goes, and what is read back is all there.
#[tokio::test]
async fn checkpoints_keep_the_log_short() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("data.db");
    let config = Config {
        checkpoint_bytes_min: 1,
        ..config()
    };
    let log = SqliteLog::open(&path).unwrap();
    let server = Running::start(log.clone(), config.clone()).await;
    let (mut client, welcome) = server.session("w", "c").await;
    let op_ids: Vec<String> = (0..=100).map(|seq| format!("o{seq}")).collect();
    for seq in 1..=100_usize {
        let follows = (seq > 1).then(|| op_ids[seq - 1].as_str());
        set(
            &mut client,
            &welcome["epoch"],
            follows,
            seq as u64,
            &op_ids[seq],
        )
        .await;
    }
    server.stop().await;

    let opened = log.open("w", "other").await.unwrap();
    let checkpoint = opened.checkpoint.expect("a checkpoint was due");
    assert!(
        checkpoint.version > 0 && opened.records.len() < 100,
        "{} records",
        opened.records.len()
    );
    let server = Running::start(log, config).await;
    let (mut client, welcome) = server.session("w", "c").await;
    assert_eq!(
        (
            &welcome["lastSeq"],
            &welcome["results"].as_array().unwrap().len()
        ),
        (&json!(100), &100)
    );
    client.subscribe("t").await;
    assert_eq!(
        client.next_of("update").await["changes"]
            .as_array()
            .unwrap()
            .len(),
        100
    );
    // Of a history, checkpoint and log each have a part (HIST-KEPT).
    client
        .send(json!({"type": "history", "table": "t", "order": "oldest"}))
        .await;
    let past = client.next_of("past").await;
    let told = past["changes"].as_array().unwrap().iter();
    let versions: Vec<u64> = told
        .map(|change| change["version"].as_u64().unwrap())
        .collect();
    assert_eq!(versions, (1..=100).collect::<Vec<u64>>());
    assert_eq!(
        (&past["from"], &past["hasMore"]),
        (&json!(1), &json!(false))
    );
    server.stop().await;
}

#[tokio::test]
async fn after_the_end_operations_fail() {
    let server = Running::plain().await;
    let control = server.control.clone();
    server.stop().await;
    assert!(control.backup("w").await.is_err());
}
