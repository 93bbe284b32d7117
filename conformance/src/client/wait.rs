//! Waiting: on a condition, with a deadline, and what it means when the deadline passes.
//!
//! A client may be slow, so time alone proves nothing. When the deadline passes, the runner asks the adapter how the client stands: an answer shows that the
//! program is alive, and has left out what was awaited. No answer: nothing can be said.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::cx::Cx;
use super::journal::State;
use crate::drive::Stop;
use crate::history::ConnIx;

/// How long to wait at most before a question is asked again: what the answer depends on may leave no trace here.
const ASK_AGAIN: Duration = Duration::from_millis(20);

impl Cx {
    /// Waits until the condition gives something. `wanted` says for people what is awaited. If a connection is named, its end ends the waiting; so
    /// does the end of the client's program.
    pub(crate) async fn until<T>(
        &self,
        client: &str,
        conn: Option<ConnIx>,
        wanted: &str,
        mut condition: impl FnMut(&mut State) -> Option<Result<T, Stop>>,
    ) -> Result<T, Stop> {
        match self
            .poll(client, conn, wanted, self.deadline, &mut condition)
            .await?
        {
            Some(found) => Ok(found),
            None => self.probe(client, conn, wanted, &mut condition).await,
        }
    }

    /// Waits until the condition gives something; nothing when the time is over.
    pub(crate) async fn poll<T>(
        &self,
        client: &str,
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
            if let Some(lost) = self.with(|state| lost(state, client, conn, wanted)) {
                return Err(lost);
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return Ok(None);
            }
        }
    }

    /// The deadline has passed: is the client there at all?
    async fn probe<T>(
        &self,
        client: &str,
        conn: Option<ConnIx>,
        wanted: &str,
        condition: &mut impl FnMut(&mut State) -> Option<Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let silent = format!(
            "silent: {wanted} did not come within the deadline, nor does the adapter of {client} answer"
        );
        let id = self.ask(client, "status", json!({})).await?;
        let mut either = |state: &mut State| match condition(state) {
            Some(found) => Some(found.map(Ok)),
            None => state
                .apps
                .get(client)?
                .replies
                .get(&id)
                .cloned()
                .map(|reply| Ok(Err(reply))),
        };
        match self
            .poll(client, conn, wanted, self.deadline, &mut either)
            .await?
        {
            Some(Ok(found)) => Ok(found),
            Some(Err((at, reply))) => {
                let actual = format!(
                    "it never came, while the client says that it stands so: {}",
                    reply["ok"]
                );
                Err(Stop::fail(wanted, actual).at([at]))
            }
            None => Err(Stop::Unknown(silent)),
        }
    }

    /// Asks the same question until its answer is as wanted; fails with the last reason why it was not.
    pub(crate) async fn ask_until(
        &self,
        client: &str,
        command: &str,
        with: &Value,
        wanted: &str,
        mut fits: impl FnMut(&Value) -> Result<(), String>,
    ) -> Result<(), Stop> {
        let deadline = Instant::now() + self.deadline;
        let mut changes = self.journal.changes();
        loop {
            changes.mark_unchanged();
            let (at, answer) = self.answer(client, command, with.clone()).await?;
            let Err(why) = answer
                .get("ok")
                .map_or_else(|| Err(answer["error"].to_string()), &mut fits)
            else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                return Err(Stop::fail(wanted, why).at([at]));
            }
            let _ = timeout_at(Instant::now() + ASK_AGAIN, changes.changed()).await;
        }
    }

    /// Lets the client come to rest: what it was sent it has read, and what that led to has arrived, as far as can be seen from outside.
    ///
    /// A WebSocket pong says that it has read all frames before; an answer of the adapter, that it has acted since; another pong, that what it then
    /// sent is through. Twice, since no rule binds one to the other. It lets a fault show; it never makes one.
    pub(crate) async fn settle(&self, client: &str) -> Result<(), Stop> {
        for _ in 0..2 {
            self.ping_all(client).await?;
            self.answer(client, "status", json!({})).await?;
        }
        self.ping_all(client).await
    }

    async fn ping_all(&self, client: &str) -> Result<(), Stop> {
        let open: Vec<ConnIx> = self.with(|state| {
            let conns = state.conns.iter().enumerate();
            let open = conns.filter(|(_, conn)| conn.client == client && conn.ended.is_none());
            open.map(|(index, _)| index).collect()
        });
        for conn in open {
            let number = self.with(|state| state.conns[conn].pongs.len() as u8);
            self.socket(conn)?.ping(number).await;
            let wanted = format!("a WebSocket pong of {client}");
            self.until(client, None, &wanted, |state| {
                let conn = &state.conns[conn];
                (conn.ended.is_some() || conn.pongs.last() == Some(&number)).then_some(Ok(()))
            })
            .await?;
        }
        Ok(())
    }
}

/// Why there is nothing to wait for any more.
fn lost(state: &State, client: &str, conn: Option<ConnIx>, wanted: &str) -> Option<Stop> {
    let app = state.apps.get(client)?;
    if let Some(fault) = &app.fault {
        return Some(Stop::Unknown(format!(
            "the adapter does not keep to its protocol: {fault}"
        )));
    }
    if let Some((at, how)) = &app.ended {
        let complaint = app.complaint.trim();
        let actual =
            format!("the program of {client} ended ({how}); its last words: {complaint:?}");
        return Some(Stop::fail(wanted, actual).at([*at]));
    }
    let ended = state.conns[conn?].ended?;
    Some(match ended {
        (at, true) => Stop::fail(wanted, format!("{client} closed the connection")).at([at]),
        (_, false) => Stop::misuse(format!(
            "waits for {wanted} on a connection that it has left"
        )),
    })
}
