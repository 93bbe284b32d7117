//! A server to test against, and a line to it that can be cut and laid anew.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use syncline_client::{Client, Status, Store};
use syncline_server::log::MemoryLog;
use syncline_server::{Config, Control, Server};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A reference server, in this process, with its log in memory.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) control: Control,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start(log: &MemoryLog) -> TestServer {
        TestServer::with(log, Config::default()).await
    }

    pub(crate) async fn with(log: &MemoryLog, config: Config) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (server, control) = Server::new(log.clone(), config).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            server
                .run(listener, async { drop(stopped.await) })
                .await
                .unwrap();
        });
        TestServer {
            address,
            control,
            stop,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

/// A line to a server that has an address of its own.
pub(crate) struct Line {
    address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    open: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Line {
    /// A line that leads nowhere yet.
    pub(crate) async fn lay() -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(None));
        let open = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(accept(listener, target.clone(), open.clone()));
        Line {
            address,
            target,
            open,
        }
    }

    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    /// Connects it to a server.
    pub(crate) fn connect(&self, server: &TestServer) {
        self.lead_to(server.address);
    }

    pub(crate) fn lead_to(&self, address: SocketAddr) {
        *self.target.lock().unwrap() = Some(address);
    }

    /// Cuts what goes over it, and lets nothing through any more.
    pub(crate) fn cut(&self) {
        *self.target.lock().unwrap() = None;
        self.open
            .lock()
            .unwrap()
            .drain(..)
            .for_each(|pipe| pipe.abort());
    }
}

type Pipes = Arc<Mutex<Vec<JoinHandle<()>>>>;

async fn accept(listener: TcpListener, target: Arc<Mutex<Option<SocketAddr>>>, open: Pipes) {
    while let Ok((mut near, _)) = listener.accept().await {
        let Some(address) = *target.lock().unwrap() else {
            continue;
        };
        let pipe = tokio::spawn(async move {
            if let Ok(mut far) = TcpStream::connect(address).await {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
        open.lock().unwrap().push(pipe);
    }
}

fn url(address: SocketAddr) -> String {
    format!("ws://{address}/sync")
}

/// A client of the workspace `home` that holds the table `notes`.
pub(crate) async fn open(url: &str, store: impl Into<Store>) -> Client {
    let client = Client::builder(url, "home")
        .store(store)
        .open()
        .await
        .unwrap();
    client.subscribe(["notes"]).await.unwrap();
    client
}

/// Waits until the client stands so.
pub(crate) async fn until(client: &Client, what: &str, holds: impl Fn(&Status) -> bool) {
    let mut status = client.status_changes();
    let reached = status.wait_for(|status| holds(status));
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    reached
        .unwrap_or_else(|_| panic!("never {what}: {:?}", client.status()))
        .unwrap();
}

/// Waits until the client's view of a note is this.
pub(crate) async fn until_note(client: &Client, key: &str, value: Option<&str>) {
    let mut watch = client.watch::<String>("notes").await.unwrap();
    let seen = async {
        while client.get::<String>("notes", key).await.unwrap().as_deref() != value {
            watch.next().await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .unwrap_or_else(|_| panic!("{key} was never {value:?}"));
}

/// Waits until everything is synced.
pub(crate) async fn synced(client: &Client) {
    client.wait_synced(PATIENCE).await.unwrap();
}

/// All notes.
pub(crate) async fn notes(client: &Client) -> Vec<(String, String)> {
    client
        .get_all::<String>("notes")
        .await
        .unwrap()
        .into_iter()
        .collect()
}

/// The notes as they should be.
pub(crate) fn expect(notes: &[(&str, &str)]) -> Vec<(String, String)> {
    notes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// That an error is of this kind.
#[macro_export]
macro_rules! assert_error {
    ($result:expr, $kind:pat) => {
        match $result {
            Err($kind) => {}
            other => panic!("expected {}, got {other:?}", stringify!($kind)),
        }
    };
}
