//! A server whose whole file is put back to a backup: clients that were ahead of it recover.

use std::path::Path;

use syncline_client::{Client, MemoryStore};
use syncline_server::log::SqliteLog;
use syncline_server::{Config, Server, backup};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Line, PATIENCE, expect, notes, open, synced, until, until_note};

/// A server on a file.
struct OnFile {
    log: SqliteLog,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Starts it, at the end of the line.
async fn serve(line: &Line, data: &Path) -> OnFile {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    line.lead_to(listener.local_addr().unwrap());
    let log = SqliteLog::open(data).unwrap();
    let (server, _) = Server::new(log.clone(), Config::default()).unwrap();
    let (stop, stopped) = oneshot::channel();
    let serving = server.run(listener, async { drop(stopped.await) });
    let task = tokio::spawn(async move { serving.await.unwrap() });
    OnFile { log, stop, task }
}

impl OnFile {
    async fn end(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.log.close();
    }
}

async fn set(client: &Client, key: &str, value: &str) {
    client.set("notes", key, value).await.unwrap();
}

#[tokio::test]
async fn clients_ahead_of_the_backup_recover() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("s.db"), folder.path().join("b.db"));
    let line = Line::lay().await;
    let url = line.url();
    let server = serve(&line, &data).await;
    let (ann, bob) = (
        open(&url, MemoryStore::default()).await,
        open(&url, MemoryStore::default()).await,
    );
    let orders = ann.sequence("orders", 10).await.unwrap();
    orders.wait(PATIENCE).await.unwrap();
    set(&ann, "old", "in the backup").await;
    set(&ann, "changed", "as in the backup").await;
    synced(&ann).await;
    // While it is served.
    let content = backup::write(&data, &file, false).await.unwrap();
    assert_eq!(content.workspaces, 1);

    set(&ann, "changed", "after the backup").await;
    set(&ann, "lost", "acknowledged after the backup").await;
    synced(&ann).await;
    synced(&bob).await;
    let before = bob.status().cursors;
    until(&ann, "level with bob", |status| status.cursors == before).await;
    line.cut();
    server.end().await;
    set(&ann, "pending", "written while there was no server").await;
    backup::restore(&file, &data, &Config::default(), true)
        .await
        .unwrap();

    let server = serve(&line, &data).await;
    for client in [&ann, &bob] {
        let anew = |status: &syncline_client::Status| status.synced && status.cursors != before;
        until(client, "in the new epoch", anew).await;
    }
    // And what ann wrote meanwhile has reached bob.
    until_note(&bob, "pending", Some("written while there was no server")).await;
    synced(&ann).await;
    let all = [
        ("changed", "as in the backup"),
        ("old", "in the backup"),
        ("pending", "written while there was no server"),
    ];
    for client in [&ann, &bob] {
        assert_eq!(notes(client).await, expect(&all));
        assert_eq!((client.status().rejected, client.status().in_doubt), (0, 0));
    }
    // No id of before is given again.
    orders.wait(PATIENCE).await.unwrap();
    assert!(orders.next_id().await.unwrap() > 1_000_000);
    server.end().await;
}
