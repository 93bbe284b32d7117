//! A snapshot of 100,000 rows against the same frames sent raw.

use super::{Figure, Target};
use crate::wire::{self, Wire};
use crate::{Failure, child::Server};
use std::time::{Duration, Instant};

/// Rows in the snapshot.
const ROWS: u64 = 100_000;
/// Mutations in a push while the rows are written.
const PUSH: u64 = 250;
/// Snapshots taken of each; the fastest counts, so that a busy neighbour does not.
const RUNS: usize = 5;

/// Fills a workspace, takes snapshots, then sends the very same frames raw.
pub(crate) async fn run() -> Result<Vec<Figure>, Failure> {
    let server = Server::syncline(None).await?;
    fill(&server.address).await?;
    let mut frames = Vec::new();
    let mut ours = Duration::MAX;
    for _ in 0..RUNS {
        let (mut wire, _) = Wire::session(&server.address, "catchup", None).await?;
        let started = Instant::now();
        wire.send(r#"{"type":"subscribe","id":"notes","tables":{"notes":{}}}"#.into())
            .await?;
        wire.next_with(r#""type":"subscribed""#).await?;
        frames = snapshot(&mut wire).await?;
        ours = ours.min(started.elapsed());
    }
    server.end().await?;
    let rows: usize = frames
        .iter()
        .map(|frame| frame.matches(r#""op":"set""#).count())
        .sum();
    if rows as u64 != ROWS {
        return Err(format!("the snapshot has {rows} rows, not {ROWS}").into());
    }
    let raw = raw(&frames).await?;
    let bytes: usize = frames.iter().map(String::len).sum();
    Ok(vec![Figure {
        name: "catch-up of 100,000 rows, time over raw",
        measured: format!(
            "{:.0} ms, {} frames",
            ours.as_secs_f64() * 1e3,
            frames.len()
        ),
        baseline: format!(
            "{} MB raw: {:.0} ms",
            bytes / 1_000_000,
            raw.as_secs_f64() * 1e3
        ),
        value: ours.as_secs_f64() / raw.as_secs_f64(),
        target: Target::AtMost(3.0),
    }])
}

async fn fill(address: &str) -> Result<(), Failure> {
    let (mut writer, welcome) = Wire::session(address, "catchup", Some("writer")).await?;
    let mut first = 1;
    while first <= ROWS {
        writer
            .send(wire::push_text(&welcome.epoch, "writer", first, PUSH).into())
            .await?;
        writer.next_with(r#""type":"ack""#).await?;
        first += PUSH;
    }
    Ok(())
}

/// Takes the frames of one update, up to the one with `to`.
async fn snapshot(wire: &mut Wire) -> Result<Vec<String>, Failure> {
    let mut frames = Vec::new();
    loop {
        let text = wire.next().await?;
        let head_end = text.find(r#""changes""#).unwrap_or(text.len());
        let head = &text[..head_end];
        let tail = &text[text.rfind(']').unwrap_or(0)..];
        let last = head.contains(r#""to":"#) || tail.contains(r#""to":"#);
        frames.push(text.to_string());
        if last {
            return Ok(frames);
        }
    }
}

async fn raw(frames: &[String]) -> Result<Duration, Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("frames");
    std::fs::write(&path, frames.join("\n"))?;
    let server = Server::raw(Some(&path)).await?;
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let mut wire = Wire::open(&server.address).await?;
        let started = Instant::now();
        wire.send("S".into()).await?;
        let mut kept = Vec::new();
        for _ in 0..frames.len() {
            kept.push(wire.next().await?.to_string());
        }
        best = best.min(started.elapsed());
    }
    server.end().await?;
    Ok(best)
}
