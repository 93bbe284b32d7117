//! Digests: asking a server what it has, to hold it against what was got.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Cx, Spoken, State, Stop};
use crate::history::{ConnIx, Frame};

/// So long a server may sum up (DIG-ANSWER).
const TOLD_WITHIN: Duration = Duration::from_secs(60);

impl Cx {
    /// Asks for the digest of a subscription; gives its connection, and what was said.
    pub(crate) async fn ask_digest(&self, sub: usize) -> Result<(ConnIx, Spoken), Stop> {
        let (conn, shape) = self.with(|state| {
            let sub = &state.facts.subs[sub];
            (sub.conn, sub.shape.clone())
        });
        let asked = self
            .say(conn, &json!({ "type": "digest", "shape": shape }))
            .await?;
        Ok((conn, asked))
    }

    /// Asks for the digest of a subscription and awaits the answer: its entry, and the frame. Whether it is right is for the checkers.
    pub(crate) async fn digest(&self, sub: usize) -> Result<(usize, Arc<Frame>), Stop> {
        let (conn, asked) = self.ask_digest(sub).await?;
        let wanted = "the answer to a digest";
        let answer = self.until(conn, wanted, TOLD_WITHIN, |state| {
            let at = state.facts.conns[conn].sent[asked.ordinal as usize - 1].answer?;
            state.looked[conn].awaited.insert(at);
            Some(Ok((at, Arc::new(state.facts.frame(at)?.clone()))))
        });
        answer.await.map_err(|stop| stop.at([asked.at]))
    }

    /// Asks for the digest of each live subscription whose server offers them.
    pub(crate) async fn digest_all(&self) -> Result<(), Stop> {
        let live = self.with(|state| {
            let mut live = state.live_subs();
            live.retain(|sub| state.facts.conns[state.facts.subs[*sub].conn].offers("digests"));
            live
        });
        for sub in live {
            match self.told(sub).await {
                // It ended meanwhile: whether it may is not for this to say.
                Err(_) if !self.with(|state| state.live_subs().contains(&sub)) => {}
                other => other?,
            }
        }
        self.all_told().await
    }

    /// Asks for a digest until it is told: while an earlier one is unanswered it may be put off.
    async fn told(&self, sub: usize) -> Result<(), Stop> {
        loop {
            let (at, answer) = self.digest(sub).await?;
            match (answer.kind(), answer.string("code")) {
                // Whether there are so many rows is for the checkers.
                ("digested", _) | (_, Some("digest_too_large")) => return Ok(()),
                (_, Some("digest_pending")) => self.all_told().await?,
                _ => {
                    return Err(Stop::broken(
                        "DIG-ANSWER",
                        "the digest of a live shape",
                        answer.to_string(),
                    )
                    .at([at]));
                }
            }
        }
    }

    /// Awaits the answers to all digests and histories that were asked for, on the connections that are open and heard.
    async fn all_told(&self) -> Result<(), Stop> {
        let heard = |state: &mut State| {
            let heard = |conn: &ConnIx| state.is_open(*conn) && state.looked[*conn].hears();
            (0..state.looked.len()).filter(heard).collect::<Vec<_>>()
        };
        for conn in self.with(heard) {
            for (kind, requirement) in [("digest", "DIG-ANSWER"), ("history", "HIST-ANSWER")] {
                self.told_on(conn, kind, requirement).await?;
            }
        }
        Ok(())
    }

    /// Awaits the answers to all frames of a type on a connection.
    async fn told_on(&self, conn: ConnIx, kind: &str, requirement: &str) -> Result<(), Stop> {
        let wanted = format!("the answer to a {kind}");
        let told = self.until(conn, &wanted, TOLD_WITHIN, |state| {
            let of_kind = |at| { state.facts.frame(at) }.is_some_and(|frame| frame.kind() == kind);
            let mut sent = state.facts.conns[conn].sent.iter();
            let left = sent.any(|sent| sent.answer.is_none() && of_kind(sent.at));
            (!left).then_some(Ok(()))
        });
        match told.await {
            Err(_) if !self.with(|state| state.is_open(conn)) => Ok(()),
            Err(Stop::Fail(mut failure)) => {
                failure.requirements = vec![requirement.to_owned()];
                Err(Stop::Fail(failure))
            }
            other => other,
        }
    }
}
