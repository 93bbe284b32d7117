//! `push_many`: a load of mutations.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::push::PushAwait;
use crate::drive::pushing::Given;
use crate::drive::{Cx, Spoken, Stop};
use crate::history::ConnIx;
use crate::scenario::{Number, Template, Text};
use crate::vars::{Bound, COUNT_MAX, bounded};

/// Pushes many new mutations of the connection's client, pipelined as far as `limits.inFlightMax` allows, and awaits that all are applied. Binds the
/// name in `as` to `${p.firstVersion}`, `${p.lastVersion}`, `${p.firstSeq}`, `${p.lastSeq}`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PushMany {
    /// Where.
    pub conn: Text,
    /// How many mutations.
    pub count: Number,
    /// How many in one push, at most `limits.pushMutationsMax`. Without it: 1.
    pub per_push: Option<Number>,
    /// The variable that counts them, from 0. Without it: `i`.
    #[serde(default = "counter")]
    pub var: String,
    /// The ops of each: a list.
    pub ops: Template,
    /// Names the load.
    pub r#as: Option<Text>,
    /// What to await. With `nothing`, `count` must not pass `limits.inFlightMax`.
    #[serde(default)]
    pub r#await: PushAwait,
}

impl PushMany {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let mut load = self.load(cx, conn)?;
        if self.r#await == PushAwait::Nothing && load.mutations.len() > load.window {
            return Err(Stop::misuse(
                "more mutations than limits.inFlightMax, and nobody to await the acks",
            ));
        }
        if self.r#await == PushAwait::Nothing {
            return load.send(cx).await;
        }
        load.finish(cx).await?;
        let Some(name) = &self.r#as else {
            return Ok(());
        };
        let name = cx.text(name)?;
        let seq = |mutation: Option<&Value>| {
            mutation.map_or(Value::Null, |mutation| mutation["seq"].clone())
        };
        let known = json!({
            "firstSeq": seq(load.mutations.first()), "lastSeq": seq(load.mutations.last()),
            "firstVersion": load.versions.first(), "lastVersion": load.versions.last(),
        });
        cx.with(|state| state.vars.bind(&name, Bound::Value(known)));
        Ok(())
    }

    fn load(&self, cx: &Cx, conn: ConnIx) -> Result<Load, Stop> {
        let limit =
            |name: &str| cx.with(|state| state.facts.limit(conn, name)).unwrap_or(1) as usize;
        let first = cx.next_seq(conn);
        let mutation = |turn: u64| {
            let ops = cx.turn(&self.var, turn).value(&self.ops.0)?;
            Ok(json!({ "seq": first + turn, "opId": cx.fresh_op_id()?, "ops": ops }))
        };
        let count = bounded("a load", cx.number(&self.count)?, COUNT_MAX)?;
        let per_push = self
            .per_push
            .as_ref()
            .map_or(Ok(1), |number| cx.number(number))? as usize;
        let window = limit("inFlightMax");
        Ok(Load {
            conn,
            mutations: (0..count as u64)
                .map(mutation)
                .collect::<Result<_, Stop>>()?,
            per_push: per_push.clamp(1, limit("pushMutationsMax").min(window).max(1)),
            window,
            sent: 0,
            versions: Vec::new(),
            open: VecDeque::new(),
        })
    }
}

/// Mutations on their way.
struct Load {
    conn: ConnIx,
    mutations: Vec<Value>,
    per_push: usize,
    window: usize,
    /// How many were sent.
    sent: usize,
    /// The versions of those that were decided.
    versions: Vec<Value>,
    /// The pushes that are not answered.
    open: VecDeque<Spoken>,
}

impl Load {
    /// Sends as many as the window lets.
    async fn send(&mut self, cx: &Cx) -> Result<(), Stop> {
        while self.sent < self.mutations.len() {
            let end = (self.sent + self.per_push).min(self.mutations.len());
            if end - self.versions.len() > self.window {
                return Ok(());
            }
            self.open.push_back(
                cx.push(self.conn, &self.mutations[self.sent..end], Given::default())
                    .await?,
            );
            self.sent = end;
        }
        Ok(())
    }

    /// Sends all and awaits that all are applied, obeying deferrals for as long as something is decided between them.
    async fn finish(&mut self, cx: &Cx) -> Result<(), Stop> {
        let mut give_up = Instant::now() + cx.deadline;
        while self.versions.len() < self.mutations.len() {
            let decided = self.versions.len();
            self.send(cx).await?;
            if let Some(deferral) = self.some_acks(cx).await? {
                cx.defer(&deferral).await?;
                self.sent = self.versions.len();
            }
            if self.versions.len() > decided {
                give_up = Instant::now() + cx.deadline;
            } else if Instant::now() > give_up {
                let why = "the server deferred a load again and again, up to the deadline";
                return Err(Stop::Unknown(why.to_owned()));
            }
        }
        Ok(())
    }

    /// Awaits the ack of the first open push; if it was deferred, those of all. Gives the deferral.
    async fn some_acks(&mut self, cx: &Cx) -> Result<Option<Value>, Stop> {
        let mut deferral = None;
        while let Some(push) = self.open.pop_front() {
            let (at, results) = cx.ack(self.conn, push).await?;
            for result in results {
                match result["status"].as_str() {
                    Some("applied") => self.versions.push(result["version"].clone()),
                    Some("deferred") => deferral = Some(result),
                    // What was pipelined behind a deferred one has a gap before it.
                    Some("refused") if deferral.is_some() && result["code"] == "seq_gap" => {}
                    _ => {
                        return Err(Stop::fail("applied", result.to_string()).at([push.at, at]));
                    }
                }
            }
            if deferral.is_none() {
                break;
            }
        }
        Ok(deferral)
    }
}

pub(crate) fn counter() -> String {
    "i".to_owned()
}
