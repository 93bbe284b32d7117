//! A server as a child process: started, found, measured, ended.

use crate::Failure;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running server. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Server {
    /// Starts the reference server, on a SQLite file or in memory.
    pub(crate) async fn syncline(data: Option<&Path>) -> Result<Self, Failure> {
        Self::start("serve-syncline", data).await
    }

    /// Starts the raw baseline, with frames to send on request.
    pub(crate) async fn raw(frames: Option<&Path>) -> Result<Self, Failure> {
        Self::start("serve-raw", frames).await
    }

    async fn start(role: &str, path: Option<&Path>) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(role)
            .args(path)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no stdout")?;
        let address = BufReader::new(stdout)
            .lines()
            .next_line()
            .await?
            .ok_or("the server ended before it listened")?;
        Ok(Self { child, address })
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, Failure> {
        let id = self.child.id().ok_or("the server has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .ok_or("no VmRSS")?;
        let kib: u64 = line
            .split_whitespace()
            .nth(1)
            .ok_or("no figure in VmRSS")?
            .parse()?;
        Ok(kib * 1024)
    }

    /// Ends the server.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        self.child.kill().await?;
        Ok(())
    }
}
