//! One WebSocket: frames out, frames in, and all that can go wrong with it on purpose.
//!
//! It speaks frames, not the protocol, through its own use of tungstenite: nothing of the reference client is between the runner and
//! the server. A task reads on its own, so that a frame is in the journal as soon as it is there, whatever the steps wait for.

use std::io::ErrorKind;
use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WireFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::Journal;
use super::transport::{ReadsOn, Transport};
use crate::history::{Body, ConnIx, Event, Frame};
use crate::proxy::{Network, Wire};

type Socket = WebSocketStream<ReadsOn>;

/// An open connection.
#[derive(Debug)]
pub struct Link {
    conn: ConnIx,
    journal: Arc<Journal>,
    writer: Mutex<Option<SplitSink<Socket, Message>>>,
    reading: watch::Sender<bool>,
    reader: JoinHandle<()>,
}

/// Why a connection could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Nobody listens, or the network fails.
    Unreachable(String),
    /// The handshake was answered with this HTTP status instead of an upgrade.
    Refused(u16),
    /// The handshake was accepted with another subprotocol than one that was offered.
    Subprotocol(String),
    /// What answers speaks no WebSocket.
    NotWebSocket(String),
    /// A fault of the scenario's ended it.
    Cut,
}

impl OpenError {
    /// Whether it may be otherwise in a moment: a server that ends or begins is not there, or answers as no WebSocket server does.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, OpenError::Unreachable(_) | OpenError::NotWebSocket(_))
    }
}

