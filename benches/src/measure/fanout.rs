//! Updates delivered from 1 writer to 100 subscribers, against a raw batched broadcast of frames of the same size.
//!
//! An update is what one mutation changed, as one subscriber gets it. The server may carry several in a frame; the
//! baseline sends each as a frame of its own, of the bytes that an update took.

use super::{Figure, Target};
use crate::wire::{self, Wire};
use crate::{Failure, child::Server};
use std::time::{Duration, Instant};

/// Subscribers.
const SUBSCRIBERS: usize = 100;
/// Writes that are unanswered.
const IN_FLIGHT: u64 = 64;

/// What a run of either server gave.
struct Delivered {
    updates_per_second: f64,
    bytes_each: usize,
}

/// Measures both, the baseline with frames of the size that the server's updates had.
pub(crate) async fn run(seconds: u64) -> Result<Vec<Figure>, Failure> {
    let ours = syncline(seconds).await?;
    let raw = raw(seconds, ours.bytes_each).await?;
    Ok(vec![Figure {
        name: "fan-out 1 to 100, updates/s",
        measured: format!("{:.0}/s of {} B", ours.updates_per_second, ours.bytes_each),
        baseline: format!("raw broadcast: {:.0}/s", raw.updates_per_second),
        value: ours.updates_per_second / raw.updates_per_second,
        target: Target::AtLeast(0.7),
    }])
}

async fn syncline(seconds: u64) -> Result<Delivered, Failure> {
    let server = Server::syncline(None).await?;
    let mut readers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let (mut wire, _) = Wire::session(&server.address, "fanout", None).await?;
        wire.send(r#"{"type":"subscribe","id":"notes","tables":{"notes":{}}}"#.into())
            .await?;
        wire.next_with(r#""to":"#).await?;
        readers.push(tokio::spawn(count(wire, r#""end""#)));
    }
    let (mut writer, welcome) = Wire::session(&server.address, "fanout", Some("writer")).await?;
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let (mut sent, mut acked) = (0, 0);
    while Instant::now() < until || acked < sent {
        while Instant::now() < until && sent - acked < IN_FLIGHT {
            writer
                .send(wire::push_text(&welcome.epoch, "writer", sent + 1, 1).into())
                .await?;
            sent += 1;
        }
        if acked < sent {
            writer.next_with(r#""type":"ack""#).await?;
            acked += 1;
        }
    }
    let end = format!(
        r#"{{"type":"push","epoch":"{}","follows":"writer-{sent}","mutations":[{{"seq":{},"opId":"end","ops":[{{"op":"set","table":"notes","key":"end","value":"end"}}]}}]}}"#,
        welcome.epoch,
        sent + 1
    );
    writer.send(end.into()).await?;
    collect(readers, sent, started, server).await
}

async fn raw(seconds: u64, bytes: usize) -> Result<Delivered, Failure> {
    let server = Server::raw(None).await?;
    let mut readers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let mut wire = Wire::open(&server.address).await?;
        wire.send("E".into()).await?;
        wire.next().await?;
        readers.push(tokio::spawn(count(wire, "END")));
    }
    let mut writer = Wire::open(&server.address).await?;
    let frame = format!("B{}", "x".repeat(bytes.saturating_sub(1)));
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let (mut sent, mut acked) = (0, 0);
    while Instant::now() < until || acked < sent {
        while Instant::now() < until && sent - acked < IN_FLIGHT {
            writer.send(frame.clone().into()).await?;
            sent += 1;
        }
        if acked < sent {
            writer.next().await?;
            acked += 1;
        }
    }
    writer.send("BEND".into()).await?;
    collect(readers, sent, started, server).await
}

/// Counts bytes until the last frame has come.
async fn count(mut wire: Wire, end: &'static str) -> Result<usize, Failure> {
    let mut bytes = 0;
    loop {
        let text = wire.next().await?;
        bytes += text.len();
        // The end is in the last bytes: looking through every frame would measure the looking.
        let tail = text.len().saturating_sub(60);
        if text.is_char_boundary(tail) && text[tail..].contains(end) {
            return Ok(bytes);
        }
    }
}

async fn collect(
    readers: Vec<tokio::task::JoinHandle<Result<usize, Failure>>>,
    sent: u64,
    started: Instant,
    server: Server,
) -> Result<Delivered, Failure> {
    let mut bytes = 0;
    for reader in readers {
        bytes += reader.await??;
    }
    let elapsed = started.elapsed().as_secs_f64();
    server.end().await?;
    let updates = sent * SUBSCRIBERS as u64;
    Ok(Delivered {
        updates_per_second: updates as f64 / elapsed,
        bytes_each: bytes / usize::try_from(updates.max(1))?,
    })
}
