//! The thread that owns the file: what is asked meanwhile goes into one transaction.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::log::LogError;

use super::store::Store;

/// Jobs in one transaction at most, so that the first of them does not wait for long.
const JOBS_MAX: usize = 1024;

/// Puts jobs before the thread.
pub(super) struct Writer(Sender<Message>);

enum Message {
    Job(Job),
    Stop,
}

/// Does something inside the transaction; what it returns is called with the transaction's fate.
type Job = Box<dyn FnOnce(&mut Store) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), LogError>) + Send>;

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection) -> Result<(Writer, JoinHandle<()>), LogError> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("syncline-sqlite".to_owned())
            .spawn(move || serve(&mut Store::new(connection), &receiver))
            .map_err(LogError::new)?;
        Ok((Writer(sender), thread))
    }

    /// Does the work inside a transaction and returns when that is durable.
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
        let closed = || LogError::new("the log is closed");
        self.0.send(Message::Job(job)).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Ends the thread after what it is doing.
    pub(super) fn stop(&self) {
        // If it has ended already, all is well.
        let _ = self.0.send(Message::Stop);
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

fn serve(store: &mut Store, receiver: &Receiver<Message>) {
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
        committed = committed.and_then(|()| store.execute("COMMIT"));
        if let Err(error) = &committed {
            tracing::error!(%error, "the transaction failed");
            store.forget();
            // It fails if the failure has ended the transaction already.
            let _ = store.execute("ROLLBACK");
        }
        for answer in answers {
            answer(committed.clone());
        }
        if stopped {
            return;
        }
    }
}
