//! A client's program: the adapter as a child process, line by line.
//!
//! It is started by a shell, in a process group of its own, so that killing it also ends what the shell has started.

use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Mutex, watch};

use super::journal::Journal;
use crate::history::{Event, Frame, Happening};

/// How much of what a program writes to standard error is kept, in bytes.
const COMPLAINT_BYTES: usize = 2_000;

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    client: String,
    journal: Arc<Journal>,
    group: Option<u32>,
    stdin: Mutex<Option<ChildStdin>>,
    gone: watch::Receiver<bool>,
    /// Whether its end is the runner's doing.
    killed: watch::Sender<bool>,
}

impl Process {
    /// Starts the program of a client.
    pub(crate) fn start(
        journal: &Arc<Journal>,
        client: &str,
        cmd: &str,
    ) -> std::io::Result<Process> {
        let mut command = Command::new("sh");
        command.args(["-c", cmd]).kill_on_drop(true);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        journal.record(Event::Process {
            client: client.to_owned(),
            what: Happening::Started,
        });
        let (group, stdin) = (child.id(), child.stdin.take());
        let (over, gone) = watch::channel(false);
        let killed = watch::Sender::new(false);
        let watching = watch_over(
            child,
            Arc::clone(journal),
            client.to_owned(),
            killed.subscribe(),
        );
        tokio::spawn(async move {
            watching.await;
            over.send_replace(true);
        });
        Ok(Process {
            client: client.to_owned(),
            journal: Arc::clone(journal),
            group,
            stdin: Mutex::new(stdin),
            gone,
            killed,
        })
    }

    /// Writes a line down and to the program. A program that is gone is no error here: the watcher sees it.
    pub(crate) async fn ask(&self, line: String) {
        let mut stdin = self.stdin.lock().await;
        let bytes = line.clone() + "\n";
        self.journal.record(Event::Asked {
            client: self.client.clone(),
            line: Arc::new(Frame::text(line)),
        });
        if let Some(stdin) = stdin.as_mut() {
            let _ = stdin.write_all(bytes.as_bytes()).await;
            let _ = stdin.flush().await;
        }
    }

    /// Kills the program and waits for its end.
    pub(crate) async fn kill(&self) {
        self.killed.send_replace(true);
        self.end();
        self.gone().await;
        self.journal.record(Event::Process {
            client: self.client.clone(),
            what: Happening::Killed,
        });
    }

    /// Waits for the program's end, which is no surprise.
    pub(crate) async fn leave(&self) {
        self.killed.send_replace(true);
        self.stdin.lock().await.take();
        self.gone().await;
    }

    async fn gone(&self) {
        // The watcher ends only with the program.
        let _ = self.gone.clone().wait_for(|gone| *gone).await;
    }

    #[cfg(unix)]
    fn end(&self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let group = self.group.and_then(|id| Pid::from_raw(id.cast_signed()));
        if let (Some(group), false) = (group, *self.gone.borrow()) {
            // One that has just ended by itself need not be killed.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    #[cfg(not(unix))]
    fn end(&self) {
        let group = self.group.filter(|_| !*self.gone.borrow());
        if let Some(group) = group.map(|id| id.to_string()) {
            let args = ["/T", "/F", "/PID", &group];
            // One that has just ended by itself need not be killed.
            let _ = std::process::Command::new("taskkill").args(args).status();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Writes down what the program says, until it ends.
async fn watch_over(
    mut child: Child,
    journal: Arc<Journal>,
    client: String,
    killed: watch::Receiver<bool>,
) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let lines = async {
        let Some(stdout) = stdout else { return };
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let line = Arc::new(Frame::text(line));
            journal.record(Event::Told {
                client: client.clone(),
                line,
            });
        }
    };
    let complaints = async {
        let Some(mut stderr) = stderr else { return };
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = stderr.read(&mut bytes).await {
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            journal.change(|state| {
                complain(
                    &mut state.apps.entry(client.clone()).or_default().complaint,
                    &text,
                )
            });
        }
    };
    tokio::join!(lines, complaints);
    let how = match child.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    if !*killed.borrow() {
        let what = Happening::Ended(how);
        journal.record(Event::Process { client, what });
    }
}

/// Keeps the end of what was written.
fn complain(kept: &mut String, more: &str) {
    kept.push_str(more);
    let surplus = kept.len().saturating_sub(COMPLAINT_BYTES);
    let cut = (surplus..kept.len()).find(|at| kept.is_char_boundary(*at));
    kept.drain(..cut.unwrap_or(0));
}
