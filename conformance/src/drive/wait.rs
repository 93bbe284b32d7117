//! Waiting: on a condition, with a deadline, and what it means when the deadline passes.
//!
//! A server may be slow, so time alone proves nothing. When the deadline passes, the runner sends a `ping`: answers come in the order of the
//! frames that they answer, so a `pong` shows that the server is alive and has left out an answer that was awaited. What is no answer (an update, an ack
//! to somebody else's push, a close) need not come before the pong: for that there is a second deadline and a second ping, and while the parts of a
//! long update are coming, the deadline begins anew. No `pong`: nothing can be said. Time in which the runner's machine stood still does not count.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{Cx, State, Stop};
use crate::facts::How;
use crate::history::ConnIx;
use crate::stall;

/// Nobody waits longer than this for what an announced limit lets a server take its time with.
const PATIENCE_MAX: Duration = Duration::from_secs(180);

/// After a stall the server has so much longer than what was lost.
const AFTER_STALL: Duration = Duration::from_secs(1);

/// So many milliseconds, as a server's limit asks for.
pub(crate) fn patience(ms: u64) -> Result<Duration, Stop> {
    let patience = Duration::from_millis(ms);
    let long = || Stop::DidNotHappen(format!("a limit of {ms} ms is too long to wait for"));
    (patience <= PATIENCE_MAX)
        .then_some(patience)
        .ok_or_else(long)
}

impl Cx {
    /// Waits on a connection until the condition gives something that is no answer to a frame. `wanted` says for people what is awaited.
    pub(crate) async fn until<T>(
        &self,
        conn: ConnIx,
        wanted: &str,
        patience: Duration,
        mut condition: impl FnMut(&mut State) -> Option<Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let time = self.deadline + patience;
        let staged = || self.with(|state| state.facts.conns[conn].staged_at);
        let mut before = staged();
        loop {
            let found = self.poll(Some(conn), wanted, time, &mut condition).await?;
            if let Some(found) = found {
                return Ok(found);
            }
            if staged() == before {
                break;
            }
            before = staged();
        }
        if let Ok(found) = self.probe(conn, wanted, &mut condition).await? {
            return Ok(found);
        }
        let found = self.poll(Some(conn), wanted, self.deadline, &mut condition);
        if let Some(found) = found.await? {
            return Ok(found);
        }
        self.probe(conn, wanted, &mut condition)
            .await?
            .map_err(|ping| never(wanted, ping))
    }

    /// Waits on a connection until the condition gives what answers a frame.
    pub(crate) async fn until_answered<T>(
        &self,
        conn: ConnIx,
        wanted: &str,
        mut condition: impl FnMut(&mut State) -> Option<Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let found = self.poll(Some(conn), wanted, self.deadline, &mut condition);
        match found.await? {
            Some(found) => Ok(found),
            None => self
                .probe(conn, wanted, &mut condition)
                .await?
                .map_err(|ping| never(wanted, ping)),
        }
    }

    /// Waits until the condition gives something; nothing when the time is over. If a connection is named, its end ends the waiting.
    pub(crate) async fn poll<T>(
        &self,
        conn: Option<ConnIx>,
        wanted: &str,
        time: Duration,
        condition: &mut impl FnMut(&mut State) -> Option<Result<T, Stop>>,
    ) -> Result<Option<T>, Stop> {
        let mut changes = self.journal.changes();
        let mut stalls = stall::Mark::now();
        let mut deadline = Instant::now() + time;
        loop {
            changes.mark_unchanged();
            if let Some(found) = self.with(&mut *condition) {
                return found.map(Some);
            }
            if let Some(conn) = conn
                && let Some(lost) = self.with(|state| lost(state, conn, wanted))
            {
                return Err(lost);
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                let stalled = stalls.lost();
                if stalled.is_zero() {
                    return Ok(None);
                }
                deadline = Instant::now() + stalled.min(time) + AFTER_STALL;
            }
        }
    }

    /// The deadline has passed: is the server there at all? If it answers a ping before anything is found, gives the ping's entry.
    async fn probe<T>(
        &self,
        conn: ConnIx,
        wanted: &str,
        condition: &mut impl FnMut(&mut State) -> Option<Result<T, Stop>>,
    ) -> Result<Result<T, usize>, Stop> {
        let silent = |why: &str| {
            Stop::Unknown(format!(
                "silent: {wanted} did not come within the deadline, {why}"
            ))
        };
        let (welcomed, paused, name) = self.with(|state| {
            let session = &state.facts.conns[conn];
            (
                session.welcome.is_some(),
                !state.looked[conn].hears(),
                session.name.clone(),
            )
        });
        if paused {
            return Err(silent(&format!("and {name} is not reading")));
        }
        if !welcomed {
            return Err(silent(&format!("and {name} has no session to ask on")));
        }
        let t = self.with(State::counted) + 1_000_000;
        let ping = self.say(conn, &json!({ "type": "ping", "t": t })).await?;
        let mut either = |state: &mut State| match condition(state) {
            Some(found) => Some(found.map(Ok)),
            None => state.facts.conns[conn].sent[ping.ordinal as usize - 1]
                .answer
                .map(|_| Ok(Err(ping.at))),
        };
        let either = self.poll(Some(conn), wanted, self.deadline, &mut either);
        either
            .await?
            .ok_or_else(|| silent("nor was a ping answered"))
    }

    /// Everything sent before on this connection is answered.
    pub(crate) async fn fence(&self, conn: ConnIx) -> Result<(), Stop> {
        let t = self.with(State::counted) + 1_000_000;
        let ping = self.say(conn, &json!({ "type": "ping", "t": t })).await?;
        let pong = self
            .until_answered(conn, "the pong to a ping", |state| {
                state.facts.conns[conn].sent[ping.ordinal as usize - 1]
                    .answer
                    .map(Ok)
            })
            .await?;
        self.with(|state| state.looked[conn].awaited.insert(pong));
        Ok(())
    }
}

/// A server that is there has left out what was awaited.
fn never(wanted: &str, ping: usize) -> Stop {
    Stop::fail(wanted, "a later ping was answered, this never came").at([ping])
}

/// The connection's end, if it has ended: a failure if that is a surprise.
pub(super) fn lost(state: &State, conn: ConnIx, wanted: &str) -> Option<Stop> {
    let session = &state.facts.conns[conn];
    let own_doing = |what: &str| {
        let name = &session.name;
        Some(Stop::Lost(format!("waits for {wanted} on {name}, {what}")))
    };
    let Some(end) = session.ended else {
        return match state.looked[conn].blocked {
            true => own_doing("where a fault lets nothing through"),
            false => None,
        };
    };
    if !end.by_server() {
        return own_doing("which the scenario itself has ended");
    }
    if state.may_end(conn) {
        return own_doing("which has ended, as was to be expected");
    }
    if let Some(excuse) = state.excuse(conn) {
        return Some(excuse);
    }
    let how = match end.how {
        How::Closed(Some(code)) => format!("with close code {code}"),
        How::Reset => "by a reset".to_owned(),
        How::Closed(None) | How::Left => "without a close frame".to_owned(),
    };
    let last = session.received.last().copied();
    let said = last
        .and_then(|at| state.facts.frame(at))
        .map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let shown = session
        .sent
        .last()
        .map(|sent| sent.at)
        .into_iter()
        .chain(last)
        .chain([end.at]);
    Some(
        Stop::fail(
            wanted,
            format!(
                "the server closed {} {how}; its last frame: {said}",
                session.name
            ),
        )
        .at(shown),
    )
}
