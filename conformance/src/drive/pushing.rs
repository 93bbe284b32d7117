//! Pushing as a client does: the chain's next links, the ack, and what is expected of its results.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Cx, Spoken, Stop};
use crate::history::{ConnIx, whole};
use crate::matcher::{Others, matches, short};

impl Cx {
    /// The next `seq` of the connection's client; without a client there is no chain, and it is 1.
    pub(crate) fn next_seq(&self, conn: ConnIx) -> u64 {
        self.with(|state| {
            let session = &state.facts.conns[conn];
            session.client().map_or(1, |client| {
                state.facts.ledger.next(session.workspace(), client)
            })
        })
    }

    /// An `opId` that was not used before.
    pub(crate) fn fresh_op_id(&self) -> Result<String, Stop> {
        let number = self.with(super::State::counted);
        self.string(&format!("op{number}-${{run}}").into())
    }

    /// Sends a push of these mutations. `follows` and `epoch` are the chain's unless they are given; a given null leaves it out.
    pub(crate) async fn push(
        &self,
        conn: ConnIx,
        mutations: &[Value],
        given: Given,
    ) -> Result<Spoken, Stop> {
        let own = given.own();
        let first = mutations
            .first()
            .and_then(|mutation| mutation.get("seq"))
            .and_then(whole);
        let (epoch, follows) = self.with(|state| {
            let session = &state.facts.conns[conn];
            let before = first
                .and_then(|seq| seq.checked_sub(1))
                .filter(|seq| *seq > 0);
            let op_id = session.client().zip(before).and_then(|(client, seq)| {
                state.facts.ledger.op_id(session.workspace(), client, seq)
            });
            (session.epoch.clone(), op_id.map(ToOwned::to_owned))
        });
        let mut push = json!({ "type": "push", "mutations": mutations });
        if let Some(epoch) = given.epoch.unwrap_or(epoch.into()).take_some() {
            push["epoch"] = epoch;
        }
        if let Some(follows) = given.follows.unwrap_or(follows.into()).take_some() {
            push["follows"] = follows;
        }
        self.send(
            conn,
            crate::history::Frame::text(push.to_string()),
            1,
            own,
            None,
        )
        .await
    }

    /// Awaits the ack of a push; gives its entry and results.
    pub(crate) async fn ack(
        &self,
        conn: ConnIx,
        push: Spoken,
    ) -> Result<(usize, Vec<Value>), Stop> {
        let (at, answer) = self.answer(conn, push, "the ack of a push").await?;
        match answer.member("results").and_then(Value::as_array) {
            Some(results) if answer.kind() == "ack" => Ok((at, results.clone())),
            _ => Err(Stop::broken("PUSH-ONE-ACK", "an ack", answer.to_string()).at([push.at, at])),
        }
    }

    /// Waits as long as a deferral asks for, unless that is longer than anything is waited for.
    pub(crate) async fn defer(&self, deferral: &Value) -> Result<(), Stop> {
        const PAUSE_MS: u64 = 20;
        let ms = deferral
            .get("retryAfterMs")
            .and_then(whole)
            .unwrap_or(PAUSE_MS);
        let time = Duration::from_millis(ms.max(1));
        if time > self.deadline {
            let why = format!("the server defers for longer than the deadline: {deferral}");
            return Err(Stop::Unknown(why));
        }
        tokio::time::sleep(time).await;
        Ok(())
    }
}

/// Members of a push that a step gives instead of the chain's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// `follows`; null leaves it out.
    pub(crate) follows: Option<Value>,
    /// `epoch`; null leaves it out.
    pub(crate) epoch: Option<Value>,
    /// Whether mutations were given members too.
    pub(crate) others: bool,
}

impl Given {
    /// Whether all is of the runner's own making, so that the frame must be valid.
    fn own(&self) -> bool {
        self.follows.is_none() && self.epoch.is_none() && !self.others
    }
}

trait TakeSome {
    fn take_some(self) -> Option<Value>;
}

impl TakeSome for Value {
    fn take_some(self) -> Option<Value> {
        Some(self).filter(|value| !value.is_null())
    }
}

/// Whether a result is what a short form or pattern says: `applied`, `rejected:no_ops`, `outcome`, `{...}`.
pub(crate) fn is_result(expected: &Value, result: &Value) -> bool {
    let Some(text) = expected.as_str() else {
        return matches(expected, Some(result), Others::Allowed).is_ok();
    };
    let is = |name: &str, value: &str| result.get(name).and_then(Value::as_str) == Some(value);
    match text.split_once(':') {
        Some((status, code)) => is("status", status) && is("code", code),
        None if text == "outcome" => is("status", "applied") || is("status", "rejected"),
        None => is("status", text),
    }
}

/// Compares all results of an ack with what a step expects; without expectations all `count` must be applied.
pub(crate) fn check_results(
    cx: &Cx,
    expected: Option<&Value>,
    results: &[Value],
    count: usize,
) -> Result<(), Stop> {
    let shown = || short(&Value::Array(results.iter().map(brief).collect()));
    match expected {
        None if results.len() == count
            && results
                .iter()
                .all(|result| is_result(&"applied".into(), result)) =>
        {
            Ok(())
        }
        None => Err(Stop::fail(format!("{count} applied"), shown())),
        Some(Value::Array(expected)) => {
            let fits = expected.len() == results.len()
                && expected
                    .iter()
                    .zip(results)
                    .all(|(expected, result)| is_result(expected, result));
            if !fits {
                return Err(Stop::fail(
                    format!("the results {}", short(&Value::Array(expected.clone()))),
                    shown(),
                ));
            }
            let patterns = expected
                .iter()
                .zip(results)
                .filter(|(expected, _)| expected.is_object());
            for (pattern, result) in patterns {
                // What a pattern binds is bound.
                cx.matches(pattern, Some(result), Others::Allowed)
                    .map_err(|mismatch| Stop::fail(short(pattern), mismatch.to_string()))?;
            }
            Ok(())
        }
        Some(pattern) => cx
            .matches(
                pattern,
                Some(&Value::Array(results.to_vec())),
                Others::Allowed,
            )
            .map_err(|mismatch| {
                Stop::fail(
                    format!("results like {}", short(pattern)),
                    mismatch.to_string(),
                )
            }),
    }
}

/// A result without what is only for people.
fn brief(result: &Value) -> Value {
    let mut brief = result.clone();
    if let Some(members) = brief.as_object_mut() {
        members.retain(|name, _| !matches!(name.as_str(), "message" | "opId"));
    }
    brief
}
