//! A small server of its own for the tests of the runner: honest, or wrong in one way.
//!
//! It knows one workspace in memory, and only what the tests' scenarios need: it sends snapshots, and no live updates. It shares nothing with the reference server: what it gets wrong is wrong
//! on purpose.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// In which way the server is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// In none.
    None,
    /// It answers each push with two acks.
    AcksTwice,
    /// It takes a hello and never says anything.
    Mute,
    /// It answers pings, and no push.
    NeverAcks,
    /// It closes the connection after the hello.
    Closes,
    /// It breaks the TCP connection off before the handshake.
    HangsUp,
    /// It decides a retry anew.
    AppliesTwice,
    /// It leaves the second op of a mutation out.
    Tears,
    /// It selects no subprotocol.
    NoSubprotocol,
    /// It upgrades the first connection and says at once that it closes it: as some do that are being restarted.
    UpgradesNone,
}

#[derive(Default)]
struct State {
    version: u64,
    sessions: u64,
    rows: BTreeMap<(String, String), (Value, u64)>,
    outcomes: BTreeMap<(String, u64), Value>,
}

/// Starts a server; gives its URL. It ends with the test's runtime.
pub(crate) async fn start(fault: Fault) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let state = Arc::new(Mutex::new(State::default()));
    tokio::spawn(async move {
        if fault == Fault::UpgradesNone {
            let (mut first, _) = listener.accept().await.unwrap();
            let half = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: close\r\n\r\n";
            first.write_all(half).await.unwrap();
        }
        while let Ok((socket, _)) = listener.accept().await {
            if fault != Fault::HangsUp {
                tokio::spawn(serve(socket, fault, Arc::clone(&state)));
            }
        }
    });
    url
}

async fn serve(socket: TcpStream, fault: Fault, state: Arc<Mutex<State>>) {
    #[allow(clippy::result_large_err, reason = "the library's own signature")]
    let select = |_: &Request, mut response: Response| {
        if fault != Fault::NoSubprotocol {
            let name = HeaderValue::from_static("syncline.v1");
            response
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", name);
        }
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(socket, select).await else {
        return;
    };
    let mut client = None;
    let mut ordinal = 0;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        ordinal += 1;
        let frame: Value = serde_json::from_str(&text).unwrap_or_default();
        if frame["type"] == "hello" {
            client = frame["clientId"].as_str().map(ToOwned::to_owned);
        }
        if fault == Fault::Closes {
            return;
        }
        let answers = if fault == Fault::Mute {
            Vec::new()
        } else {
            answers(&state, fault, client.as_deref(), ordinal, &frame)
        };
        if !say(&mut socket, answers).await {
            return;
        }
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, frames: Vec<Value>) -> bool {
    for frame in frames {
        if socket.send(Message::text(frame.to_string())).await.is_err() {
            return false;
        }
    }
    true
}

fn answers(
    state: &Mutex<State>,
    fault: Fault,
    client: Option<&str>,
    ordinal: u64,
    frame: &Value,
) -> Vec<Value> {
    let mut state = state.lock().unwrap();
    match frame["type"].as_str() {
        Some("hello") => vec![welcome(
            &mut state,
            client,
            frame["ackedSeq"].as_u64().unwrap_or(0),
        )],
        Some("ping") => vec![json!({ "type": "pong", "t": frame["t"], "serverTime": 0 })],
        Some("subscribe") => {
            let changes: Vec<_> = state
                .rows
                .iter()
                .filter(|((table, _), _)| frame["tables"].get(table).is_some())
                .map(|((table, key), (value, version))| json!({ "op": "set", "table": table, "key": key, "value": value, "version": version }))
                .collect();
            vec![
                json!({ "type": "subscribed", "id": frame["id"], "shape": frame["id"], "tables": frame["tables"] }),
                json!({ "type": "update", "shape": frame["id"], "from": 0, "to": state.version, "replace": true, "changes": changes }),
            ]
        }
        Some("push") if fault != Fault::NeverAcks => {
            let mutations = frame["mutations"].as_array().cloned().unwrap_or_default();
            let results: Vec<_> = mutations
                .iter()
                .map(|mutation| state.decide(fault, client.unwrap_or_default(), mutation))
                .collect();
            let ack = json!({ "type": "ack", "re": ordinal, "results": results });
            if fault == Fault::AcksTwice {
                vec![ack.clone(), ack]
            } else {
                vec![ack]
            }
        }
        _ => Vec::new(),
    }
}

fn welcome(state: &mut State, client: Option<&str>, acked: u64) -> Value {
    state.sessions += 1;
    // It never levels: it need not be waited for long.
    let limits = syncline_schemas::Limits {
        level_ms: 1,
        ..syncline_schemas::Limits::default()
    };
    let own = || {
        state
            .outcomes
            .iter()
            .filter(|((of, _), _)| Some(of.as_str()) == client)
    };
    let results: Vec<_> = own()
        .filter(|((_, seq), _)| *seq > acked)
        .map(|(_, outcome)| outcome)
        .collect();
    json!({
        "type": "welcome", "epoch": "e", "version": state.version, "lastSeq": own().map(|((_, seq), _)| *seq).max().unwrap_or(0),
        "results": results, "session": format!("s{}", state.sessions), "capabilities": [], "serverTime": 0,
        "limits": limits, "server": { "name": "small", "version": "0" },
    })
}

impl State {
    fn decide(&mut self, fault: Fault, client: &str, mutation: &Value) -> Value {
        let name = (client.to_owned(), mutation["seq"].as_u64().unwrap_or(0));
        if let (Some(outcome), false) = (self.outcomes.get(&name), fault == Fault::AppliesTwice) {
            return outcome.clone();
        }
        self.version += 1;
        let ops = mutation["ops"].as_array().cloned().unwrap_or_default();
        let applied = if fault == Fault::Tears { 1 } else { ops.len() };
        for op in ops.iter().take(applied) {
            let text = |name: &str| op[name].as_str().unwrap_or_default().to_owned();
            self.rows.insert(
                (text("table"), text("key")),
                (op["value"].clone(), self.version),
            );
        }
        // The outcome as first told, also where the mutation is applied again.
        let fresh = json!({ "status": "applied", "seq": mutation["seq"], "opId": mutation["opId"], "version": self.version });
        self.outcomes.entry(name).or_insert(fresh).clone()
    }
}
