//! A log that fails: the sessions are told, the server goes on, and the truth is what the log holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use serde_json::json;
use syncline_server::log::{Append, Log, LogError, MemoryLog, Opened, Position, Tail};
use syncline_server_core::{Checkpoint, Record};

use crate::harness::{Ending, Running, config, push};

/// A memory log whose appends for the workspace `w` can be made to fail, after or before they have been done: nobody who gets an
/// error can know which.
#[derive(Clone, Default)]
struct Fragile {
    log: MemoryLog,
    failing: Arc<AtomicBool>,
    after_all: Arc<AtomicBool>,
}

impl Log for Fragile {
    const SHARED: bool = false;

    async fn announce_window(&self, outcomes: u64) -> Result<u64, LogError> {
        self.log.announce_window(outcomes).await
    }

    async fn open(&self, workspace: &str, fresh_epoch: &str) -> Result<Opened, LogError> {
        if workspace == "closed" && self.failing.load(SeqCst) {
            return Err(LogError::new("the disk is broken"));
        }
        self.log.open(workspace, fresh_epoch).await
    }

    async fn append(
        &self,
        workspace: &str,
        at: &Position,
        records: &[Record],
    ) -> Result<Append, LogError> {
        let fails = workspace == "w" && self.failing.load(SeqCst);
        if fails && !self.after_all.load(SeqCst) {
            return Err(LogError::new("the disk is full"));
        }
        let appended = self.log.append(workspace, at, records).await?;
        if fails {
            return Err(LogError::new("the answer was lost"));
        }
        Ok(appended)
    }

    async fn tail(&self, workspace: &str, after: &Position) -> Result<Tail, LogError> {
        self.log.tail(workspace, after).await
    }

    async fn checkpoint(
        &self,
        workspace: &str,
        epoch: &str,
        checkpoint: &Checkpoint,
    ) -> Result<(), LogError> {
        self.log.checkpoint(workspace, epoch, checkpoint).await
    }

    async fn truncate(&self, workspace: &str, epoch: &str, up_to: u64) -> Result<(), LogError> {
        self.log.truncate(workspace, epoch, up_to).await
    }

    async fn replace(
        &self,
        workspace: &str,
        epoch: &str,
        checkpoint: &Checkpoint,
    ) -> Result<(), LogError> {
        self.log.replace(workspace, epoch, checkpoint).await
    }

    async fn changed(&self, _workspace: &str, _position: &Position) {
        std::future::pending().await
    }
}

/// What a failed append was, the log decides: `done` of the mutations are found afterwards.
async fn check(after_all: bool, done: u64) {
    let log = Fragile::default();
    log.after_all.store(after_all, SeqCst);
    let server = Running::start(log.clone(), config()).await;
    let (mut elsewhere, _) = server.session("v", "c").await;
    let (mut writer, welcome) = server.session("w", "writer").await;
    let mut reader = server.reader("w").await;
    log.failing.store(true, SeqCst);

    let first = push(&welcome["epoch"], None, 1, "a", "t", &json!(1));
    writer.send(first.clone()).await;
    for client in [&mut writer, &mut reader] {
        client.refused("internal").await;
        assert_eq!(client.closed().await, Ending::Code(1011));
    }
    elsewhere.ping().await;

    log.failing.store(false, SeqCst);
    let (mut writer, again) = server.session("w", "writer").await;
    assert_eq!(again["epoch"], welcome["epoch"]);
    assert_eq!(again["lastSeq"], done);
    writer.send(first).await;
    let result = writer.next_of("ack").await["results"][0].clone();
    assert_eq!(
        result,
        json!({"seq": 1, "opId": "a", "status": "applied", "version": 1})
    );
    server.stop().await;
}

#[tokio::test]
async fn an_append_that_was_not_done_is_done_at_the_retry() {
    check(false, 0).await;
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_found() {
    check(true, 1).await;
}

#[tokio::test]
async fn a_workspace_that_cannot_be_opened_is_refused_alone() {
    let log = Fragile::default();
    let server = Running::start(log.clone(), config()).await;
    log.failing.store(true, SeqCst);
    let mut client = server.connect().await;
    client
        .send(json!({"type": "hello", "workspace": "closed"}))
        .await;
    client.refused("internal").await;
    assert_eq!(client.closed().await, Ending::Code(1011));
    let error = server.control.backup("closed").await.unwrap_err();
    assert!(error.to_string().contains("the disk is broken"), "{error}");
    server.reader("open").await.ping().await;
    log.failing.store(false, SeqCst);
    server.reader("closed").await.ping().await;
    server.stop().await;
}
