//! Silence, slowness, floods: whoever causes them is dealt with, and nobody else notices.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use syncline_server::Config;
use syncline_server::log::MemoryLog;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Client, Ending, Running, config, push, within};

fn quick_heart() -> Config {
    let mut config = config();
    config.limits.heartbeat_ms = 50;
    config.limits.idle_timeout_ms = 200;
    config
}

/// A server that can keep little for a slow reader, and takes writes as fast as they come.
fn narrow() -> Config {
    let mut config = config();
    config.limits.frame_bytes_max = 128 * 1024;
    config.limits.value_bytes_max = 64 * 1024;
    config.limits.mutations_per_second = 1_000_000;
    config.limits.mutation_burst = 1_000_000;
    config.part_bytes = 32 * 1024;
    config.outbox_bytes_max = 128 * 1024;
    config
}

/// More than the sockets' buffers can hold, if the reader's is small.
const WRITES: u64 = 100;

fn value() -> Value {
    json!("x".repeat(60_000))
}

/// A client that answers pings lives through many idle timeouts; each ping that it gets is time that has passed.
#[tokio::test]
async fn who_answers_pings_stays() {
    let server = Running::start(MemoryLog::new(), quick_heart()).await;
    let mut client = server.reader("w").await;
    for _ in 0..50 {
        let frame = within("a ping", client.0.next()).await.unwrap().unwrap();
        assert!(matches!(frame, Message::Ping(_)), "{frame:?}");
    }
    client.ping().await;
    server.stop().await;
}

/// A client that is not polled answers no ping. It then looks at the bare bytes, as reading frames would answer the pings in them.
#[tokio::test]
async fn who_is_silent_is_closed() {
    let server = Running::start(MemoryLog::new(), quick_heart()).await;
    let mut silent = server.reader("w").await;
    server.until_health("connections", 0).await;
    let mut bytes = Vec::new();
    within("the end", silent.0.get_mut().read_to_end(&mut bytes))
        .await
        .unwrap();
    let goaway = br#"{"type":"goaway","reason":"idle","retryAfterMs":0}"#;
    let close = [0x88, 2, 0x03, 0xe9];
    assert!(
        bytes.ends_with(&[&goaway[..], &close].concat()),
        "{}",
        String::from_utf8_lossy(&bytes)
    );
    server.stop().await;
}

/// One subscriber does not read. The other gets everything, the slow one is closed, the writer is not held up.
#[tokio::test]
async fn a_slow_consumer_delays_nobody_and_is_closed() {
    let mut config = narrow();
    config.timeouts.write = Duration::from_millis(300);
    let server = Running::start(MemoryLog::new(), config).await;
    let mut slow = Client::connect_narrow(&server.address).await;
    slow.send(json!({"type": "hello", "workspace": "w"})).await;
    slow.next_of("welcome").await;
    slow.subscribe("t").await;
    let mut reader = server.reader("w").await;
    reader.subscribe("t").await;
    let (mut writer, welcome) = server.session("w", "writer").await;

    let value = value();
    let mut follows = None;
    for seq in 1..=WRITES {
        let op_id = format!("o{seq}");
        writer
            .send(push(
                &welcome["epoch"],
                follows.as_deref(),
                seq,
                &op_id,
                "t",
                &value,
            ))
            .await;
        assert_eq!(writer.next_of("ack").await["results"][0]["version"], seq);
        while reader.next_of("update").await["to"].as_u64().unwrap_or(0) < seq {}
        follows = Some(op_id);
    }
    server.until_health("connections", 2).await;
    let ending = loop {
        match slow.receive().await {
            Ok(frame) if frame["type"] == "goaway" => assert_eq!(frame["reason"], "slow_consumer"),
            Ok(frame) => assert_eq!(frame["type"], "update"),
            Err(ending) => break ending,
        }
    };
    assert!(
        matches!(ending, Ending::Code(1001) | Ending::Broken),
        "{ending:?}"
    );
    server.stop().await;
}

/// A subscriber that pauses, but not for too long, is neither closed nor does it miss anything.
#[tokio::test]
async fn who_pauses_catches_up() {
    let server = Running::start(MemoryLog::new(), narrow()).await;
    let mut pausing = Client::connect_narrow(&server.address).await;
    pausing
        .send(json!({"type": "hello", "workspace": "w"}))
        .await;
    pausing.next_of("welcome").await;
    pausing.subscribe("t").await;
    let (mut writer, welcome) = server.session("w", "writer").await;
    let value = value();
    let mut follows = None;
    for seq in 1..=WRITES {
        let op_id = format!("o{seq}");
        writer
            .send(push(
                &welcome["epoch"],
                follows.as_deref(),
                seq,
                &op_id,
                "t",
                &value,
            ))
            .await;
        writer.next_of("ack").await;
        follows = Some(op_id);
    }
    let (mut cursor, mut rows) = (0, 0);
    while cursor < WRITES {
        let update = pausing.next_of("update").await;
        rows += update["changes"].as_array().unwrap().len();
        if let Some(to) = update["to"].as_u64() {
            assert!(
                update["from"].as_u64().unwrap() <= cursor,
                "a gap: {}",
                update["from"]
            );
            cursor = to;
        }
    }
    assert_eq!(rows, WRITES as usize);
    server.stop().await;
}

/// One client sends without reading anything; the others are served, and what it sent is decided in the end.
#[tokio::test]
async fn a_flood_delays_nobody() {
    let server = Running::plain().await;
    let (mut other, _) = server.session("w", "other").await;
    let flooding = Client::connect_narrow(&server.address).await;
    let (mut sink, mut stream) = flooding.0.split();
    let flood = tokio::spawn(async move {
        use futures_util::SinkExt;
        sink.send(Message::text(r#"{"type":"hello","workspace":"w"}"#))
            .await
            .unwrap();
        for _ in 0..20_000 {
            sink.feed(Message::text("garbage")).await.unwrap();
        }
        sink.send(Message::text(r#"{"type":"ping","t":1}"#))
            .await
            .unwrap();
        sink
    });
    for _ in 0..20 {
        other.ping().await;
    }
    let mut errors = 0;
    loop {
        let frame = within("a frame", stream.next()).await.unwrap().unwrap();
        let Message::Text(text) = frame else { continue };
        if text.contains("\"pong\"") {
            break;
        }
        errors += usize::from(text.contains("\"invalid_json\""));
    }
    assert_eq!(errors, 20_000);
    drop(within("the flood's end", flood).await.unwrap());
    server.stop().await;
}
