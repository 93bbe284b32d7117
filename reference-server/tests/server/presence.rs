//! Presence over real sockets: what time brings, and what a flood costs.

use serde_json::{Value, json};
use syncline_server::log::MemoryLog;

use crate::harness::{Client, Running, config, push};

/// A session that watches, and its name.
async fn watcher(server: &Running) -> (Client, Value) {
    let connection = server.connect().await;
    opened(connection).await
}

async fn opened(mut connection: Client) -> (Client, Value) {
    let capabilities = json!(["presence"]);
    let hello = json!({"type": "hello", "workspace": "w", "capabilities": capabilities});
    connection.send(hello).await;
    let welcome = connection.next_of("welcome").await;
    (connection, welcome["session"].clone())
}

fn present(state: &Value) -> Value {
    json!({"type": "present", "state": state})
}

/// PRES-TOLD: the last state comes by itself, when its time has come.
#[tokio::test]
async fn the_last_of_many_states_comes_without_anyones_doing_more() {
    let server = Running::plain().await;
    let (mut bob, _) = watcher(&server).await;
    let (mut ann, name) = watcher(&server).await;
    for state in 0..=100 {
        ann.send(present(&json!(state))).await;
    }
    let mut told = 0;
    loop {
        let word = bob.next_of("presence").await;
        assert_eq!(word["session"], name);
        told += 1;
        if word["state"] == 100 {
            break;
        }
    }
    assert!(told < 100, "PRES-INTERVAL: {told}");
    server.stop().await;
}

/// PRES-GONE, PRES-SILENT: who breaks off, and who only falls silent.
#[tokio::test]
async fn who_is_gone_is_gone_however_it_went() {
    let mut config = config();
    config.limits.heartbeat_ms = 50;
    config.limits.idle_timeout_ms = 300;
    let server = Running::start(MemoryLog::new(), config).await;
    let (mut bob, _) = watcher(&server).await;
    for breaks_off in [true, false] {
        let (mut ann, name) = watcher(&server).await;
        ann.send(present(&json!(1))).await;
        let word = bob.next_of("presence").await;
        assert_eq!((&word["session"], &word["state"]), (&name, &json!(1)));
        // One that is not polled any more answers no ping.
        let silent = (!breaks_off).then_some(ann);
        let word = bob.next_of("presence").await;
        assert_eq!((&word["session"], word.get("state")), (&name, None));
        drop(silent);
    }
    server.stop().await;
}

/// PRES-PRESSURE: a watcher that does not read while others change all the time gets the end of it, and stays; nobody waits for it.
#[tokio::test]
async fn who_does_not_read_costs_nobody_anything_and_is_told_the_last() {
    let mut config = config();
    config.limits.presence_interval_ms = Some(1);
    let server = Running::start(MemoryLog::new(), config).await;
    let (mut slow, _) = opened(Client::connect_narrow(&server.address).await).await;
    let (mut bob, _) = watcher(&server).await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(watcher(&server).await);
    }
    let (mut writer, welcome) = server.session("w", "writer").await;
    let large = "x".repeat(4000);
    for round in 0..100 {
        for (session, _) in &mut sessions {
            session.send(present(&json!([round, large]))).await;
        }
        for (session, _) in &mut sessions {
            session.ping().await;
        }
    }
    writer
        .send(push(&welcome["epoch"], None, 1, "a", "t", &json!(1)))
        .await;
    writer.next_of("ack").await;
    for watcher in [&mut bob, &mut slow] {
        let mut last = 0;
        while last < sessions.len() {
            let word = watcher.next_of("presence").await;
            last += usize::from(word["state"][0] == 99);
        }
    }
    server.stop().await;
}
