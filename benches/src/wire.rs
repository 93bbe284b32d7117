//! The load's side of a connection: as little work for each frame as possible, so that the server is measured.

use crate::Failure;
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use syncline_schemas::{ClientMessage, Hello, SUBPROTOCOL, ServerMessage, Welcome};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// How long any one frame may be awaited.
const PATIENCE: Duration = Duration::from_secs(60);

/// A WebSocket to a server.
pub(crate) struct Wire(WebSocketStream<TcpStream>);

impl Wire {
    /// Opens a WebSocket.
    pub(crate) async fn open(address: &str) -> Result<Self, Failure> {
        let mut request = format!("ws://{address}/sync").into_client_request()?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", SUBPROTOCOL.parse()?);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Self(socket))
    }

    /// Opens a WebSocket and a session on it.
    pub(crate) async fn session(
        address: &str,
        workspace: &str,
        client: Option<&str>,
    ) -> Result<(Self, Welcome), Failure> {
        let mut wire = Self::open(address).await?;
        let hello = Hello {
            workspace: workspace.to_owned(),
            client_id: client.map(str::to_owned),
            acked_seq: None,
            capabilities: None,
        };
        wire.send(ClientMessage::Hello(hello).encode().into())
            .await?;
        let text = wire.next().await?;
        match ServerMessage::decode(&text, 64) {
            Ok(ServerMessage::Welcome(welcome)) => Ok((wire, welcome)),
            _ => Err(format!("instead of a welcome came {text}").into()),
        }
    }

    /// Sends one text frame.
    pub(crate) async fn send(&mut self, text: Utf8Bytes) -> Result<(), Failure> {
        Ok(self.0.send(Message::Text(text)).await?)
    }

    /// Awaits the next text frame.
    pub(crate) async fn next(&mut self) -> Result<Utf8Bytes, Failure> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await? {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err("the server closed the connection".into()),
            }
        }
    }

    /// Awaits the next text frame that has this in it.
    pub(crate) async fn next_with(&mut self, part: &str) -> Result<Utf8Bytes, Failure> {
        loop {
            let text = self.next().await?;
            if text.contains(part) {
                return Ok(text);
            }
        }
    }
}

/// A push of `count` mutations of one `set` each, with a value of about 100 bytes: about 150 bytes of key and value a row.
pub(crate) fn push_text(epoch: &str, client: &str, first: u64, count: u64) -> String {
    use std::fmt::Write;
    let mut text = format!(r#"{{"type":"push","epoch":"{epoch}","#);
    if first > 1 {
        let _ = write!(text, r#""follows":"{client}-{}","#, first - 1);
    }
    text.push_str(r#""mutations":["#);
    for seq in first..first + count {
        let comma = if seq == first { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"seq":{seq},"opId":"{client}-{seq}","ops":[{{"op":"set","table":"notes","key":"{client}/{seq:012}","value":{{"title":"note {seq:012}","text":"{VALUE}"}}}}]}}"#
        );
    }
    text.push_str("]}");
    text
}

/// The payload of a row.
pub(crate) const VALUE: &str =
    "a line of text that a person might have written, of a length that is usual";
