//! What an idle connection costs the server in resident memory.

use super::{Figure, Target};
use crate::{Failure, child::Server, wire::Wire};

/// Connections that are opened.
const CONNECTIONS: usize = 5_000;

/// Opens sessions, leaves them alone, and looks at the server's memory before and after.
pub(crate) async fn run() -> Result<Vec<Figure>, Failure> {
    let server = Server::syncline(None).await?;
    let (_first, _) = Wire::session(&server.address, "idle", Some("first")).await?;
    let before = server.resident_bytes()?;
    let mut wires = Vec::with_capacity(CONNECTIONS);
    for index in 0..CONNECTIONS {
        wires.push(
            Wire::session(&server.address, "idle", Some(&format!("client-{index}")))
                .await?
                .0,
        );
    }
    let each = (server.resident_bytes()? - before) as f64 / CONNECTIONS as f64 / 1024.0;
    server.end().await?;
    Ok(vec![Figure {
        name: "idle connection, resident KiB",
        measured: format!("{each:.1} KiB"),
        baseline: format!("over {CONNECTIONS} connections"),
        value: each,
        target: Target::AtMost(24.0),
    }])
}