impl Link {
    /// Opens a WebSocket, offering these subprotocols; through the proxy, if there is one.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) async fn open(
        journal: &Arc<Journal>,
        network: Option<&Network>,
        url: &str,
        name: &str,
        subprotocols: &[String],
    ) -> Result<Link, OpenError> {
        let (socket, wire) = handshake(network, url, name, subprotocols).await?;
        let (writer, reader) = socket.split();
        let conn = journal.with(|state| {
            let conn = state.facts.conns.len();
            state.record(Event::Opened {
                conn,
                name: name.to_owned(),
            });
            conn
        });
        if let Some(wire) = &wire {
            wire.attach(journal, conn);
        }
        let (reading, on) = watch::channel(true);
        let reader = tokio::spawn(read(reader, Arc::clone(journal), conn, wire, on));
        Ok(Link {
            conn,
            journal: Arc::clone(journal),
            writer: Mutex::new(Some(writer)),
            reading,
            reader,
        })
    }

    /// The connection's index.
    #[must_use]
    pub fn conn(&self) -> ConnIx {
        self.conn
    }

    /// Writes the frame down as sent, and sends it. A connection that breaks meanwhile is no error here: the reader sees it.
    /// Gives the entry.
    pub async fn send(
        &self,
        frame: Frame,
        fragments: usize,
        own: bool,
        resumes: Option<usize>,
    ) -> usize {
        let mut writer = self.writer.lock().await;
        let frame = Arc::new(frame);
        let event = Event::Sent {
            conn: self.conn,
            frame: Arc::clone(&frame),
            resumes,
            own,
        };
        let at = self.journal.record(event);
        if let Some(writer) = writer.as_mut() {
            for message in messages(&frame.body, fragments) {
                if writer.send(message).await.is_err() {
                    break;
                }
            }
        }
        at
    }

    /// Begins a message and does not end it: sends all of its fragments but the last. No frame was sent by that, so none is written down.
    pub async fn begin(&self, frame: &Frame, fragments: usize) {
        let mut writer = self.writer.lock().await;
        let mut messages = messages(&frame.body, fragments);
        messages.pop();
        if let Some(writer) = writer.as_mut() {
            for message in messages {
                if writer.send(message).await.is_err() {
                    break;
                }
            }
        }
    }

    /// Stops or goes on taking frames from the socket.
    pub fn read(&self, on: bool) {
        self.reading.send_replace(on);
    }

    /// Says goodbye with a close frame and leaves, without waiting for an answer. What comes from here on is not heard.
    pub async fn close(&self) {
        self.journal.record(Event::Left { conn: self.conn });
        if let Some(mut writer) = self.writer.lock().await.take() {
            // Whether it still gets through changes nothing.
            let _ = writer.send(Message::Close(None)).await;
        }
        self.reader.abort();
    }

    /// Leaves without a word: the TCP connection ends where it stands.
    pub async fn cut(&self) {
        self.journal.record(Event::Left { conn: self.conn });
        self.reader.abort();
        self.writer.lock().await.take();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn handshake(
    network: Option<&Network>,
    url: &str,
    name: &str,
    subprotocols: &[String],
) -> Result<(Socket, Option<Arc<Wire>>), OpenError> {
    let unreachable = |error: &dyn std::fmt::Display| OpenError::Unreachable(error.to_string());
    let request = request(url, subprotocols).map_err(|error| unreachable(&error))?;
    let host = request.uri().host().unwrap_or_default();
    let address = (
        host.trim_matches(['[', ']']),
        request.uri().port_u16().unwrap_or(80),
    );
    let (transport, wire): (Box<dyn Transport>, _) = match network {
        None => (
            Box::new(direct(address).await.map_err(|error| unreachable(&error))?),
            None,
        ),
        Some(network) => {
            let dialled = network.dial(name, address).await;
            let (pipe, wire) = dialled.map_err(|error| unreachable(&error))?;
            (Box::new(pipe), Some(wire))
        }
    };
    // What the server sends is judged, not bounded: a frame above its own limit must be seen to be blamed.
    let config = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    match client_async_with_config(request, ReadsOn(transport), Some(config)).await {
        Ok((socket, response)) => match selected(&response) {
            Some(syncline_schemas::SUBPROTOCOL) => Ok((socket, wire)),
            other => Err(OpenError::Subprotocol(format!(
                "it selects {}",
                other.unwrap_or("none")
            ))),
        },
        Err(Error::Http(answer)) => Err(OpenError::Refused(answer.status().as_u16())),
        Err(_) if wire.is_some_and(|wire| wire.was_cut()) => Err(OpenError::Cut),
        Err(Error::Io(error)) => Err(OpenError::Unreachable(error.to_string())),
        // It took the connection and gave it up: a server that is ending does so.
        Err(Error::Protocol(error @ ProtocolError::HandshakeIncomplete)) => {
            Err(OpenError::Unreachable(error.to_string()))
        }
        Err(Error::Protocol(error)) if error.to_string().to_lowercase().contains("subprotocol") => {
            Err(OpenError::Subprotocol(error.to_string()))
        }
        Err(Error::Url(error)) => Err(OpenError::Unreachable(error.to_string())),
        Err(error) => Err(OpenError::NotWebSocket(error.to_string())),
    }
}

/// The subprotocol that the server selected. That one was offered is not enough: it must be the one that can be spoken.
fn selected(response: &Response) -> Option<&str> {
    let header = response.headers().get("Sec-WebSocket-Protocol")?;
    header.to_str().ok()
}

async fn direct(address: (&str, u16)) -> std::io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn request(url: &str, subprotocols: &[String]) -> Result<Request, Error> {
    let mut request = url.into_client_request()?;
    if !subprotocols.is_empty() {
        let offered = HeaderValue::from_str(&subprotocols.join(", "))?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", offered);
    }
    Ok(request)
}

/// The message whole, or in fragments.
fn messages(body: &Body, fragments: usize) -> Vec<Message> {
    let (bytes, kind) = match body {
        Body::Text(text) if fragments <= 1 => return vec![Message::text(text.as_str())],
        Body::Binary(bytes) if fragments <= 1 => return vec![Message::binary(bytes.clone())],
        Body::Text(text) => (text.as_bytes(), Data::Text),
        Body::Binary(bytes) => (bytes.as_slice(), Data::Binary),
    };
    let size = bytes.len().div_ceil(fragments).max(1);
    let count = bytes.len().div_ceil(size);
    let fragment = |(index, part): (usize, &[u8])| {
        let kind = if index == 0 { kind } else { Data::Continue };
        Message::Frame(WireFrame::message(
            part.to_vec(),
            OpCode::Data(kind),
            index + 1 == count,
        ))
    };
    bytes.chunks(size).enumerate().map(fragment).collect()
}

/// Reads until the connection ends, and writes everything down.
async fn read(
    mut socket: SplitStream<Socket>,
    journal: Arc<Journal>,
    conn: ConnIx,
    wire: Option<Arc<Wire>>,
    mut on: watch::Receiver<bool>,
) {
    loop {
        let next = tokio::select! {
            // A frame that was not asked for stays where it is.
            biased;
            _ = on.wait_for(|on| !*on) => None,
            next = socket.next() => Some(next),
        };
        let Some(next) = next else {
            if on.wait_for(|on| *on).await.is_err() {
                return;
            }
            continue;
        };
        let event = match next {
            Some(Ok(Message::Text(text))) => Event::Received {
                conn,
                frame: Arc::new(Frame::text(text.to_string())),
            },
            Some(Ok(Message::Binary(bytes))) => Event::Received {
                conn,
                frame: Arc::new(Frame::binary(bytes.to_vec())),
            },
            Some(Ok(Message::Close(frame))) => Event::Closed {
                conn,
                code: frame.map(|frame| frame.code.into()),
            },
            Some(Ok(_)) => Event::Heard { conn },
            // What the proxy has cut, the runner has.
            None | Some(Err(_)) if wire.as_ref().is_some_and(|wire| wire.was_cut()) => {
                Event::Left { conn }
            }
            Some(Err(Error::Io(error))) if error.kind() == ErrorKind::ConnectionReset => {
                Event::Reset { conn }
            }
            None | Some(Err(_)) => Event::Closed { conn, code: None },
        };
        let goes_on = matches!(event, Event::Received { .. } | Event::Heard { .. });
        if !journal.record_open(conn, event) {
            return;
        }
        if !goes_on {
            // Reading on answers the server's close frame, and ends with the connection.
            while let Some(Ok(_)) = socket.next().await {}
            return;
        }
    }
}
