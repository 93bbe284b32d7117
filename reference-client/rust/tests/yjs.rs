//! Documents carry a real CRDT in another language: Yjs in Node, each replica behind the adapter of this client.
//!
//! Needs Node, and once `npm ci` in `reference-client/yjs`, as `.ci/run` does. Where that is missing, the test says so and judges nothing.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use syncline_server::Config;
use syncline_server::log::MemoryLog;
use tokio::net::TcpListener;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../yjs")
}

/// What is missing to run it.
fn missing() -> Option<&'static str> {
    let node = Command::new("node").arg("--version").output();
    if !node.is_ok_and(|node| node.status.success()) {
        return Some("there is no `node`");
    }
    let installed = folder().join("node_modules/yjs").exists();
    (!installed).then_some("Yjs is not installed: `npm ci` in reference-client/yjs")
}

/// The adapter, which cargo builds with the tests of this package.
fn adapter() -> PathBuf {
    let args = [
        "build",
        "--locked",
        "--offline",
        "--message-format=json",
        "-p",
        "syncline-client",
        "--example",
        "adapter",
    ];
    let built = Command::new(env!("CARGO")).args(args).output().unwrap();
    let complaint = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success(), "{complaint}");
    let messages = String::from_utf8(built.stdout).unwrap();
    let programs = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    { programs }.next().expect("cargo names what it has built")
}

/// DOC-COMPACT, DOC-CLIENT-APPLY, DOC-CLIENT-ONCE, DOC-CLIENT-COMPACT, by what they are for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_of_yjs_converge_through_partitions_and_compactions() {
    if let Some(missing) = missing() {
        // CI installs it: there it must run.
        assert!(std::env::var_os("CI").is_none(), "not judged: {missing}");
        eprintln!("not judged: {missing}");
        return;
    }
    let adapter = adapter();
    for seed in ["1", "2"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/sync", listener.local_addr().unwrap());
        let (log, config) = (MemoryLog::new(), Config::default());
        tokio::spawn(syncline_server::run(
            listener,
            log,
            config,
            std::future::pending(),
        ));
        let stores = tempfile::tempdir().unwrap();
        let mut node = Command::new("node");
        node.current_dir(folder()).arg("drive.mjs").arg(&adapter);
        node.arg(&url).arg(stores.path()).arg(seed);
        let driven = tokio::task::spawn_blocking(move || node.output()).await;
        let driven = driven.unwrap().unwrap();
        let (said, complaint) = (
            String::from_utf8_lossy(&driven.stdout),
            String::from_utf8_lossy(&driven.stderr),
        );
        assert!(driven.status.success(), "seed {seed}: {said}{complaint}");
        assert!(said.contains("replicas are equal"), "{said}");
    }
}
