//! Writes what the workspace has for a connection: everything that waits is fed, then flushed once, which is worth an order of magnitude.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes};
use bytes::Bytes;
use futures_util::SinkExt;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use crate::Config;
use crate::closing::Closing;
use crate::link::{self, Next};
use crate::workspace::Command;

use super::connection::{Session, Sink};
use super::reader;
use super::socket::Watch;

/// Ticks of the heart in one heartbeat. Silence is noticed at a tick and broken at the next, so two must fit into one heartbeat.
const TICKS: f64 = 2.5;

/// Writes until the connection is to be closed, and returns how; or why it cannot.
pub(super) async fn write(
    sink: &mut Sink,
    session: &Session,
    config: &Config,
) -> Result<Closing, &'static str> {
    let link = &session.link;
    let tick = Duration::from_millis(config.limits.heartbeat_ms).div_f64(TICKS);
    let mut heart = interval_at(tokio::time::Instant::now() + tick, tick);
    heart.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut spoke = false;
    loop {
        let work = tokio::select! {
            next = link.next() => match next {
                Next::Frames(frames) => Work::Frames(frames),
                Next::Close(closing) => return Ok(closing),
            },
            _ = heart.tick() => {
                // A ping keeps both sides from seeming dead: the peer hears it, and answers.
                let quiet = !link.heard() || !std::mem::take(&mut spoke);
                if !quiet { continue }
                Work::Ping
            }
        };
        spoke = true;
        tokio::select! {
            written = carry_out(sink, session, work) => written.map_err(|_| reader::GONE)?,
            () = link.aborted() => {}
            () = stalled(&session.watch, config.write_patience()) => return Ok(slow(session)),
        }
    }
}

enum Work {
    Frames(VecDeque<Utf8Bytes>),
    Ping,
}

async fn carry_out(sink: &mut Sink, session: &Session, work: Work) -> Result<(), axum::Error> {
    match work {
        Work::Frames(frames) => {
            for frame in frames {
                let cost = link::cost(&frame);
                sink.feed(Message::Text(frame)).await?;
                if session.link.written(cost) {
                    // If the workspace is gone, it has nothing more to give.
                    let _ = session.workspace.send(Command::Drained);
                    // Tokio keeps the task that was woken last for this thread, which is busy writing. This one takes its place, so that
                    // another thread can make the next updates meanwhile.
                    tokio::spawn(async {});
                }
            }
        }
        Work::Ping => sink.feed(Message::Ping(Bytes::new())).await?,
    }
    sink.flush().await
}

/// Returns when the peer has taken not one byte for so long.
async fn stalled(watch: &Watch, patience: Duration) {
    let mut before = watch.written();
    loop {
        sleep(patience).await;
        let now = watch.written();
        if now == before {
            return;
        }
        before = now;
    }
}

fn slow(session: &Session) -> Closing {
    tracing::info!(session = session.key.0, "slow consumer: nothing was taken");
    let closing = Closing::slow_consumer();
    session.link.abort(closing.clone());
    closing
}
