//! The example app, run as people run it: as a program, in a folder of its own, with and without a server.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use syncline_server::log::MemoryLog;
use syncline_server::{Config, Server};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The example's program: beside the tests' programs, where `cargo test` puts it.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let name = format!("notes{}", std::env::consts::EXE_SUFFIX);
    let program = own
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(name);
    assert!(
        program.exists(),
        "{program:?} is not built: cargo build -p syncline-client --example notes"
    );
    program
}

/// Runs it in a folder. Says what it printed.
async fn notes(folder: &Path, server: &str, words: &[&str]) -> String {
    let (folder, server) = (folder.to_owned(), server.to_owned());
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let run = move || {
        let mut command = Command::new(program());
        let command = command
            .current_dir(folder)
            .args(&words[..1])
            .args(["--server", &server])
            .args(&words[1..]);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::task::spawn_blocking(run).await.unwrap();
    let printed = String::from_utf8(stdout).unwrap();
    assert!(
        status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&stderr)
    );
    printed
}

/// Serves until the sender is dropped. Gives the URL.
async fn serve(log: &MemoryLog) -> (String, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/sync", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let (server, _) = Server::new(log.clone(), Config::default()).unwrap();
    tokio::spawn(server.run(listener, async { drop(stopped.await) }));
    (url, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_written_offline_are_shared_later() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago and that nobody listens on.
    let nowhere = format!(
        "ws://{}/sync",
        TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
    );
    let added = notes(folder.path(), &nowhere, &["alice", "add", "buy", "milk"]).await;
    assert!(added.contains(": 1 changes)"), "{added}");
    let id = added.split(':').next().unwrap().to_owned();
    let listed = notes(folder.path(), &nowhere, &["alice", "list"]).await;
    assert!(listed.contains("buy milk"), "{listed}");
    notes(
        folder.path(),
        &nowhere,
        &["alice", "edit", &id, "buy oat milk"],
    )
    .await;

    let (url, _running) = serve(&MemoryLog::new()).await;
    let synced = notes(folder.path(), &url, &["alice", "sync"]).await;
    assert!(synced.contains("everything is sent"), "{synced}");
    let listed = notes(folder.path(), &url, &["bob", "list"]).await;
    assert!(
        listed.contains(&format!("{id}  buy oat milk  (alice)")),
        "{listed}"
    );

    // Bob changes it while Alice, who has not heard of it, changes it too: hers is rejected, and she is told.
    notes(folder.path(), &url, &["bob", "edit", &id, "buy no milk"]).await;
    notes(
        folder.path(),
        &nowhere,
        &["alice", "edit", &id, "buy soy milk"],
    )
    .await;
    let told = notes(folder.path(), &url, &["alice", "sync"]).await;
    assert!(told.contains("(rejected: 1;"), "{told}");
    let status = notes(folder.path(), &url, &["alice", "status"]).await;
    assert!(
        status.contains("rejected (version_conflict)") && status.contains("buy soy milk"),
        "{status}"
    );
    notes(folder.path(), &url, &["alice", "dismiss"]).await;
    let listed = notes(folder.path(), &url, &["alice", "list"]).await;
    assert!(
        listed.contains("buy no milk  (bob)") && !listed.contains("rejected:"),
        "{listed}"
    );
}
