//! The server as a whole: put together, run, ended.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::Config;
use crate::log::{Log, LogError};
use crate::tasks::Tasks;
use crate::transport::{Endpoint, Peer, Watching, router};
use crate::workspace::{Backup, Command, Operation, Refusal, Registry};

/// Serves until `shutdown` is over, then ends in order. The same as [`Server::new`] and [`Server::run`], for whoever needs no [`Control`].
///
/// # Errors
/// The configuration contradicts itself, or the listener fails.
pub async fn run<L: Log>(
    listener: TcpListener,
    log: L,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerError> {
    let (server, _control) = Server::new(log, config)?;
    server.run(listener, shutdown).await
}

/// Why a server cannot start or go on.
#[derive(Debug)]
pub enum ServerError {
    /// The configuration contradicts itself; the sentence names the values.
    Config(String),
    /// The log failed.
    Log(LogError),
    /// The listener failed.
    Listener(std::io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerError::Config(reason) => out.write_str(reason),
            ServerError::Log(error) => write!(out, "the log failed: {error}"),
            ServerError::Listener(error) => write!(out, "the listener failed: {error}"),
        }
    }
}

impl std::error::Error for ServerError {}

/// A server that is ready to run.
pub struct Server {
    config: Arc<Config>,
    running: Running,
    announced: Announced,
}

/// Notes in the log that the window is announced; gives the widest that ever was.
type Announced = Pin<Box<dyn Future<Output = Result<u64, LogError>> + Send>>;

/// The server's tasks. When this is dropped, they end where they are, as if the process had crashed.
struct Running {
    connections: Tasks,
    workspaces: Tasks,
    registry: Arc<Registry>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.connections.kill();
        self.workspaces.kill();
        // A `Control` may outlive the server; the log must not be kept by it.
        self.registry.close();
    }
}

impl Server {
    /// Puts a server together, with the handle by which its workspaces can be operated while it runs.
    ///
    /// # Errors
    /// The configuration contradicts itself.
    pub fn new<L: Log>(log: L, config: Config) -> Result<(Server, Control), ServerError> {
        config.check().map_err(ServerError::Config)?;
        let config = Arc::new(config);
        let (announcing, window) = (log.clone(), config.limits.in_flight_max);
        let announced = Box::pin(async move { announcing.announce_window(window).await });
        let (connections, workspaces) = (Tasks::new(), Tasks::new());
        let registry = Registry::new(log, Arc::clone(&config), workspaces.clone());
        let control = Control(Arc::clone(&registry));
        let running = Running {
            connections,
            workspaces,
            registry,
        };
        let server = Server {
            config,
            running,
            announced,
        };
        Ok((server, control))
    }

    /// Serves until `shutdown` is over. Then it stops accepting, decides and acknowledges what was received, says `goaway` on every
    /// connection (`CONN-GOAWAY`), and returns, within `timeouts.shutdown` in all. Nothing that was acknowledged is lost by then or by any
    /// other end: dropping this future ends everything where it is, which is no worse than a crash of the process. The tasks then end one by
    /// one; whoever wants to open a file again at once calls [`SqliteLog::close`](crate::log::SqliteLog::close).
    ///
    /// # Errors
    /// The listener or the log fails, or `limits.inFlightMax` is lower than it was once announced over this log (`CONN-LIMITS`).
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        let Server {
            config,
            running,
            announced,
        } = self;
        let widest = announced.await.map_err(ServerError::Log)?;
        config.check_window(widest).map_err(ServerError::Config)?;
        let address = listener.local_addr().map_err(ServerError::Listener)?;
        tracing::info!("serving ws://{address}{}", config.path);
        let connections = running.connections.clone();
        let endpoint = Endpoint {
            config: Arc::clone(&config),
            registry: Arc::clone(&running.registry),
            connections: connections.clone(),
            started: Instant::now(),
        };
        let mut draining = connections.draining();
        let serving = serve(listener, endpoint, async move {
            shutdown.await;
            tracing::info!(connections = connections.live(), "shutting down");
            connections.drain();
        });
        let mut serving = std::pin::pin!(serving);
        let rest = tokio::select! {
            biased;
            () = draining.begun() => Some(serving),
            served = &mut serving => {
                served.map_err(ServerError::Listener)?;
                None
            }
        };
        let ended = timeout(config.timeouts.shutdown, running.end());
        if ended.await.is_err() {
            tracing::warn!("not everything ended in time");
        } else if let Some(handshakes) = rest {
            // They end at once, unless they were never finished.
            let _ = timeout(config.timeouts.close, handshakes).await;
        }
        tracing::info!("the server has ended");
        Ok(())
    }
}

/// Accepts connections until it is told to stop.
async fn serve(
    listener: TcpListener,
    endpoint: Endpoint,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let patience = Duration::from_millis(endpoint.config.limits.hello_timeout_ms);
    let listener = Watching::new(listener, patience);
    let router = router(Arc::new(endpoint));
    let service = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await
}

impl Running {
    /// Waits for everyone's last frames, then for the workspaces that gave them.
    async fn end(&self) {
        self.connections.finished().await;
        self.registry.close();
        self.workspaces.finished().await;
    }
}

/// Operates the workspaces of a server that runs. Cheap to clone; its operations fail once the server has ended.
#[derive(Clone)]
pub struct Control(Arc<Registry>);

impl Control {
    /// Forgets all deletes up to the head, so that every cursor below it needs a replacement (`SUB-CURSOR-TRUNCATED`).
    ///
    /// # Errors
    /// The server has ended, or the log failed.
    pub async fn truncate(&self, workspace: &str) -> Result<(), Refusal> {
        self.operate(workspace, Operation::Truncate).await
    }

    /// A copy of a workspace's state, clients' outcomes included.
    ///
    /// # Errors
    /// The server has ended, or the log failed.
    pub async fn backup(&self, workspace: &str) -> Result<Backup, Refusal> {
        self.operate(workspace, Operation::Backup).await
    }

    /// Puts a workspace back to what a backup holds, under a new epoch; its connections are closed with `goaway history_replaced`
    /// (`MODEL-EPOCH-NEW`).
    ///
    /// # Errors
    /// The server has ended, or the log failed.
    pub async fn restore(&self, workspace: &str, backup: Backup) -> Result<(), Refusal> {
        self.operate(workspace, |reply| Operation::Restore(backup, reply))
            .await
    }

    async fn operate<T>(
        &self,
        workspace: &str,
        operation: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Operation,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.0.send(workspace, Command::Operate(operation(reply)))?;
        answer.await.unwrap_or(Err(Refusal::Stopped))
    }
}
