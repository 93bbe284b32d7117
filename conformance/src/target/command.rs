//! A command that starts a server: the runner starts, kills and restarts it by itself, on the same port and the same data.
//!
//! ```text
//! my-server --listen 127.0.0.1:{port} --data {dir}
//! ```
//!
//! Two more commands, if there are such, back its data up and put them back.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::process::{Child, Command as Process, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tempfile::{NamedTempFile, TempDir};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::{Instance, Target, file::run};
use crate::scenario::{Hook, Scenario};

/// How long a server may take until it listens, and until it has ended.
const PATIENCE: Duration = Duration::from_secs(20);

/// So much of what it has printed is shown, when it ends by itself.
const WORDS_BYTES: usize = 500;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// A command that starts a server. `{port}` and `{dir}` in it become a free port and an empty folder.
pub struct Command {
    commands: Commands,
    path: String,
    shared: OnceCell<Arc<Own>>,
}

/// What is run.
#[derive(Clone)]
struct Commands {
    /// Starts the server, and is it.
    serve: String,
    /// Writes a backup, while the server runs.
    backup: Option<String>,
    /// Puts it back, while none runs.
    restore: Option<String>,
}

impl Commands {
    fn with(&self, port: u16, dir: &str) -> Commands {
        let put = |command: &String| {
            command
                .replace("{port}", &port.to_string())
                .replace("{dir}", dir)
        };
        Commands {
            serve: put(&self.serve),
            backup: self.backup.as_ref().map(put),
            restore: self.restore.as_ref().map(put),
        }
    }
}

impl Command {
    /// The command, and the path of the WebSocket's URL.
    ///
    /// # Errors
    /// A sentence: what it lacks.
    pub fn new(command: &str, path: &str) -> Result<Command, String> {
        if !command.contains("{port}") {
            return Err(format!(
                "{command}: the command must say where to put the port, as in `--listen 127.0.0.1:{{port}}`"
            ));
        }
        let commands = Commands {
            serve: command.to_owned(),
            backup: None,
            restore: None,
        };
        Ok(Command {
            commands,
            path: path.to_owned(),
            shared: OnceCell::new(),
        })
    }

    /// With commands that write a backup of all its data while the server runs, and put that back while none does: the runner stops the server
    /// before, and starts it again. `{port}` and `{dir}` are those of the server.
    #[must_use]
    pub fn with_backups(mut self, backup: Option<&str>, restore: Option<&str>) -> Command {
        self.commands.backup = backup.map(ToOwned::to_owned);
        self.commands.restore = restore.map(ToOwned::to_owned);
        self
    }
}

impl Target for Command {
    fn describe(&self) -> String {
        self.commands.serve.clone()
    }

    fn hooks(&self) -> BTreeSet<Hook> {
        let Commands {
            backup, restore, ..
        } = &self.commands;
        let backup = backup.as_ref().map(|_| Hook::Backup);
        let restore = restore.as_ref().map(|_| Hook::Restore);
        let always = [Hook::Restart, Hook::Kill];
        always.into_iter().chain(backup).chain(restore).collect()
    }

    fn isolates(&self) -> bool {
        true
    }

    fn provide<'a>(
        &'a self,
        scenario: &'a Scenario,
    ) -> BoxFuture<'a, Result<Arc<dyn Instance>, String>> {
        Box::pin(async move {
            let own: Arc<dyn Instance> = if scenario
                .needs
                .hooks
                .iter()
                .any(|hook| hook.ends_connections())
            {
                Own::start(&self.commands, &self.path).await?
            } else {
                let start = || Own::start(&self.commands, &self.path);
                Arc::clone(self.shared.get_or_try_init(start).await?) as _
            };
            Ok(own)
        })
    }
}

/// A server that runs, with its data.
struct Own {
    commands: Commands,
    url: String,
    port: u16,
    child: Mutex<Child>,
    /// What it prints.
    said: NamedTempFile,
    _data: TempDir,
}

