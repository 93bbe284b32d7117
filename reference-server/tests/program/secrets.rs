//! What must not be found in a log.

use std::io::{Read, Write};

use crate::process::{Serving, program};

/// A masked text frame, as clients send them; the mask is zero.
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// Not even with everything logged, and neither as text nor as bytes.
#[test]
fn a_client_id_is_not_logged() {
    const SECRET: &str = "tHe-sEcReT-cLiEnT";
    let place = tempfile::tempdir().unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--memory", "--log", "trace"];
    let serving = Serving::start(program(place.path(), &flags));
    let mut socket = serving.connect();
    let upgrade = "GET /sync HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: syncline.v1\r\n\r\n";
    socket.write_all(upgrade.as_bytes()).unwrap();
    let hello = format!(r#"{{"type":"hello","workspace":"w","clientId":"{SECRET}"}}"#);
    socket.write_all(&frame(&hello)).unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(r#""type":"welcome""#) {
        let mut bytes = [0; 4096];
        let count = socket.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..count]);
    }
    let said = serving.end("-TERM").1.join("\n").to_lowercase();
    assert!(said.contains("session opened"), "{said}");
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!said.contains(&SECRET.to_lowercase()), "{said}");
    assert!(!said.contains(&hex), "{said}");
}
