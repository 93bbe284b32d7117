//! History: asking a server what was, page by page.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cx, Stop};
use crate::history::{ConnIx, Frame, whole};

/// So long a server may take to answer (HIST-ANSWER).
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// The changes of a page, where every scenario's history is read: small enough that there are several.
const PAGE: u64 = 16;

/// So many pages of a table are read there at most.
const PAGES_MAX: usize = 8;

impl Cx {
    /// Asks for a page and awaits the answer: its entry, and the frame. Whether it is right is for the checkers.
    pub(crate) async fn history(
        &self,
        conn: ConnIx,
        ask: &Value,
    ) -> Result<(usize, Arc<Frame>), Stop> {
        let asked = self.say(conn, ask).await?;
        let wanted = "the answer to a history";
        let answer = self.until(conn, wanted, TOLD_WITHIN, |state| {
            let at = state.facts.conns[conn].sent[asked.ordinal as usize - 1].answer?;
            state.looked[conn].awaited.insert(at);
            Some(Ok((at, Arc::new(state.facts.frame(at)?.clone()))))
        });
        answer.await.map_err(|stop| stop.at([asked.at]))
    }

    /// Asks for a page, and for the next as long as there is one, so many at most. Gives the answers: the last may be an error.
    pub(crate) async fn histories(
        &self,
        conn: ConnIx,
        mut ask: Value,
        most: usize,
    ) -> Result<Vec<(usize, Arc<Frame>)>, Stop> {
        let mut answers = Vec::new();
        let bound = if ask["order"] == "newest" {
            "before"
        } else {
            "after"
        };
        loop {
            let (at, answer) = self.history(conn, &ask).await?;
            let last = answer
                .member("changes")
                .and_then(|changes| changes.as_array()?.last());
            let place =
                last.map(|last| json!({ "version": last["version"], "index": last["index"] }));
            let more = answer.member("hasMore") == Some(&Value::Bool(true));
            answers.push((at, Arc::clone(&answer)));
            if !more || answers.len() >= most {
                return Ok(answers);
            }
            let goes_on = place
                .as_ref()
                .is_some_and(|place| goes_on(&ask, bound, place));
            let Some(place) = place.filter(|_| goes_on) else {
                let expected = "a page that goes on where the one before ended";
                return Err(Stop::broken("HIST-PAGE", expected, answer.to_string()).at([at]));
            };
            ask[bound] = place;
        }
    }

    /// Asks what was of these tables, on a session whose server tells it: one way round and the other.
    pub(crate) async fn recall(&self, conn: ConnIx, tables: &BTreeSet<String>) -> Result<(), Stop> {
        if !self.with(|state| state.facts.conns[conn].offers("history")) {
            return Ok(());
        }
        for (order, table) in ["oldest", "newest"].iter().cycle().zip(tables) {
            let ask = json!({ "type": "history", "table": table, "order": order, "limit": PAGE });
            for (at, answer) in self.histories(conn, ask, PAGES_MAX).await? {
                if answer.kind() != "past" {
                    let expected = "a page of the past";
                    return Err(Stop::broken("HIST-ANSWER", expected, answer.to_string()).at([at]));
                }
            }
        }
        Ok(())
    }
}

/// Whether a place is further on than the one that was asked from.
fn goes_on(ask: &Value, bound: &str, place: &Value) -> bool {
    let read = |place: &Value| Some((whole(&place["version"])?, whole(&place["index"])?));
    match (ask.get(bound).and_then(read), read(place)) {
        (Some(before), Some(now)) if bound == "before" => now < before,
        (Some(before), Some(now)) => now > before,
        (None, Some(_)) => true,
        _ => false,
    }
}
