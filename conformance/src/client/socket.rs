//! The server's end of a WebSocket: frames out, frames in, all of it written down.

use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};

use super::journal::Journal;
use crate::history::{Body, ConnIx, Event, Frame};

type Stream = WebSocketStream<TcpStream>;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Socket {
    conn: ConnIx,
    journal: Arc<Journal>,
    writer: Mutex<Option<SplitSink<Stream, Message>>>,
    reader: JoinHandle<()>,
}

impl Socket {
    /// Answers a client's handshake. None: it was none, or the client had gone.
    pub(crate) async fn accept(
        stream: TcpStream,
        journal: &Arc<Journal>,
        client: &str,
        name: &str,
    ) -> Option<Socket> {
        // What a client sends is judged, not bounded: a frame above the limit must be seen to be blamed.
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let _ = stream.set_nodelay(true);
        let accepted =
            tokio_tungstenite::accept_hdr_async_with_config(stream, select, Some(config)).await;
        let (writer, reader) = accepted.ok()?.split();
        let conn = journal.change(|state| state.opened(client, name));
        Some(Socket {
            conn,
            journal: Arc::clone(journal),
            writer: Mutex::new(Some(writer)),
            reader: tokio::spawn(read(reader, Arc::clone(journal), conn)),
        })
    }

    /// The connection's index.
    pub(crate) fn conn(&self) -> ConnIx {
        self.conn
    }

    /// Writes the frame down as sent, and sends it. A connection that breaks meanwhile is no error here: the reader sees it.
    pub(crate) async fn send(&self, frame: Frame, own: bool) -> usize {
        let mut writer = self.writer.lock().await;
        let message = match &frame.body {
            Body::Text(text) => Message::text(text.as_str()),
            Body::Binary(bytes) => Message::binary(bytes.clone()),
        };
        let at = self.journal.record(Event::Sent {
            conn: self.conn,
            frame: Arc::new(frame),
            resumes: None,
            own,
        });
        if let Some(writer) = writer.as_mut() {
            let _ = writer.send(message).await;
        }
        at
    }

    /// Sends a WebSocket ping with this number in it.
    pub(crate) async fn ping(&self, number: u8) {
        if let Some(writer) = self.writer.lock().await.as_mut() {
            let _ = writer.send(Message::Ping(vec![number].into())).await;
        }
    }

    /// Says goodbye with this close code, and leaves.
    pub(crate) async fn close(&self, code: u16) {
        if let Some(writer) = self.writer.lock().await.as_mut() {
            let frame = CloseFrame {
                code: code.into(),
                reason: "".into(),
            };
            let _ = writer.send(Message::Close(Some(frame))).await;
        }
        self.cut().await;
    }

    /// Leaves without a word: the TCP connection ends where it stands.
    pub(crate) async fn cut(&self) {
        self.journal.record(Event::Left { conn: self.conn });
        self.reader.abort();
        self.writer.lock().await.take();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Selects the subprotocol; a handshake that does not offer it is refused, as by every server.
#[allow(clippy::result_large_err, reason = "the library's own signature")]
fn select(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let name = syncline_schemas::SUBPROTOCOL;
    let mut offered = request.headers().get_all("Sec-WebSocket-Protocol").iter();
    let is_it = |offer: &str| offer.split(',').any(|offer| offer.trim() == name);
    if !offered.any(|offers| offers.to_str().is_ok_and(is_it)) {
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Err(refusal);
    }
    let name = HeaderValue::from_static(name);
    response
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", name);
    Ok(response)
}

/// Reads until the connection ends, and writes everything down that comes before the runner leaves.
async fn read(mut stream: SplitStream<Stream>, journal: Arc<Journal>, conn: ConnIx) {
    loop {
        let event = match stream.next().await {
            Some(Ok(Message::Text(text))) => Event::Received {
                conn,
                frame: Arc::new(Frame::text(text.to_string())),
            },
            Some(Ok(Message::Binary(bytes))) => Event::Received {
                conn,
                frame: Arc::new(Frame::binary(bytes.to_vec())),
            },
            Some(Ok(Message::Pong(number))) => {
                journal.change(|state| state.conns[conn].pongs.extend(number.first()));
                continue;
            }
            Some(Ok(Message::Close(frame))) => Event::Closed {
                conn,
                code: frame.map(|frame| frame.code.into()),
            },
            Some(Ok(_)) => Event::Heard { conn },
            None | Some(Err(_)) => Event::Closed { conn, code: None },
        };
        let over = matches!(event, Event::Closed { .. });
        let open = journal.change(|state| {
            let open = state.conns[conn].ended.is_none();
            if open {
                state.record(event);
            }
            open
        });
        if over {
            // Reading on answers the client's close frame, and ends with the connection.
            while let Some(Ok(_)) = stream.next().await {}
        }
        if over || !open {
            return;
        }
    }
}
