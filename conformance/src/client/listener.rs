//! Where a client connects to: a port of its own, so that it is known whose each connection is.
//!
//! Connections wait, as long as no step takes them: whether a client is let in, and when, is the scenario's to say.

use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::journal::Journal;
use crate::history::{Event, Happening};

/// A listening port.
#[derive(Debug)]
pub(crate) struct Listener {
    /// What the client is told to connect to.
    pub(crate) url: String,
    waiting: Mutex<mpsc::UnboundedReceiver<TcpStream>>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens on a free port of the loopback interface.
    pub(crate) async fn open(journal: &Arc<Journal>, client: &str) -> io::Result<Listener> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("ws://{}/sync", listener.local_addr()?);
        let (queue, waiting) = mpsc::unbounded_channel();
        let (journal, client) = (Arc::clone(journal), client.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let client = client.clone();
                let what = Happening::Connects;
                journal.record(Event::Process { client, what });
                if queue.send(stream).is_err() {
                    break;
                }
            }
        });
        Ok(Listener {
            url,
            waiting: Mutex::new(waiting),
            task,
        })
    }

    /// The next connection that waits.
    pub(crate) async fn next(&self) -> Option<TcpStream> {
        self.waiting.lock().await.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}
