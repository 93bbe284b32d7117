//! A target file: where the server is, and the commands that do what a URL alone cannot.
//!
//! ```toml
//! server = "ws://127.0.0.1:8081/sync"
//!
//! [hooks]                                   # each is optional; run by `sh -c`; exit code 0 means that it is done
//! restart = "systemctl restart my-server"
//! truncate = "my-server truncate {workspace}"
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{Instance, Target, url::Url};
use crate::scenario::{Hook, Scenario};

/// A server with hooks.
#[derive(Clone, Debug)]
pub struct File(Arc<Contents>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    server: String,
    #[serde(default)]
    hooks: BTreeMap<Hook, String>,
}

impl File {
    /// A server with the commands of its hooks.
    ///
    /// # Errors
    /// A sentence: what is wrong with the URL.
    pub fn new(server: &str, hooks: BTreeMap<Hook, String>) -> Result<File, String> {
        let server = Url::parse(server)?.0;
        Ok(File(Arc::new(Contents { server, hooks })))
    }
}

/// Reads a target file.
///
/// # Errors
/// A sentence: what is wrong with the file.
pub fn load(path: &Path) -> Result<File, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    parse(&text).map_err(|why| format!("{}: {why}", path.display()))
}

fn parse(text: &str) -> Result<File, String> {
    let contents: Contents = toml::from_str(text).map_err(|error| error.to_string())?;
    Url::parse(&contents.server)?;
    Ok(File(Arc::new(contents)))
}

impl Target for File {
    fn describe(&self) -> String {
        self.0.server.clone()
    }

    fn hooks(&self) -> BTreeSet<Hook> {
        self.0.hooks.keys().copied().collect()
    }

    fn isolates(&self) -> bool {
        false
    }

    fn provide<'a>(&'a self, _: &'a Scenario) -> BoxFuture<'a, Result<Arc<dyn Instance>, String>> {
        let instance: Arc<dyn Instance> = Arc::new(self.clone());
        Box::pin(std::future::ready(Ok(instance)))
    }
}

impl Instance for File {
    fn url(&self) -> String {
        self.0.server.clone()
    }

    fn hook<'a>(&'a self, hook: Hook, workspace: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let command = self
                .0
                .hooks
                .get(&hook)
                .ok_or("the target file names no command for it")?;
            run(command.replace("{workspace}", workspace)).await
        })
    }
}

/// Runs a command to its end, away from the runner's own threads.
pub(super) async fn run(command: String) -> Result<(), String> {
    let shown = command.clone();
    let run = move || {
        std::process::Command::new("sh")
            .arg("-c")
            .arg(command)
            .stdin(Stdio::null())
            .output()
    };
    let output = tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| error.to_string())?;
    let output = output.map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{shown}: {}: {}",
        output.status,
        said.lines().last().unwrap_or("it said nothing")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_file_is_read() {
        let file = parse("server = \"ws://h:1/\"\n[hooks]\nkill = \"x {workspace}\"\n")
            .expect("it is right");
        assert_eq!(file.hooks(), [Hook::Kill].into());
    }

    #[test]
    fn a_wrong_one_is_refused_with_a_reason() {
        assert!(
            parse("server = \"ws://h:1/\"\n[hooks]\ndance = \"x\"\n")
                .expect_err("no such hook")
                .contains("dance")
        );
        assert!(
            parse("server = \"http://h:1/\"\n")
                .expect_err("no WebSocket")
                .contains("ws://h:1/")
        );
        assert!(
            parse("sever = \"ws://h\"\n")
                .expect_err("a typing error")
                .contains("sever")
        );
    }

    #[tokio::test]
    async fn a_command_that_fails_says_so() {
        assert_eq!(run("true".to_owned()).await, Ok(()));
        let why = run("echo no way >&2; exit 3".to_owned())
            .await
            .expect_err("it failed");
        assert!(why.contains("no way") && why.contains('3'), "{why}");
    }
}
