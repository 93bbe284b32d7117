//! A server on a free port, and clients that speak frames. Everything waits for conditions, with one deadline for all.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use syncline_server::log::{Log, MemoryLog};
use syncline_server::{Config, Control, Server, ServerError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async};

/// A wait that takes longer has failed. Long, because machines are slow; it is never waited out when all is well.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for something, within the deadline.
pub(crate) async fn within<T>(what: &str, coming: impl Future<Output = T>) -> T {
    timeout(DEADLINE, coming)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come"))
}

/// The defaults, except that a server which stops does not wait long for clients that the test has forgotten.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.timeouts.close = Duration::from_millis(200);
    config
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) control: Control,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    pub(crate) async fn start<L: Log>(log: L, config: Config) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (server, control) = Server::new(log, config).unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let task = tokio::spawn(async move { server.run(listener, shutdown).await });
        Running {
            address,
            control,
            stop: Some(stop),
            task,
        }
    }

    /// In memory, with [`config`].
    pub(crate) async fn plain() -> Running {
        Running::start(MemoryLog::new(), config()).await
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(&self.address).await
    }

    /// A connection that has said hello, and its welcome.
    pub(crate) async fn session(&self, workspace: &str, client: &str) -> (Client, Value) {
        let mut connection = self.connect().await;
        connection
            .send(json!({"type": "hello", "workspace": workspace, "clientId": client}))
            .await;
        let welcome = connection.next_of("welcome").await;
        (connection, welcome)
    }

    /// A session without `clientId`.
    pub(crate) async fn reader(&self, workspace: &str) -> Client {
        let mut connection = self.connect().await;
        connection
            .send(json!({"type": "hello", "workspace": workspace}))
            .await;
        connection.next_of("welcome").await;
        connection
    }

    /// What `GET /health` says.
    pub(crate) async fn health(&self) -> Value {
        health(&self.address).await
    }

    /// Returns when `GET /health` says this of this member.
    pub(crate) async fn until_health(&self, member: &str, value: u64) {
        let said = async {
            while self.health().await[member] != value {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(&format!("{member} = {value}"), said).await;
    }

    /// Asks for an orderly end.
    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits for the end.
    pub(crate) async fn ended(self) {
        within("the server's end", self.task)
            .await
            .unwrap()
            .unwrap();
    }

    pub(crate) async fn stop(mut self) {
        self.begin_stop();
        self.ended().await;
    }

    /// Drops the server where it is.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// A connection, at the level of frames.
pub(crate) struct Client(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Code(u16),
    Broken,
}

/// Opens a connection, offering these subprotocols.
pub(crate) async fn connect(
    address: &str,
    protocols: Option<&str>,
) -> Result<(Client, Response), Error> {
    let socket = TcpStream::connect(address).await.unwrap();
    connect_over(socket, protocols).await
}

async fn connect_over(
    socket: TcpStream,
    protocols: Option<&str>,
) -> Result<(Client, Response), Error> {
    let address = socket.peer_addr().unwrap();
    let mut request = format!("ws://{address}/sync")
        .into_client_request()
        .unwrap();
    if let Some(protocols) = protocols {
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocols.parse().unwrap());
    }
    let handshake = client_async(request, MaybeTlsStream::Plain(socket));
    let (socket, response) = within("the handshake", handshake).await?;
    Ok((Client(socket), response))
}

/// What `GET /health` says at this address.
async fn health(address: &str) -> Value {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the answer", socket.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Client {
        connect(address, Some("syncline.v1")).await.unwrap().0
    }

    /// A connection whose own buffer is small, so that whoever sends soon notices that it does not read.
    pub(crate) async fn connect_narrow(address: &str) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let socket = socket.connect(address.parse().unwrap()).await.unwrap();
        connect_over(socket, Some("syncline.v1")).await.unwrap().0
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_raw(Message::text(frame.to_string())).await;
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        within("the sending", self.0.send(message)).await.unwrap();
    }

    /// The next frame, or how the connection ended.
    pub(crate) async fn receive(&mut self) -> Result<Value, Ending> {
        loop {
            match within("a frame", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(close)))) => {
                    return Err(Ending::Code(close.code.into()));
                }
                Some(Ok(Message::Close(None))) => {
                    return Err(Ending::Code(CloseCode::Status.into()));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("a server sent {other:?}"),
                Some(Err(Error::ConnectionClosed)) | None => return Err(Ending::Broken),
                Some(Err(_)) => return Err(Ending::Broken),
            }
        }
    }

    /// The next frame, which must be of this type.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        let frame = self
            .receive()
            .await
            .unwrap_or_else(|ending| panic!("no {kind}, but {ending:?}"));
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next frame of this type, whatever comes before it.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self
                .receive()
                .await
                .unwrap_or_else(|ending| panic!("no {kind}, but {ending:?}"));
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// An error with this code, as the next frame.
    pub(crate) async fn refused(&mut self, code: &str) -> Value {
        let error = self.next_of("error").await;
        assert_eq!(error["code"], code, "{error}");
        error
    }

    /// The connection's end, which must be the next thing.
    pub(crate) async fn closed(&mut self) -> Ending {
        self.receive()
            .await
            .expect_err("the connection should have been closed")
    }

    /// Asks for something and waits for the answer, so that everything before is known to be handled.
    pub(crate) async fn ping(&mut self) {
        self.send(json!({"type": "ping", "t": 7})).await;
        assert_eq!(self.until("pong").await["t"], 7);
    }

    pub(crate) async fn subscribe(&mut self, table: &str) -> Value {
        self.send(json!({"type": "subscribe", "id": "s", "tables": {table: {}}}))
            .await;
        self.next_of("subscribed").await
    }
}

/// A push of one `set`.
pub(crate) fn push(
    epoch: &Value,
    follows: Option<&str>,
    seq: u64,
    op_id: &str,
    table: &str,
    value: &Value,
) -> Value {
    let ops = json!([{"op": "set", "table": table, "key": format!("k{seq}"), "value": value}]);
    let mut push = json!({"type": "push", "epoch": epoch, "mutations": [{"seq": seq, "opId": op_id, "ops": ops}]});
    if let Some(follows) = follows {
        push["follows"] = follows.into();
    }
    push
}
