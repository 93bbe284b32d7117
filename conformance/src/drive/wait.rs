//! Waiting: on a condition, with a deadline, and what it means when the deadline passes.
//!
//! A server may be slow, so time alone proves nothing. When the deadline passes, the runner sends a `ping`: answers come in the order of the
//! frames that they answer, so a `pong` shows that the server is alive and has left out what was awaited. No `pong`: nothing can be said.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{Cx, State, Stop};
use crate::history::ConnIx;

impl Cx {
    /// Waits on a connection until the condition gives something. `wanted` says for people what is awaited.
    pub(crate) async fn until<T>(
        &self,
        conn: ConnIx,
        wanted: &str,
        patience: Duration,
        mut condition: impl FnMut(&mut State) -> Option<Result<T, Stop>>,
    ) -> Result<T, Stop> {
        match self
            .poll(Some(conn), wanted, self.deadline + patience, &mut condition)
            .await?
        {
            Some(found) => Ok(found),
            None => self.probe(conn, wanted, &mut condition).await,
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
        let deadline = Instant::now() + time;
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
                return Ok(None);
            }
        }
    }

    /// The deadline has passed: is the server there at all?
    async fn probe<T>(
        &self,
        conn: ConnIx,
        wanted: &str,
        condition: &mut impl FnMut(&mut State) -> Option<Result<T, Stop>>,
    ) -> Result<T, Stop> {
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
            Some(found) => Some(found.map(Some)),
            None => state.facts.conns[conn].sent[ping.ordinal as usize - 1]
                .answer
                .map(|_| Ok(None)),
        };
        match self
            .poll(Some(conn), wanted, self.deadline, &mut either)
            .await?
        {
            Some(Some(found)) => Ok(found),
            Some(None) => {
                Err(Stop::fail(wanted, "a later ping was answered, this never came").at([ping.at]))
            }
            None => Err(silent("nor was a ping answered")),
        }
    }

    /// Everything sent before on this connection is answered.
    pub(crate) async fn fence(&self, conn: ConnIx) -> Result<(), Stop> {
        let t = self.with(State::counted) + 1_000_000;
        let ping = self.say(conn, &json!({ "type": "ping", "t": t })).await?;
        let pong = self
            .until(conn, "the pong to a ping", Duration::ZERO, |state| {
                state.facts.conns[conn].sent[ping.ordinal as usize - 1]
                    .answer
                    .map(Ok)
            })
            .await?;
        self.with(|state| state.looked[conn].awaited.insert(pong));
        Ok(())
    }
}

/// The connection's end, if it has ended: a failure if that is a surprise.
fn lost(state: &State, conn: ConnIx, wanted: &str) -> Option<Stop> {
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
    if !end.by_server {
        return own_doing("which the scenario itself has ended");
    }
    if state.looked[conn].may_end {
        return own_doing("which has ended, as was to be expected");
    }
    let code = end.code.map_or_else(
        || "without a close frame".to_owned(),
        |code| format!("with close code {code}"),
    );
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
                "the server closed {} {code}; its last frame: {said}",
                session.name
            ),
        )
        .at(shown),
    )
}
