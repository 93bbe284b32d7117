//! Durable acknowledged mutations per second, 50 connections pipelining, against a bare SQLite group commit of the
//! same rows at the batch size that the server reached.

use super::{Figure, Target};
use crate::wire::{self, Wire};
use crate::{Failure, child::Server};
use std::path::Path;
use std::time::{Duration, Instant};

/// Connections that push at once.
const CONNECTIONS: u64 = 50;
/// Mutations in a push.
const PUSH: u64 = 32;
/// Pushes that a connection has unanswered.
const PIPELINE: u64 = 4;

/// Measures the server, then the baseline at the batch size that the server reached.
pub(crate) async fn run(seconds: u64) -> Result<Vec<Figure>, Failure> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("durable.db");
    let server = Server::syncline(Some(&data)).await?;
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let mut writers = Vec::new();
    for index in 0..CONNECTIONS {
        let (wire, welcome) = Wire::session(
            &server.address,
            "durable",
            Some(&format!("writer-{index:02}")),
        )
        .await?;
        writers.push(tokio::spawn(write(
            wire,
            welcome.epoch,
            format!("writer-{index:02}"),
            until,
        )));
    }
    let mut acked = 0;
    for writer in writers {
        acked += writer.await??;
    }
    let rate = acked as f64 / started.elapsed().as_secs_f64();
    server.end().await?;
    let batch = batch_reached(&data)?;
    let bare = bare_sqlite(&folder.path().join("bare.db"), batch, seconds)?;
    Ok(vec![Figure {
        name: "durable mutations/s, 50 connections",
        measured: format!("{rate:.0}/s"),
        baseline: format!("SQLite by {batch}: {bare:.0}/s"),
        value: rate / bare,
        target: Target::AtLeast(0.4),
    }])
}

/// One writer: keeps its pipeline full until the time is over, then drains it. Gives the mutations acknowledged.
async fn write(
    mut wire: Wire,
    epoch: String,
    client: String,
    until: Instant,
) -> Result<u64, Failure> {
    let (mut sent, mut acked) = (0, 0);
    loop {
        while Instant::now() < until && sent - acked < PIPELINE * PUSH {
            wire.send(wire::push_text(&epoch, &client, sent + 1, PUSH).into())
                .await?;
            sent += PUSH;
        }
        if acked == sent {
            return Ok(acked);
        }
        let ack = wire.next_with(r#""type":"ack""#).await?;
        let applied = ack.matches(r#""status":"applied""#).count() as u64;
        if applied != PUSH {
            return Err(format!("a push was not applied whole: {ack}").into());
        }
        acked += applied;
    }
}

/// Mutations in an append, on average over the segments that the server's log still has: one each append.
fn batch_reached(data: &Path) -> Result<u64, Failure> {
    let database = rusqlite::Connection::open(data)?;
    let mean: f64 = database.query_row("SELECT avg(last - first + 1) FROM segment", [], |row| {
        row.get(0)
    })?;
    Ok(mean.round().max(1.0) as u64)
}

/// Rows per second of a bare group commit: one row a mutation, `batch` rows a transaction, WAL, synchronous FULL.
fn bare_sqlite(path: &Path, batch: u64, seconds: u64) -> Result<f64, Failure> {
    let mut database = rusqlite::Connection::open(path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch(
        "CREATE TABLE rows (version INTEGER PRIMARY KEY, client TEXT, seq INTEGER, op_id TEXT, tab TEXT, key TEXT, value TEXT)",
    )?;
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let mut version = 0_u64;
    while Instant::now() < until {
        let transaction = database.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)")?;
            for _ in 0..batch {
                version += 1;
                insert.execute(rusqlite::params![
                    version,
                    "writer-00",
                    version,
                    format!("writer-00-{version}"),
                    "notes",
                    format!("writer-00/{version:012}"),
                    format!(
                        r#"{{"title":"note {version:012}","text":"{}"}}"#,
                        wire::VALUE
                    ),
                ])?;
            }
        }
        transaction.commit()?;
    }
    Ok(version as f64 / started.elapsed().as_secs_f64())
}
