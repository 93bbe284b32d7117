//! `decide`: pushes answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expect::{ordinal, take};
use crate::client::cx::Cx;
use crate::client::world::is_outcome;
use crate::drive::Stop;
use crate::history::ConnIx;
use crate::matcher::short;
use crate::scenario::{Template, Text};

/// Awaits mutations and decides them, over as many pushes as they come in. Each push gets its `ack`: retained outcomes, and refusals of what is not the next link of
/// the chain, are the server's own; what is new gets the results of the step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Decide {
    /// Where.
    pub conn: Text,
    /// What becomes of the new mutations, in order: `applied`, `rejected:<code>`, or members of a result. A version that is not given is the next one.
    pub results: Vec<Template>,
    /// Patterns of the new mutations, in order.
    #[serde(default)]
    pub mutations: Vec<Template>,
    /// false: they are decided, and the acks are lost.
    #[serde(default = "yes")]
    pub answer: bool,
    /// A name for the list of the decided mutations, each with its result's members.
    pub r#as: Option<Text>,
}

/// So many pushes in a row may be of what is decided or refused already: what a window can hold, and again as many.
const IDLE_MAX: usize = 600;

impl Decide {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, _) = cx.conn(&self.conn)?;
        let mut decided: Vec<Value> = Vec::new();
        let mut idle = 0;
        while decided.len() < self.results.len() {
            let (at, push) = take(cx, conn, &json!({ "type": "push" })).await?;
            let before = decided.len();
            let results = self.push(cx, conn, at, &push, &mut decided)?;
            if self.answer {
                let re = cx.with(|state| ordinal(state, conn, at));
                let ack = json!({ "type": "ack", "re": re, "results": results });
                cx.say(conn, &ack).await?;
            }
            idle = if decided.len() > before { 0 } else { idle + 1 };
            if idle > IDLE_MAX {
                let actual = format!("{idle} pushes in a row with nothing new to decide");
                return Err(Stop::fail("the next mutation of the chain", actual).at([at]));
            }
        }
        cx.bind(self.r#as.as_ref(), decided)
    }

    /// Decides what is new in a push; gives the results of its ack.
    fn push(
        &self,
        cx: &Cx,
        conn: ConnIx,
        at: usize,
        push: &Value,
        decided: &mut Vec<Value>,
    ) -> Result<Vec<Value>, Stop> {
        let client = cx.with(|state| state.conns[conn].client_id.clone());
        let mut results = Vec::new();
        for mutation in push["mutations"].as_array().into_iter().flatten() {
            let known = cx.with(|state| state.world.known(&client, mutation));
            let result = match known {
                Some(known) => known,
                None => self.fresh(cx, &client, at, mutation, decided)?,
            };
            let goes_on = is_outcome(&result);
            results.push(result);
            if !goes_on {
                break;
            }
        }
        Ok(results)
    }

    /// Decides a new mutation, as the step says; one more than it speaks of is applied.
    fn fresh(
        &self,
        cx: &Cx,
        client: &str,
        at: usize,
        mutation: &Value,
        decided: &mut Vec<Value>,
    ) -> Result<Value, Stop> {
        let index = decided.len();
        if let Some(pattern) = self.mutations.get(index) {
            let pattern = cx.pattern(pattern)?;
            let matched = cx.matches(&pattern, Some(mutation));
            matched.map_err(|mismatch| {
                Stop::fail(
                    format!("a mutation like {}", short(&pattern)),
                    format!("{mismatch}: {}", short(mutation)),
                )
                .at([at])
            })?;
        }
        let said = self
            .results
            .get(index)
            .map_or(Ok("applied".into()), |result| cx.value(&result.0))?;
        let result = cx.with(|state| state.world.decide(client, mutation, &said));
        let mut known = mutation.clone();
        for (name, value) in result.as_object().into_iter().flatten() {
            // Its own ops stay what they are.
            let name = if name == "ops" { "told" } else { name };
            known[name] = value.clone();
        }
        decided.push(known);
        Ok(result)
    }
}

fn yes() -> bool {
    true
}
