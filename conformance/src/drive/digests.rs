//! Digests: asking a server what it has, to hold it against what was got.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Cx, Spoken, Stop};
use crate::history::{ConnIx, Frame};

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
        let answer = self.until(conn, wanted, Duration::ZERO, |state| {
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
            match self.digest(sub).await {
                // It ended meanwhile: whether it may is not for this to say.
                Err(_) if !self.with(|state| state.live_subs().contains(&sub)) => {}
                other => drop(other?),
            }
        }
        Ok(())
    }
}
