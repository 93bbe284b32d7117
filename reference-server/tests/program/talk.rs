//! A client that says one thing after the other, to a program.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A wait that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// A session of a client, and what it has to know to write.
pub(crate) struct Talk {
    runtime: Runtime,
    socket: WebSocketStream<TcpStream>,
    pub(crate) welcome: Value,
    follows: Option<String>,
}

impl Talk {
    /// Opens a session.
    pub(crate) fn open(address: &str, workspace: &str, client: &str) -> Talk {
        Talk::try_open(address, workspace, client).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Opens a session, if the server lets it.
    pub(crate) fn try_open(address: &str, workspace: &str, client: &str) -> Result<Talk, String> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut request = format!("ws://{address}/sync")
            .into_client_request()
            .unwrap();
        let protocol = "syncline.v1".parse().unwrap();
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let opening = async {
            let socket = TcpStream::connect(address).await.map_err(said)?;
            client_async(request, socket).await.map_err(said)
        };
        let opening = runtime.block_on(async { timeout(DEADLINE, opening).await });
        let (socket, _) = opening.map_err(said)??;
        let mut talk = Talk {
            runtime,
            socket,
            welcome: Value::Null,
            follows: None,
        };
        talk.send(&json!({"type": "hello", "workspace": workspace, "clientId": client}));
        talk.welcome = talk.next_of("welcome")?;
        let last = talk.welcome["results"]
            .as_array()
            .and_then(|all| all.last());
        talk.follows = last.and_then(|last| last["opId"].as_str().map(ToOwned::to_owned));
        Ok(talk)
    }

    pub(crate) fn epoch(&self) -> &str {
        self.welcome["epoch"].as_str().unwrap()
    }

    pub(crate) fn send(&mut self, frame: &Value) {
        let text = Message::text(frame.to_string());
        // Whether it has arrived shows by the answer.
        let _ = self.runtime.block_on(self.socket.send(text));
    }

    /// The next frame of this type, or why there is none.
    pub(crate) fn next_of(&mut self, kind: &str) -> Result<Value, String> {
        let socket = &mut self.socket;
        let next = async {
            while let Some(message) = socket.next().await {
                if let Message::Text(text) = message.map_err(said)? {
                    let frame: Value = serde_json::from_str(&text).map_err(said)?;
                    match &frame["type"] {
                        found if found == kind => return Ok(frame),
                        found if found == "error" => return Err(frame["code"].to_string()),
                        _ => {}
                    }
                }
            }
            Err("the connection ended".to_owned())
        };
        let next = self
            .runtime
            .block_on(async { timeout(DEADLINE, next).await });
        next.map_err(|_| format!("no {kind} came"))?
    }

    /// Writes the number `seq` of this client to the row of that number; gives its version.
    pub(crate) fn write(&mut self, seq: u64, value: &Value) -> Result<u64, String> {
        let op_id = format!("o{seq}");
        let op = json!({"op": "set", "table": "notes", "key": seq.to_string(), "value": value});
        let mut push = json!({"type": "push", "epoch": self.epoch(),
            "mutations": [{"seq": seq, "opId": op_id, "ops": [op]}]});
        if let Some(follows) = &self.follows {
            push["follows"] = json!(follows);
        }
        self.send(&push);
        let ack = self.next_of("ack")?;
        let result = &ack["results"][0];
        assert_eq!(result["status"], "applied", "{ack}");
        self.follows = Some(op_id);
        Ok(result["version"].as_u64().unwrap())
    }

    /// All rows of the table, by key.
    pub(crate) fn rows(&mut self) -> Vec<(String, Value)> {
        self.send(&json!({"type": "subscribe", "id": "s", "tables": {"notes": {}}}));
        let mut rows = Vec::new();
        loop {
            let update = self.next_of("update").unwrap();
            let changes = update["changes"].as_array().unwrap();
            rows.extend(changes.iter().map(|change| {
                let key = change["key"].as_str().unwrap().to_owned();
                (key, change["value"].clone())
            }));
            if update["to"].is_u64() {
                rows.sort_by(|a, b| a.0.cmp(&b.0));
                return rows;
            }
        }
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
