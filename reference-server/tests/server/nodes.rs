//! Two servers on one log: neither may ever contradict the other.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use syncline_server::log::MemoryLog;

use crate::harness::{Client, Running, config, push};

async fn two() -> (Running, Running) {
    let log = MemoryLog::new();
    (
        Running::start(log.clone(), config()).await,
        Running::start(log, config()).await,
    )
}

/// The answer to the push that was frame `re`.
async fn answer(client: &mut Client, re: u64) -> Value {
    loop {
        let ack = client.until("ack").await;
        if ack["re"] == re {
            return ack["results"].clone();
        }
    }
}

#[tokio::test]
async fn a_mutation_that_is_pushed_to_both_at_once_has_one_outcome() {
    let (one, two) = two().await;
    let (mut a, welcome) = one.session("w", "c").await;
    let (mut b, again) = two.session("w", "c").await;
    assert_eq!(welcome["epoch"], again["epoch"]);
    let mut follows = None;
    for seq in 1..=100 {
        let op_id = format!("o{seq}");
        let push = push(
            &welcome["epoch"],
            follows.as_deref(),
            seq,
            &op_id,
            "t",
            &json!(seq),
        );
        tokio::join!(a.send(push.clone()), b.send(push));
        let (of_a, of_b) = tokio::join!(answer(&mut a, seq + 1), answer(&mut b, seq + 1));
        assert_eq!(of_a, of_b);
        assert_eq!(of_a[0]["status"], "applied");
        follows = Some(op_id);
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn news_of_one_reaches_the_subscribers_of_the_other() {
    let (one, two) = two().await;
    let (mut writer, welcome) = one.session("w", "writer").await;
    let mut reader = two.reader("w").await;
    reader.subscribe("t").await;
    reader.next_of("update").await;
    writer
        .send(push(&welcome["epoch"], None, 1, "a", "t", &json!("news")))
        .await;
    let update = reader.next_of("update").await;
    assert_eq!(
        (&update["to"], &update["changes"][0]["value"]),
        (&json!(1), &json!("news"))
    );
    one.stop().await;
    two.stop().await;
}

/// The welcome of one server knows what the other has acknowledged (`CONN-WELCOME-FRESH`).
#[tokio::test]
async fn a_welcome_knows_what_the_other_has_acknowledged() {
    let (one, two) = two().await;
    let (mut writer, welcome) = one.session("w", "c").await;
    let mut keeps_open = two.reader("w").await;
    let mut follows = None;
    for seq in 1..=50 {
        let op_id = format!("o{seq}");
        writer
            .send(push(
                &welcome["epoch"],
                follows.as_deref(),
                seq,
                &op_id,
                "t",
                &json!(seq),
            ))
            .await;
        writer.until("ack").await;
        let (_, fresh) = two.session("w", "c").await;
        assert_eq!(
            (&fresh["lastSeq"], &fresh["version"]),
            (&json!(seq), &json!(seq))
        );
        follows = Some(op_id);
    }
    keeps_open.ping().await;
    one.stop().await;
    two.stop().await;
}

/// Pushes one mutation after the other; returns the versions.
async fn write(server: &Running, client: &str, count: u64) -> Vec<u64> {
    let (mut connection, welcome) = server.session("w", client).await;
    let mut versions = Vec::new();
    let mut follows = None;
    for seq in 1..=count {
        let op_id = format!("o{seq}");
        connection
            .send(push(
                &welcome["epoch"],
                follows.as_deref(),
                seq,
                &op_id,
                client,
                &json!(seq),
            ))
            .await;
        versions.push(
            answer(&mut connection, seq + 1).await[0]["version"]
                .as_u64()
                .unwrap(),
        );
        follows = Some(op_id);
    }
    versions
}

/// All rows of a table, by key, with versions.
async fn rows(server: &Running, table: &str) -> BTreeMap<String, Value> {
    let mut reader = server.reader("w").await;
    reader.subscribe(table).await;
    let update = reader.next_of("update").await;
    let changes = update["changes"].as_array().unwrap().iter();
    changes
        .map(|change| {
            (
                change["key"].as_str().unwrap().to_owned(),
                change["version"].clone(),
            )
        })
        .collect()
}

#[tokio::test]
async fn writers_on_both_make_one_order() {
    const EACH: u64 = 60;
    let (one, two) = two().await;
    let (a, b, c, d) = tokio::join!(
        write(&one, "a", EACH),
        write(&two, "b", EACH),
        write(&one, "c", EACH),
        write(&two, "d", EACH)
    );
    let mut all = [a, b, c, d].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len() as u64, 4 * EACH, "no version was given twice");
    for table in ["a", "b", "c", "d"] {
        let (of_one, of_two) = (rows(&one, table).await, rows(&two, table).await);
        assert_eq!(of_one, of_two);
        assert_eq!(of_one.len() as u64, EACH);
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_restore_on_one_closes_the_sessions_of_the_other() {
    let (one, two) = two().await;
    let (mut elsewhere, welcome) = two.session("w", "c").await;
    let backup = one.control.backup("w").await.unwrap();
    one.control.restore("w", backup).await.unwrap();
    assert_eq!(
        elsewhere.next_of("goaway").await["reason"],
        "history_replaced"
    );
    let (_, fresh) = two.session("w", "c").await;
    assert_ne!(fresh["epoch"], welcome["epoch"]);
    one.stop().await;
    two.stop().await;
}
