//! The connection: a task of its own that opens a WebSocket, and carries frames both ways until either side has enough.
//!
//! Each attempt has its own task and its own channels, so that nothing of an old connection can be taken for something of the new one: what is
//! given up is dropped, and its channels with it.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use syncline_schemas::SUBPROTOCOL;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::{self, handshake::client::Request};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::Error;

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection that is given up may take to close in order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How many frames may wait to be handled before the server has to wait.
const INCOMING_MAX: usize = 256;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a connection has to tell.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// It is open.
    Open,
    /// A text frame.
    Frame(String),
    /// A WebSocket ping, answered already.
    Ping,
    /// It is over, or was never open.
    Over(String),
}

/// A connection, or the attempt at one. Dropped, it closes in order, in the background.
#[derive(Debug)]
pub(crate) struct Link {
    incoming: mpsc::Receiver<Incoming>,
    outgoing: mpsc::UnboundedSender<String>,
    task: JoinHandle<()>,
}

impl Link {
    /// Begins to connect.
    pub(crate) fn open(request: Request) -> Link {
        let (to_replica, incoming) = mpsc::channel(INCOMING_MAX);
        let (outgoing, to_server) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let cause = match connect(request).await {
                Ok(socket) => carry(socket, to_server, &to_replica).await,
                Err(cause) => cause,
            };
            // Nobody listens any more if the connection was given up from this side.
            let _ = to_replica.send(Incoming::Over(cause)).await;
        });
        Link {
            incoming,
            outgoing,
            task,
        }
    }

    /// Sends a frame. How many can wait is bounded by what the replica has in flight.
    pub(crate) fn send(&self, frame: String) {
        // A connection that is over says so by `next`.
        let _ = self.outgoing.send(frame);
    }

    /// What the connection has to tell next.
    pub(crate) async fn next(&mut self) -> Incoming {
        let over = || Incoming::Over("the connection's task has ended".to_owned());
        self.incoming.recv().await.unwrap_or_else(over)
    }

    /// What the connection has to tell already.
    pub(crate) fn try_next(&mut self) -> Option<Incoming> {
        self.incoming.try_recv().ok()
    }

    /// Closes in order, and waits for it.
    pub(crate) async fn close(self) {
        let Link {
            incoming,
            outgoing,
            task,
        } = self;
        drop((incoming, outgoing));
        let _ = timeout(2 * CLOSE_TIMEOUT, task).await;
    }
}

/// The request that opens a connection to a server.
pub(crate) fn request(url: &str) -> Result<Request, Error> {
    let mut request = url
        .into_client_request()
        .map_err(|error| Error::Url(error.to_string()))?;
    match request.uri().scheme_str() {
        Some("ws") => {}
        Some("wss") => {
            return Err(Error::Url(
                "this build has no TLS: put a proxy in front, or use ws".to_owned(),
            ));
        }
        _ => return Err(Error::Url(format!("{url:?} does not begin with ws://"))),
    }
    request.headers_mut().insert(
        "Sec-WebSocket-Protocol",
        HeaderValue::from_static(SUBPROTOCOL),
    );
    Ok(request)
}

async fn connect(request: Request) -> Result<Socket, String> {
    match timeout(CONNECT_TIMEOUT, connect_async(request)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(explain(&error)),
        Err(_) => Err("the server does not answer".to_owned()),
    }
}

fn explain(error: &tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Http(response) => {
            format!("the server answers with HTTP status {}", response.status())
        }
        tungstenite::Error::Io(error) => format!("the server cannot be reached: {error}"),
        other => other.to_string(),
    }
}

/// Carries frames both ways until the connection is over. Says why it is.
async fn carry(
    socket: Socket,
    mut to_server: mpsc::UnboundedReceiver<String>,
    to_replica: &mpsc::Sender<Incoming>,
) -> String {
    if to_replica.send(Incoming::Open).await.is_err() {
        return String::new();
    }
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            frame = to_server.recv() => {
                let Some(frame) = frame else { break };
                // A server that takes nothing must not keep a connection that is given up from ending.
                tokio::select! {
                    () = to_replica.closed() => break,
                    written = write(&mut sink, frame, &mut to_server) => if let Err(error) = written {
                        return explain(&error);
                    },
                }
            }
            message = stream.next() => match read(message) {
                Ok(Some(incoming)) => if to_replica.send(incoming).await.is_err() { break },
                Ok(None) => {}
                Err(cause) => return cause,
            }
        }
    }
    hang_up(sink, stream).await;
    String::new()
}

/// Writes a frame and all that wait behind it, and flushes once.
async fn write(
    sink: &mut SplitSink<Socket, Message>,
    frame: String,
    waiting: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), tungstenite::Error> {
    sink.feed(Message::text(frame)).await?;
    while let Ok(frame) = waiting.try_recv() {
        sink.feed(Message::text(frame)).await?;
    }
    sink.flush().await
}

fn read(message: Option<Result<Message, tungstenite::Error>>) -> Result<Option<Incoming>, String> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(Incoming::Frame(text.as_str().to_owned()))),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Some(Incoming::Ping)),
        // Binary frames carry nothing in this version, and the closing frame is followed by the end.
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(explain(&error)),
        None => Err("the server closed the connection".to_owned()),
    }
}

/// Says goodbye, and waits a moment for the answer.
async fn hang_up(mut sink: SplitSink<Socket, Message>, mut stream: SplitStream<Socket>) {
    let goodbye = async {
        if sink.send(Message::Close(None)).await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
    };
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
}
