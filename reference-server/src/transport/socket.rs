//! Sockets as the server accepts them: watched on their way in and out.
//!
//! Two things can only be seen below WebSocket: that a peer does not even finish its HTTP request, and that it takes not one more byte of a
//! frame that is being written. Both are kept here, for a few words a connection.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// A listener whose connections must become WebSockets, or be over, in time.
pub(crate) struct Watching {
    listener: TcpListener,
    patience: Duration,
}

/// Who is on the other side, and how its socket does.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) watch: Arc<Watch>,
}

/// What is seen of a socket.
#[derive(Default)]
pub(crate) struct Watch {
    upgraded: AtomicBool,
    written: AtomicU64,
}

/// A socket that is watched.
pub(crate) struct Socket {
    stream: TcpStream,
    watch: Arc<Watch>,
    /// None: it is a WebSocket, which has timeouts of its own.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Watching {
    pub(crate) fn new(listener: TcpListener, patience: Duration) -> Watching {
        Watching { listener, patience }
    }
}

impl Watch {
    /// From now on the socket is a WebSocket.
    pub(crate) fn upgraded(&self) {
        self.upgraded.store(true, Relaxed);
    }

    /// Bytes that the peer's side has taken.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }
}

impl Listener for Watching {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        // Axum's own, which knows the errors of single connections from those of the listener.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let socket = Socket {
            stream,
            watch: Arc::default(),
            deadline: Some(Box::pin(sleep(self.patience))),
        };
        (socket, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Watching>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Watching>) -> Peer {
        Peer {
            address: *stream.remote_addr(),
            watch: Arc::clone(&stream.io().watch),
        }
    }
}

impl Socket {
    fn check_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.watch.upgraded.load(Relaxed) {
            self.deadline = None;
        }
        let late = |deadline: &mut Pin<Box<Sleep>>| deadline.as_mut().poll(context).is_ready();
        if self.deadline.as_mut().is_some_and(late) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let bytes = ready!(written)?;
        self.watch.written.fetch_add(bytes as u64, Relaxed);
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deadline.is_some() {
            self.check_deadline(context)?;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
