//! The server sides: the reference server with limits that do not bind, and the raw baseline.

use crate::Failure;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use syncline_server::log::{MemoryLog, SqliteLog};
use syncline_server::{Config, run};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// Serves Syncline until killed; prints the address first. The rate limits do not bind: speed is what is measured.
pub(crate) async fn syncline(data: Option<PathBuf>) -> Result<(), Failure> {
    let mut config = Config::default();
    config.limits.mutations_per_second = 1_000_000_000;
    config.limits.mutation_burst = 1_000_000_000;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    match data {
        Some(path) => run(listener, SqliteLog::open(&path)?, config, pending()).await?,
        None => run(listener, MemoryLog::new(), config, pending()).await?,
    }
    Ok(())
}

/// What the baseline's connections share.
#[derive(Clone, Default)]
struct Raw {
    peers: Arc<Mutex<Vec<mpsc::UnboundedSender<Utf8Bytes>>>>,
    frames: Arc<Vec<Utf8Bytes>>,
}

/// Serves raw WebSockets until killed: `E...` is echoed, `B...` sent to everyone else and answered with `k`,
/// `S` answered with all prepared frames. Writes are batched: drain, feed, flush once.
pub(crate) async fn raw(frames: Option<PathBuf>) -> Result<(), Failure> {
    let frames = match frames {
        Some(path) => std::fs::read_to_string(path)?
            .lines()
            .map(Utf8Bytes::from)
            .collect(),
        None => Vec::new(),
    };
    let state = Raw {
        frames: Arc::new(frames),
        ..Raw::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let app = Router::new().route("/sync", any(upgrade)).with_state(state);
    Ok(axum::serve(listener, app).await?)
}

async fn upgrade(State(state): State<Raw>, request: WebSocketUpgrade) -> axum::response::Response {
    request
        .protocols([syncline_schemas::SUBPROTOCOL])
        .on_upgrade(move |socket| converse(socket, state))
}

async fn converse(socket: WebSocket, state: Raw) {
    let (mut sink, mut stream) = socket.split();
    let (queue, mut queued) = mpsc::unbounded_channel::<Utf8Bytes>();
    let mine = {
        let mut peers = state.peers.lock().await;
        peers.push(queue.clone());
        peers.len() - 1
    };
    let writer = tokio::spawn(async move {
        while let Some(first) = queued.recv().await {
            let mut next = Some(first);
            while let Some(text) = next {
                if sink.feed(Message::Text(text)).await.is_err() {
                    return;
                }
                next = queued.try_recv().ok();
            }
            if sink.flush().await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(Message::Text(text))) = stream.next().await {
        match text.as_bytes().first() {
            Some(b'B') => {
                let peers = state.peers.lock().await;
                for (_, peer) in peers.iter().enumerate().filter(|(index, _)| *index != mine) {
                    let _ = peer.send(text.clone());
                }
                let _ = queue.send("k".into());
            }
            Some(b'S') => state.frames.iter().for_each(|frame| {
                let _ = queue.send(frame.clone());
            }),
            _ => {
                let _ = queue.send(text);
            }
        }
    }
    writer.abort();
}
