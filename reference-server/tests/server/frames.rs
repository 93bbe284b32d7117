//! Frames that are no messages: each is answered as it should be, and the connection goes on where it should.

use serde_json::json;
use syncline_server::log::MemoryLog;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Ending, Running, config};

#[tokio::test]
async fn every_data_frame_counts_and_the_connection_goes_on() {
    let server = Running::plain().await;
    let (mut client, _) = server.session("w", "c").await;
    let frames = [
        (Message::text("garbage"), "invalid_json"),
        (Message::text("[]"), "invalid_message"),
        (Message::binary(&b"\x01\x02"[..]), "binary_frame"),
        (Message::text(r#"{"type":"nonsense"}"#), "unknown_type"),
        (Message::text(r#"{"type":"ping"}"#), "invalid_message"),
        (
            Message::text(r#"{"type":"ping","t":1,"t":2}"#),
            "invalid_json",
        ),
        (
            Message::text(r#"{"type":"unsubscribe","shape":"s"}"#),
            "unknown_shape",
        ),
    ];
    for (frame, _) in &frames {
        client.send_raw(Message::Ping(vec![1].into())).await;
        client.send_raw(frame.clone()).await;
    }
    for (re, (frame, code)) in (2..).zip(&frames) {
        assert_eq!(client.refused(code).await["re"], re, "{frame:?}");
    }
    client.ping().await;
    server.stop().await;
}

/// A ping frame of exactly so many bytes.
fn ping_of(bytes: usize) -> Message {
    let frame = json!({"type": "ping", "t": 7, "pad": ""}).to_string();
    let pad = "x".repeat(bytes - frame.len());
    let frame = json!({"type": "ping", "t": 7, "pad": pad}).to_string();
    assert_eq!(frame.len(), bytes);
    Message::text(frame)
}

#[tokio::test]
async fn a_frame_at_the_limit_is_read_and_one_beyond_it_closes() {
    let server = Running::plain().await;
    let limit = config().limits.frame_bytes_max as usize;
    let (mut client, _) = server.session("w", "c").await;
    client.send_raw(ping_of(limit)).await;
    assert_eq!(client.next_of("pong").await["t"], 7);
    client.send_raw(ping_of(limit + 1)).await;
    assert_eq!(client.refused("frame_too_large").await["re"], 3);
    assert_eq!(client.closed().await, Ending::Code(1009));
    server.stop().await;
}

#[tokio::test]
async fn a_binary_or_a_first_frame_beyond_the_limit_closes() {
    let server = Running::plain().await;
    let limit = config().limits.frame_bytes_max as usize;
    let (mut client, _) = server.session("w", "c").await;
    client.send_raw(Message::binary(vec![0; limit + 1])).await;
    assert_eq!(client.refused("frame_too_large").await["re"], 2);
    assert_eq!(client.closed().await, Ending::Code(1009));

    let mut client = server.connect().await;
    client.send_raw(ping_of(limit + 1)).await;
    assert_eq!(client.refused("frame_too_large").await["re"], 1);
    assert_eq!(client.closed().await, Ending::Code(1009));
    server.stop().await;
}

/// Far beyond the limit the frame is not even read. What the client sees depends on how much it had still to send.
#[tokio::test]
async fn a_giant_is_cut_off_and_nobody_else_notices() {
    let mut config = config();
    config.limits.frame_bytes_max = 512 * 1024;
    let server = Running::start(MemoryLog::new(), config).await;
    let (mut other, _) = server.session("w", "other").await;
    let (mut client, _) = server.session("w", "c").await;
    let _ = futures_util::SinkExt::send(&mut client.0, Message::text("x".repeat(8 * 1024 * 1024)))
        .await;
    loop {
        match client.receive().await {
            Ok(frame) => assert_eq!(frame["code"], "frame_too_large", "{frame}"),
            Err(ending) => {
                assert!(
                    matches!(ending, Ending::Code(1009) | Ending::Broken),
                    "{ending:?}"
                );
                break;
            }
        }
    }
    other.ping().await;
    server.until_health("connections", 1).await;
    server.stop().await;
}

#[tokio::test]
async fn text_that_is_not_utf8_closes() {
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};
    let server = Running::plain().await;
    let (mut client, _) = server.session("w", "c").await;
    let header = FrameHeader {
        opcode: OpCode::Data(Data::Text),
        mask: Some([0; 4]),
        ..FrameHeader::default()
    };
    client
        .send_raw(Message::Frame(Frame::from_payload(
            header,
            vec![0xff, 0xfe].into(),
        )))
        .await;
    assert_eq!(client.closed().await, Ending::Code(1007));
    server.stop().await;
}
