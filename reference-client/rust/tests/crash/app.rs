//! An app as a process: the adapter, told what to do in JSON lines (`conformance/adapter.md`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use syncline_server::log::MemoryLog;
use syncline_server::{Config, Server};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The example's program: beside the tests' programs, where `cargo test` puts it.
pub(crate) fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().and_then(Path::parent).unwrap();
    let name = format!("adapter{}", std::env::consts::EXE_SUFFIX);
    let program = folder.join("examples").join(name);
    assert!(
        program.exists(),
        "{program:?} is not built: cargo build -p syncline-client --example adapter"
    );
    program
}

/// A server that serves as long as the runtime lives. Gives the URL.
pub(crate) fn serve(runtime: &Runtime) -> String {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("ws://{}/sync", listener.local_addr().unwrap());
    let mut config = Config::default();
    // All that was ever written is looked at in the end.
    config.limits.history_changes_max = Some(100_000_000);
    config.limits.history_bytes_max = Some(1 << 40);
    let (server, _) = Server::new(MemoryLog::new(), config).unwrap();
    runtime.spawn(async move { server.run(listener, std::future::pending()).await });
    url
}

/// An app that runs.
pub(crate) struct App {
    child: Child,
    input: ChildStdin,
    lines: Receiver<Value>,
    asked: u64,
}

impl App {
    /// Starts the program, and has it open its store in this folder.
    pub(crate) fn start(command: Command) -> App {
        let mut command = command;
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (told, lines) = channel();
        std::thread::spawn(move || {
            // The last line of one that is killed may be torn.
            let read = output.lines().map_while(Result::ok);
            for line in read.map_while(|line| serde_json::from_str(&line).ok()) {
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        App {
            input: child.stdin.take().unwrap(),
            child,
            lines,
            asked: 0,
        }
    }

    /// Says a command; gives its number. Nobody may be there to hear it.
    pub(crate) fn say(&mut self, mut command: Value) -> u64 {
        self.asked += 1;
        command["id"] = self.asked.into();
        let _ = writeln!(self.input, "{command}");
        self.asked
    }

    pub(crate) fn open(&mut self, url: &str, store: &Path) -> u64 {
        self.say(json!({"do": "open", "url": url, "workspace": "home", "store": store}))
    }

    pub(crate) fn write(&mut self, key: u64, value: &Value) -> u64 {
        self.say(json!({"do": "write", "table": "notes", "key": key.to_string(), "value": value}))
    }

    /// The answers that have come: the number of the command, and what went wrong.
    pub(crate) fn answers(&self) -> Vec<(u64, Option<String>)> {
        self.lines.try_iter().filter_map(answer).collect()
    }

    /// Awaits the answer to this command.
    pub(crate) fn answer(&self, asked: u64) -> Value {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(until - Instant::now().min(until)) {
            if line["id"] == asked {
                return line;
            }
        }
        panic!("command {asked} was never answered");
    }

    /// Awaits that this command is done.
    ///
    /// # Errors
    /// What the app says is wrong.
    pub(crate) fn done(&self, asked: u64) -> Result<(), String> {
        let told = answer(self.answer(asked)).and_then(|(_, wrong)| wrong);
        told.map_or(Ok(()), Err)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it (`kill -9`); gives the answers that it had given until then.
    pub(crate) fn kill(mut self) -> Vec<(u64, Option<String>)> {
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.lines.iter().filter_map(answer).collect()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(line: Value) -> Option<(u64, Option<String>)> {
    let wrong = line["error"]["message"].as_str().map(ToOwned::to_owned);
    Some((line["id"].as_u64()?, wrong))
}
