//! Starting the program, and reading what it says.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// The program, with flags, in a directory of its own.
pub(crate) fn program(directory: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncline-server"));
    command
        .args(flags)
        .current_dir(directory)
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SYNCLINE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program that ends by itself; one that does not is a failure, not a test that hangs.
pub(crate) fn output(command: &mut Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{command:?} did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// A server process that serves.
pub(crate) struct Serving {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    /// What it logged before it served.
    pub(crate) said: Vec<String>,
    pub(crate) address: String,
}

impl Serving {
    pub(crate) fn start(mut command: Command) -> Serving {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut serving = Serving {
            child,
            log,
            said: Vec::new(),
            address: String::new(),
        };
        while serving.address.is_empty() {
            let mut line = String::new();
            let bytes = serving.log.read_line(&mut line).unwrap();
            assert_ne!(bytes, 0, "it ended: {:?}", serving.said);
            match line.split_once("serving ws://") {
                Some((_, address)) => {
                    serving.address = address.split('/').next().unwrap().to_owned()
                }
                None => serving.said.push(line),
            }
        }
        serving
    }

    /// Sends a signal and waits for the end; returns how it ended and what it logged after it served.
    pub(crate) fn end(mut self, signal: &str) -> (ExitStatus, Vec<String>) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let rest = self.log.by_ref().lines().map(Result::unwrap).collect();
        (self.child.wait().unwrap(), rest)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
