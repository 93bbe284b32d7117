//! From the HTTP request to `welcome`, and all that can go wrong on the way.

use serde_json::{Value, json};
use syncline_server::Config;
use syncline_server::log::MemoryLog;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::harness::{Ending, Running, config, connect, within};

#[tokio::test]
async fn the_subprotocol_must_be_offered() {
    let server = Running::plain().await;
    for offered in [None, Some("chat"), Some("syncline.v2, chat")] {
        let Err(Error::Http(response)) = connect(&server.address, offered).await else {
            panic!("{offered:?}")
        };
        assert_eq!(response.status(), 400, "{offered:?}");
        let body: Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
        assert!(
            body["message"].as_str().unwrap().contains("syncline.v1"),
            "{body}"
        );
        assert_eq!(body["protocols"], json!(["syncline.v1"]));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_subprotocol_is_selected_among_others() {
    let server = Running::plain().await;
    for offered in ["syncline.v1", "chat, syncline.v1"] {
        let (_client, response) = connect(&server.address, Some(offered)).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "syncline.v1");
    }
    server.stop().await;
}

#[tokio::test]
async fn health_counts() {
    let server = Running::plain().await;
    let health = server.health().await;
    assert_eq!(
        (
            &health["status"],
            &health["connections"],
            &health["workspaces"]
        ),
        (&json!("ok"), &json!(0), &json!(0))
    );
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptime_ms"].is_u64());
    let _a = server.reader("a").await;
    let _b = server.reader("b").await;
    server.until_health("connections", 2).await;
    server.until_health("workspaces", 2).await;
    server.stop().await;
}

#[tokio::test]
async fn the_first_frame_must_be_a_hello() {
    let server = Running::plain().await;
    let first_frames = [
        Message::text(r#"{"type":"ping","t":1}"#),
        Message::text(r#"{"type":"hello"}"#),
        Message::text(r#"{"type":"hello","workspace":"no/such"}"#),
        Message::text("garbage"),
        Message::text(""),
        Message::binary(&b"\x00"[..]),
    ];
    for first in first_frames {
        let mut client = server.connect().await;
        client.send_raw(first.clone()).await;
        assert_eq!(client.refused("hello_required").await["re"], 1, "{first:?}");
        assert_eq!(client.closed().await, Ending::Code(1008), "{first:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_second_hello_is_refused_and_the_session_goes_on() {
    let server = Running::plain().await;
    let (mut client, _) = server.session("w", "c").await;
    client
        .send(json!({"type": "hello", "workspace": "other"}))
        .await;
    assert_eq!(client.refused("unexpected_hello").await["re"], 2);
    client.ping().await;
    server.stop().await;
}

#[tokio::test]
async fn who_says_nothing_is_closed() {
    let mut config = config();
    config.limits.hello_timeout_ms = 30;
    let server = Running::start(MemoryLog::new(), config).await;
    let mut client = server.connect().await;
    assert!(client.refused("hello_timeout").await.get("re").is_none());
    assert_eq!(client.closed().await, Ending::Code(1008));
    server.stop().await;
}

#[tokio::test]
async fn who_says_hello_in_time_stays() {
    let mut config = config();
    config.limits.hello_timeout_ms = 2_000;
    let server = Running::start(MemoryLog::new(), config).await;
    let mut client = server.reader("w").await;
    client.ping().await;
    server.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_when_to_return() {
    let config = Config {
        connections_max: 2,
        ..config()
    };
    let server = Running::start(MemoryLog::new(), config).await;
    let _first = server.reader("w").await;
    let second = server.reader("w").await;
    let mut third = server.connect().await;
    assert!(third.refused("overloaded").await["retryAfterMs"].is_u64());
    assert_eq!(third.closed().await, Ending::Code(1013));
    drop((second, third));
    server.until_health("connections", 1).await;
    server.reader("w").await.ping().await;
    server.stop().await;
}

#[tokio::test]
async fn one_workspace_too_many_is_refused_until_another_has_left() {
    let mut config = Config {
        workspaces_max: 1,
        ..config()
    };
    config.timeouts.workspace_idle = std::time::Duration::from_millis(10);
    let server = Running::start(MemoryLog::new(), config).await;
    let first = server.reader("first").await;
    let mut second = server.connect().await;
    second
        .send(json!({"type": "hello", "workspace": "second"}))
        .await;
    second.refused("overloaded").await;
    assert_eq!(second.closed().await, Ending::Code(1013));
    server.reader("first").await.ping().await;
    drop(first);
    server.until_health("workspaces", 0).await;
    server.reader("second").await.ping().await;
    server.stop().await;
}

#[tokio::test]
async fn who_has_not_said_hello_is_told_of_the_end_too() {
    let mut server = Running::plain().await;
    let mut client = server.connect().await;
    server.until_health("connections", 1).await;
    server.begin_stop();
    assert_eq!(client.next_of("goaway").await["reason"], "shutdown");
    assert_eq!(client.closed().await, Ending::Code(1001));
    server.ended().await;
}

/// Nobody holds a socket by saying nothing, or only half of something.
#[tokio::test]
async fn a_request_that_is_not_finished_is_cut_off() {
    let mut config = config();
    config.limits.hello_timeout_ms = 30;
    let server = Running::start(MemoryLog::new(), config).await;
    for beginning in ["", "GET /sync HTT", "GET /sync HTTP/1.1\r\nHost: x\r\n"] {
        let mut socket = TcpStream::connect(&server.address).await.unwrap();
        socket.write_all(beginning.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Cut off in whichever way.
        let _ = within("the end", socket.read_to_end(&mut rest)).await;
    }
    server.stop().await;
}
