//! The HTTP side: the handshake, which settles the protocol's version, and `GET /health`.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use syncline_schemas::SUBPROTOCOL;

use crate::Config;
use crate::tasks::Tasks;
use crate::workspace::Registry;

use super::connection;
use super::socket::Peer;

/// Bytes of a read buffer, which every connection has. Larger frames get their own.
const READ_BUFFER: usize = 4 * 1024;

/// Bytes that are written at once. The buffer exists only on connections that were sent as much.
const WRITE_BUFFER: usize = 32 * 1024;

/// Times `limits.frameBytesMax` that a frame is still read, so that it can be answered with an error frame before the close.
const OVERSIZE: usize = 4;

/// What all connections share.
pub(crate) struct Endpoint {
    pub(crate) config: Arc<Config>,
    pub(crate) registry: Arc<Registry>,
    /// One for each connection.
    pub(crate) connections: Tasks,
    pub(crate) started: Instant,
}

/// The server's routes.
pub(crate) fn router(endpoint: Arc<Endpoint>) -> Router {
    Router::new()
        .route(&endpoint.config.path, get(sync))
        .route("/health", get(health))
        .with_state(endpoint)
}

/// The handshake (`CONN-SUBPROTOCOL`, `CONN-SUBPROTOCOL-MISSING`).
async fn sync(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([SUBPROTOCOL]),
        Err(rejection) => return refuse(rejection.status(), &rejection.body_text()),
    };
    if upgrade.selected_protocol().is_none() {
        let offered: Vec<_> = upgrade
            .requested_protocols()
            .map(|name| String::from_utf8_lossy(name.as_bytes()))
            .collect();
        let offered = if offered.is_empty() {
            "nothing".to_owned()
        } else {
            offered.join(", ")
        };
        return refuse(
            StatusCode::BAD_REQUEST,
            &format!("Sec-WebSocket-Protocol must offer {SUBPROTOCOL}, and offers {offered}"),
        );
    }
    let frame_bytes_max = endpoint.config.limits.frame_bytes_max as usize;
    let bytes_max = frame_bytes_max.saturating_mul(OVERSIZE);
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .on_upgrade(move |socket| async move {
            peer.watch.upgraded();
            let connections = endpoint.connections.clone();
            connections.spawn(connection::serve(socket, peer, endpoint));
        })
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (
        status,
        Json(json!({ "message": message, "protocols": [SUBPROTOCOL] })),
    )
        .into_response()
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    uptime_ms: u64,
    workspaces: usize,
    connections: usize,
}

async fn health(State(endpoint): State<Arc<Endpoint>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: endpoint.started.elapsed().as_millis() as u64,
        workspaces: endpoint.registry.len(),
        connections: endpoint.connections.live(),
    })
}
