//! The default target: the reference server, within this process. The one file that names `syncline-server`.
//!
//! One server is shared by all scenarios that do nothing to it. A scenario that restarts or kills the server, or would like other limits, gets
//! one of its own, so that scenarios run side by side. Each has a SQLite file in a temporary folder and a runtime of its own:
//! to kill it is to let nothing be committed any more, to drop that runtime where it stands, and to open the same file again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use syncline_server::log::SqliteLog;
use syncline_server::{Backup, Config, Control, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinHandle;

use super::{Instance, Target};
use crate::scenario::{Hook, Prefers, Scenario};

/// How long a killed runtime's tasks have to notice.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// The reference server.
#[derive(Default)]
pub struct Embedded {
    shared: OnceCell<Arc<Own>>,
}

impl Target for Embedded {
    fn describe(&self) -> String {
        "the reference server, embedded".to_owned()
    }

    fn hooks(&self) -> BTreeSet<Hook> {
        Hook::ALL.into()
    }

    fn isolates(&self) -> bool {
        true
    }

    fn provide<'a>(
        &'a self,
        scenario: &'a Scenario,
    ) -> BoxFuture<'a, Result<Arc<dyn Instance>, String>> {
        Box::pin(async move {
            let ends = |hook: &Hook| matches!(hook, Hook::Restart | Hook::Kill);
            let prefers = &scenario.prefers;
            let own: Arc<dyn Instance> =
                if prefers.is_empty() && !scenario.needs.hooks.iter().any(ends) {
                    Arc::clone(
                        self.shared
                            .get_or_try_init(|| async { Own::start(&Prefers::default()).await })
                            .await?,
                    ) as _
                } else {
                    Own::start(prefers).await? as _
                };
            Ok(own)
        })
    }
}

/// A server with its data.
struct Own {
    data: TempDir,
    config: Config,
    running: tokio::sync::Mutex<Option<Running>>,
    url: Mutex<String>,
    backups: Mutex<BTreeMap<String, Backup>>,
}

/// A server that runs.
struct Running {
    runtime: Stopping,
    log: SqliteLog,
    control: Control,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), String>>,
}

impl Own {
    async fn start(prefers: &Prefers) -> Result<Arc<Own>, String> {
        let mut config = Config::default();
        if let Some(capabilities) = &prefers.capabilities {
            config.capabilities.clone_from(capabilities);
        }
        if !prefers.limits.is_empty() {
            let mut value = serde_json::to_value(&config.limits).map_err(text)?;
            for (name, limit) in &prefers.limits {
                let known = value
                    .get_mut(name)
                    .ok_or_else(|| format!("there is no limit {name}"))?;
                *known = Value::from(*limit);
            }
            config.limits = serde_json::from_value(value).map_err(text)?;
        }
        let data = tempfile::tempdir().map_err(text)?;
        let own = Own {
            data,
            config,
            running: tokio::sync::Mutex::default(),
            url: Mutex::default(),
            backups: Mutex::default(),
        };
        let running = own.run().await?;
        *own.running.lock().await = Some(running);
        Ok(Arc::new(own))
    }

    /// Starts a server on the data; blocking parts are off the runner's own threads.
    async fn run(&self) -> Result<Running, String> {
        let file = self.data.path().join("syncline.db");
        let log = blocking(move || SqliteLog::open(&file).map_err(text)).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(text)?;
        let address = listener.local_addr().map_err(text)?;
        let listener = listener.into_std().map_err(text)?;
        let (server, control) = Server::new(log.clone(), self.config.clone()).map_err(text)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(text)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).map_err(text)?;
            // A sender that is gone says stop, too.
            let run = server.run(listener, async { stopped.await.unwrap_or_default() });
            run.await.map_err(text)
        });
        *self.url.lock().unwrap_or_else(PoisonError::into_inner) =
            format!("ws://{address}{}", self.config.path);
        Ok(Running {
            runtime: Stopping(Some(runtime)),
            log,
            control,
            stop,
            served,
        })
    }

    async fn again(&self, in_order: bool) -> Result<(), String> {
        let mut running = self.running.lock().await;
        if let Some(running) = running.take() {
            end(running, in_order).await?;
        }
        *running = Some(self.run().await?);
        Ok(())
    }

    async fn control(&self) -> Result<Control, String> {
        let running = self.running.lock().await;
        running
            .as_ref()
            .map(|running| running.control.clone())
            .ok_or_else(|| "the server is not running".to_owned())
    }
}

/// A runtime that may be dropped anywhere: it does not wait for its threads then, which a thread of another must not.
struct Stopping(Option<Runtime>);

impl Drop for Stopping {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Ends a server, and closes its file.
async fn end(running: Running, in_order: bool) -> Result<(), String> {
    let Running {
        mut runtime,
        log,
        control,
        stop,
        served,
    } = running;
    drop(control);
    if in_order {
        // The server may have ended by itself: then there is nobody to tell.
        let _ = stop.send(());
        served.await.map_err(text)??;
    } else {
        // What was acknowledged must be in the file by now: nothing is committed any more.
        log.abandon();
    }
    blocking(move || {
        if let Some(runtime) = runtime.0.take() {
            runtime.shutdown_timeout(KILL_TIMEOUT);
        }
        log.close();
        Ok(())
    })
    .await
}

impl Instance for Own {
    fn url(&self) -> String {
        self.url
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hook<'a>(&'a self, hook: Hook, workspace: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let backups = || self.backups.lock().unwrap_or_else(PoisonError::into_inner);
            match hook {
                Hook::Restart => self.again(true).await,
                Hook::Kill => self.again(false).await,
                Hook::Truncate => self
                    .control()
                    .await?
                    .truncate(workspace)
                    .await
                    .map_err(text),
                Hook::Backup => {
                    let backup = self
                        .control()
                        .await?
                        .backup(workspace)
                        .await
                        .map_err(text)?;
                    backups().insert(workspace.to_owned(), backup);
                    Ok(())
                }
                Hook::Restore => {
                    let backup = backups()
                        .get(workspace)
                        .cloned()
                        .ok_or("there is no backup")?;
                    self.control()
                        .await?
                        .restore(workspace, backup)
                        .await
                        .map_err(text)
                }
            }
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(text)?
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