impl Own {
    async fn start(commands: &Commands, path: &str) -> Result<Arc<Own>, String> {
        let data = tempfile::tempdir().map_err(text)?;
        let port = free_port().map_err(text)?;
        let commands = commands.with(port, &data.path().display().to_string());
        let said = NamedTempFile::new().map_err(text)?;
        let child = Mutex::new(spawn(&commands.serve, &said)?);
        let own = Own {
            commands,
            said,
            url: format!("ws://127.0.0.1:{port}{path}"),
            port,
            child,
            _data: data,
        };
        own.listening().await?;
        Ok(Arc::new(own))
    }

    /// Awaits that somebody listens.
    async fn listening(&self) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            if let Some(status) = self.child().try_wait().map_err(text)? {
                let said = self.last_words();
                return Err(format!("{}: it ended: {status}{said}", self.commands.serve));
            }
            if Instant::now() > until {
                return Err(format!(
                    "{}: nobody listens on port {} after {} s",
                    self.commands.serve,
                    self.port,
                    PATIENCE.as_secs()
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The end of what it has printed, where its reason stands if it gave one.
    fn last_words(&self) -> String {
        let said = std::fs::read(self.said.path()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said[said.len().saturating_sub(WORDS_BYTES)..]);
        said.lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| format!("\n  {line}"))
            .collect()
    }

    /// Asks it to end, and awaits that it has.
    async fn end(&self) -> Result<(), String> {
        let pid = self.child().id().to_string();
        Process::new("kill")
            .args(["-TERM", &pid])
            .status()
            .map_err(text)?;
        let until = Instant::now() + PATIENCE;
        while self.child().try_wait().map_err(text)?.is_none() {
            if Instant::now() > until {
                return Err(format!(
                    "{}: it does not end when asked to (SIGTERM)",
                    self.commands.serve
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Ends it at once.
    fn kill(&self) -> std::io::Result<()> {
        let mut child = self.child();
        child.kill()?;
        child.wait().map(drop)
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // One that has ended already cannot be killed: that is as well.
        let _ = self.kill();
    }
}

impl Instance for Own {
    fn url(&self) -> String {
        self.url.clone()
    }

    fn hook<'a>(&'a self, hook: Hook, _: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            match (hook, &self.commands.backup, &self.commands.restore) {
                (Hook::Restart, ..) => self.end().await?,
                (Hook::Kill, ..) => self.kill().map_err(text)?,
                (Hook::Backup, Some(backup), _) => return run(backup.clone()).await,
                (Hook::Restore, _, Some(restore)) => {
                    self.end().await?;
                    run(restore.clone()).await?;
                }
                _ => {
                    return Err(format!(
                        "no command was given for the hook `{}`",
                        hook.name()
                    ));
                }
            }
            *self.child() = spawn(&self.commands.serve, &self.said)?;
            self.listening().await
        })
    }
}

/// Starts the program itself: a shell in between would be killed in its place.
fn spawn(command: &str, said: &NamedTempFile) -> Result<Child, String> {
    // Each handle goes on behind what the others have written.
    let open = || {
        OpenOptions::new()
            .append(true)
            .open(said.path())
            .map_err(text)
    };
    let mut process = Process::new("sh");
    process
        .arg("-c")
        .arg(format!("exec {command}"))
        .stdin(Stdio::null())
        .stdout(open()?)
        .stderr(open()?);
    process
        .spawn()
        .map_err(|error| format!("{command}: {error}"))
}

/// A port that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()
        .map(|address| address.port())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_that_starts_nothing_says_so() {
        assert!(Command::new("my-server", "/").is_err());
        let command = "sh -c 'echo no such flag >&2; exit 2' {port}";
        let command = Command::new(command, "/").expect("it names the port");
        let why = command
            .provide(&Scenario::default())
            .await
            .err()
            .expect("nothing listens");
        assert!(
            why.contains("it ended: exit status: 2\n  no such flag"),
            "{why}"
        );
    }
}
