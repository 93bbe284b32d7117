//! A connection's task: waits for `hello`, then reads and writes side by side until one of both is over.
//!
//! ```text
//!   accepted ──hello──▶ session ──▶ closing ──▶ gone
//!      │                  │            ▲  the last frames, the close, and until the peer has closed too
//!      └── no hello ──────┴────────────┘
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use syncline_schemas::errors::{self, ErrorDef};
use syncline_schemas::{ErrorMessage, Hello};
use syncline_server_core::{SessionKey, read_hello};
use tokio::time::{Instant, sleep, timeout_at};

use crate::closing::Closing;
use crate::link::Link;
use crate::random;
use crate::workspace::{Command, Entry, Inbox, Refusal};

use super::http::Endpoint;
use super::reader::{self, Ended};
use super::socket::{Peer, Watch};
use super::writer;

pub(super) type Sink = SplitSink<WebSocket, Message>;
pub(super) type Stream = SplitStream<WebSocket>;

/// Names sessions within the process, whichever workspace they are in.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// One session, as its connection's task sees it.
pub(super) struct Session {
    pub(super) key: SessionKey,
    /// The workspace's name.
    name: String,
    pub(super) watch: Arc<Watch>,
    pub(super) link: Arc<Link>,
    pub(super) workspace: Inbox,
}

/// Serves a connection until it is over.
pub(super) async fn serve(socket: WebSocket, peer: Peer, endpoint: Arc<Endpoint>) {
    let (mut sink, mut stream) = socket.split();
    let session = match open(&mut stream, &peer, &endpoint).await {
        Ok(session) => session,
        Err(closing) => {
            tracing::info!(peer = %peer.address, why = closing.why, "connection refused");
            finish(&mut sink, &mut stream, closing, &endpoint).await;
            return;
        }
    };
    let (key, workspace) = (session.key.0, &session.name);
    tracing::info!(peer = %peer.address, session = key, workspace, "session opened");
    let why = converse(&mut sink, &mut stream, &session, &endpoint).await;
    tracing::info!(peer = %peer.address, session = key, workspace, why, "session closed");
}

/// From the first frame to a session; without one, how to close.
async fn open(stream: &mut Stream, peer: &Peer, endpoint: &Endpoint) -> Result<Session, Closing> {
    let config = &endpoint.config;
    if endpoint.connections.live() > config.connections_max {
        return Err(Closing::overloaded(config, "connections enough"));
    }
    let mut draining = endpoint.connections.draining();
    let patience = Duration::from_millis(config.limits.hello_timeout_ms);
    let hello = tokio::select! {
        frame = first_frame(stream) => hello(frame, endpoint)?,
        () = draining.begun() => return Err(Closing::shutdown(config)),
        () = sleep(patience) => return Err(refusal(&errors::HELLO_TIMEOUT, "no hello came in time")),
    };
    let link = Arc::new(Link::new(config.outbox_bytes_max, config.inbox_bytes_max));
    let key = SessionKey(SESSIONS.fetch_add(1, Relaxed));
    let name = hello.workspace.clone();
    let entry = Entry {
        session: key,
        name: random::name(),
        hello,
        link: Arc::clone(&link),
    };
    match endpoint.registry.send(&name, Command::Enter(entry)) {
        Ok(workspace) => Ok(Session {
            key,
            name,
            watch: Arc::clone(&peer.watch),
            link,
            workspace,
        }),
        Err(Refusal::Full) => Err(Closing::overloaded(config, "workspaces enough")),
        Err(_) => Err(Closing::internal()),
    }
}

/// The first data frame, or the failure to read one.
async fn first_frame(stream: &mut Stream) -> Option<Result<Message, axum::Error>> {
    loop {
        match stream.next().await? {
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            frame => return Some(frame),
        }
    }
}

/// Reads the first frame as `hello` (`CONN-HELLO-FIRST`).
fn hello(
    frame: Option<Result<Message, axum::Error>>,
    endpoint: &Endpoint,
) -> Result<Hello, Closing> {
    let limits = &endpoint.config.limits;
    match frame {
        Some(Ok(Message::Text(text))) if text.len() as u64 <= limits.frame_bytes_max => {
            read_hello(&text, limits)
                .map_err(|error| Closing::error(&errors::HELLO_REQUIRED, error))
        }
        Some(Ok(Message::Text(_))) => Err(refusal_of(
            &errors::FRAME_TOO_LARGE,
            "the frame is larger than limits.frameBytesMax",
            1,
        )),
        None | Some(Ok(Message::Close(_))) => Err(reader::gone()),
        Some(Ok(_)) => Err(refusal_of(
            &errors::HELLO_REQUIRED,
            "the first frame must be a hello, not binary",
            1,
        )),
        Some(Err(error)) => Err(reader::failure(&error, 1)),
    }
}

fn refusal(def: &'static ErrorDef, message: &str) -> Closing {
    Closing::error(def, ErrorMessage::new(def, message))
}

/// An `error` of scope connection that answers a frame.
pub(super) fn refusal_of(def: &'static ErrorDef, message: &str, re: u64) -> Closing {
    Closing::error(
        def,
        ErrorMessage {
            re: Some(re),
            ..ErrorMessage::new(def, message)
        },
    )
}

/// Reads and writes until the session is over; returns why it was.
async fn converse(
    sink: &mut Sink,
    stream: &mut Stream,
    session: &Session,
    endpoint: &Endpoint,
) -> &'static str {
    let config = &endpoint.config;
    let outcome = {
        let reading = reader::read(stream, session, &endpoint.connections, config);
        let writing = writer::write(sink, session, config);
        tokio::pin!(reading, writing);
        tokio::select! {
            ended = &mut reading => match ended {
                Ended::Gone => Err(reader::GONE),
                Ended::Closing => writing.await,
            },
            written = &mut writing => written,
        }
    };
    // The engine forgets the session, if it has not already.
    let _ = session.workspace.send(Command::Gone {
        session: session.key,
    });
    match outcome {
        Ok(closing) => {
            let why = closing.why;
            finish(sink, stream, closing, endpoint).await;
            why
        }
        Err(why) => why,
    }
}

/// Says the last words, closes, and waits a little for the peer to do the same, so that it can read them before the socket goes.
async fn finish(sink: &mut Sink, stream: &mut Stream, closing: Closing, endpoint: &Endpoint) {
    let deadline = Instant::now() + endpoint.config.timeouts.close;
    let said = timeout_at(deadline, async {
        if let Some(last) = closing.last {
            sink.feed(Message::Text(last)).await?;
        }
        let frame = CloseFrame {
            code: closing.code,
            reason: Default::default(),
        };
        sink.send(Message::Close(Some(frame))).await
    });
    if let Ok(Ok(())) = said.await {
        let heard_out = async { while let Some(Ok(_)) = stream.next().await {} };
        // Whoever does not answer the close in time is cut off.
        let _ = timeout_at(deadline, heard_out).await;
    }
}
