//! The thread that owns the file: what is asked meanwhile goes into one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::log::LogError;

use super::lock::FileLock;
use super::store::Store;

/// Jobs in one transaction at most, so that the first of them does not wait for long.
const JOBS_MAX: usize = 1024;

/// Puts jobs before the thread.
pub(super) struct Writer {
    jobs: Sender<Message>,
    /// Nothing is committed any more.
    abandoned: Arc<AtomicBool>,
}

enum Message {
    Job(Job),
    Stop,
}

/// Does something inside the transaction; what it returns is called with the transaction's fate.
type Job = Box<dyn FnOnce(&mut Store) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), LogError>) + Send>;

impl Writer {
    /// Starts the thread, which closes the file and then gives the lock back when it ends.
    pub(super) fn start(
        connection: Connection,
        lock: Option<FileLock>,
    ) -> Result<(Writer, JoinHandle<()>), LogError> {
        let (jobs, receiver) = channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&abandoned);
        let thread = std::thread::Builder::new()
            .name("syncline-sqlite".to_owned())
            .spawn(move || serve(&mut Store::new(connection, lock), &receiver, &over))
            .map_err(LogError::new)?;
        Ok((Writer { jobs, abandoned }, thread))
    }

    /// Does the work inside a transaction and returns when that is durable; never, once it is abandoned.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            let result = guarded(store, work);
            Box::new(move |committed| {
                // Whoever no longer waits does not care.
                let _ = reply.send(committed.and(result));
            })
        });
        let closed = || Err(LogError::new("the log is closed"));
        let outcome = match self.jobs.send(Message::Job(job)) {
            Ok(()) => answer.await.unwrap_or_else(|_| closed()),
            Err(_) => closed(),
        };
        if outcome.is_err() && self.abandoned.load(Ordering::SeqCst) {
            // The dead say nothing, not even that they failed.
            return std::future::pending().await;
        }
        outcome
    }

    /// Ends the thread after what it is doing.
    pub(super) fn stop(&self) {
        // If it has ended already, all is well.
        let _ = self.jobs.send(Message::Stop);
    }

    /// Ends the thread where it stands, as a crash does: what is not committed never is, and nobody hears of it.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        self.stop();
    }
}

/// Undoes the work alone if it fails, so that what others asked in the same transaction is not touched by it.
fn guarded<T>(
    store: &mut Store,
    work: impl FnOnce(&mut Store) -> Result<T, LogError>,
) -> Result<T, LogError> {
    store.execute("SAVEPOINT job")?;
    let result = work(store);
    if result.is_err() {
        store.forget();
        store.execute("ROLLBACK TO job")?;
    }
    store.execute("RELEASE job")?;
    result
}

fn serve(store: &mut Store, receiver: &Receiver<Message>, abandoned: &AtomicBool) {
    while let Ok(Message::Job(first)) = receiver.recv() {
        let mut answers = Vec::new();
        let mut stopped = false;
        let mut committed = store.execute("BEGIN IMMEDIATE");
        let mut job = first;
        loop {
            answers.push(job(store));
            if answers.len() == JOBS_MAX {
                break;
            }
            match receiver.try_recv() {
                Ok(Message::Job(next)) => job = next,
                Ok(Message::Stop) => {
                    stopped = true;
                    break;
                }
                Err(_) => break,
            }
        }
        let over = abandoned.load(Ordering::SeqCst);
        committed = committed.and_then(|()| match over {
            true => Err(LogError::new("the log is abandoned")),
            false => store.execute("COMMIT"),
        });
        if let Err(error) = &committed {
            if !over {
                tracing::error!(%error, "the transaction failed");
            }
            store.forget();
            // It fails if the failure has ended the transaction already.
            let _ = store.execute("ROLLBACK");
        }
        for answer in answers {
            answer(committed.clone());
        }
        if stopped || over {
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    fn tables(path: &std::path::Path) -> u64 {
        let connection = Connection::open(path).unwrap();
        let count = "SELECT count(*) FROM sqlite_master";
        connection.query_row(count, [], |row| row.get(0)).unwrap()
    }

    /// The job is within its transaction when the writer is abandoned, and another waits behind it.
    #[tokio::test]
    async fn what_is_not_committed_when_it_is_abandoned_never_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let (writer, thread) = Writer::start(Connection::open(&path).unwrap(), None).unwrap();
        writer
            .run(|store| store.execute("CREATE TABLE kept (x)"))
            .await
            .unwrap();
        let (begun, begins) = oneshot::channel();
        let (go, goes_on) = channel();
        let mut open = pin!(writer.run(move |store| {
            store.execute("CREATE TABLE lost (x)")?;
            begun.send(()).unwrap();
            goes_on.recv().map_err(LogError::new)
        }));
        let mut queued = pin!(writer.run(|store| store.execute("CREATE TABLE queued (x)")));
        assert!(open.as_mut().now_or_never().is_none());
        assert!(queued.as_mut().now_or_never().is_none());
        begins.await.unwrap();
        writer.abandon();
        go.send(()).unwrap();
        thread.join().unwrap();
        assert_eq!(tables(&path), 1);
        assert!(open.now_or_never().is_none());
        assert!(queued.now_or_never().is_none());
    }
}
