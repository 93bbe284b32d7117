//! [`Wire`]: one connection through the proxy, and the task that moves its bytes.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::drive::Journal;
use crate::faults::{End, Fault, Output, Path, Way};
use crate::history::ConnIx;

/// So many bytes are read at once.
const READ_BYTES: usize = 16 * 1024;

/// One connection through the proxy.
#[derive(Debug)]
pub(crate) struct Wire {
    path: Mutex<Path>,
    began: Instant,
    changed: watch::Sender<()>,
    cut: AtomicBool,
    /// Where the runner writes down what happens on it, once it is a connection.
    written: OnceLock<(Arc<Journal>, ConnIx)>,
}

impl Wire {
    /// A connection with these faults.
    pub(super) fn new(seed: u64, faults: Vec<Fault>) -> Wire {
        Wire {
            path: Mutex::new(Path::new(seed, faults, 0)),
            began: Instant::now(),
            changed: watch::Sender::new(()),
            cut: AtomicBool::new(false),
            written: OnceLock::new(),
        }
    }

    /// Another fault.
    pub(super) fn add(&self, fault: Fault) {
        self.with(|path, now_us| path.add(fault, now_us));
    }

    /// All faults are over.
    pub(super) fn heal(&self) {
        self.with(|path, _| path.heal());
    }

    /// It is this connection of the history.
    pub(crate) fn attach(&self, journal: &Arc<Journal>, conn: ConnIx) {
        // A connection is opened once.
        let _ = self.written.set((Arc::clone(journal), conn));
        self.with(|_, _| ());
    }

    /// Whether a fault has ended it, and not the server.
    pub(crate) fn was_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Moves bytes between the runner and the server until the connection is over.
    pub(super) async fn pump(self: Arc<Wire>, near: DuplexStream, far: TcpStream) {
        let (near_read, mut near_write) = tokio::io::split(near);
        let (far_read, mut far_write) = far.into_split();
        let moving = async {
            tokio::join!(
                self.take_in(Way::Up, near_read),
                self.take_in(Way::Down, far_read),
                self.give_out(Way::Up, &mut far_write),
                self.give_out(Way::Down, &mut near_write),
            )
        };
        tokio::select! {
            _ = moving => {}
            end = self.ended() => {
                if end == End::Reset && far_write.as_ref().set_zero_linger().is_ok() {
                    // Without a goodbye: dropped as it is, the socket sends a reset.
                    far_write.forget();
                }
            }
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Path, u64) -> T) -> T {
        let mut path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut path, self.now_us());
        if let Some((journal, conn)) = self.written.get() {
            journal.block(*conn, path.is_blocked());
        }
        drop(path);
        self.changed.send_replace(());
        changed
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Asks what is to be done in a direction; an end is noted before anybody can see it.
    fn poll(&self, way: Way) -> Output {
        let mut path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        let output = path.poll(way, self.now_us());
        if matches!(output, Output::End(End::Cut | End::Reset)) {
            self.cut.store(true, Ordering::Release);
        }
        output
    }

    /// Reads, where there is room for it.
    async fn take_in(&self, way: Way, mut from: impl AsyncRead + Unpin) {
        let mut changes = self.changed.subscribe();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let has_room = || {
                let path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
                path.has_room(way)
            };
            if changes.wait_for(|()| has_room()).await.is_err() {
                return;
            }
            match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return self.with(|path, now_us| path.handle_end(way, now_us)),
                Ok(count) => {
                    self.with(|path, now_us| path.handle_bytes(way, &buffer[..count], now_us));
                }
            }
        }
    }

    /// Writes what has come so far. A side that has left takes nothing more: the rest goes nowhere.
    async fn give_out(&self, way: Way, to: &mut (impl AsyncWrite + Unpin)) {
        let mut changes = self.changed.subscribe();
        let mut gone = false;
        loop {
            changes.mark_unchanged();
            match self.poll(way) {
                Output::Write(bytes) => {
                    gone = gone || write(to, &bytes).await.is_err();
                    // There is room again.
                    self.changed.send_replace(());
                }
                Output::End(_) => {
                    self.changed.send_replace(());
                    return std::future::pending().await;
                }
                Output::Wait(None) => {
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
                Output::Wait(Some(due_us)) => {
                    let due = self.began + Duration::from_micros(due_us);
                    // Whichever comes first: there is something to look at again.
                    let _ = tokio::time::timeout_at(due, changes.changed()).await;
                }
            }
        }
    }

    /// The connection's end.
    async fn ended(&self) -> End {
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            let end = self
                .path
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .end();
            if let Some(end) = end {
                return end;
            }
            if changes.changed().await.is_err() {
                return End::Left;
            }
        }
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
