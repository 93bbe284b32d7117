//! `await_acks`: the answers to pushes that were not awaited.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::pushing::check_results;
use crate::drive::{Cx, Spoken, Stop, excuse};
use crate::scenario::{Template, Text};

/// Awaits the acks of all pushes of the connection that are not answered yet.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AwaitAcks {
    /// Which connection.
    pub conn: Text,
    /// What the results of these acks, one ack after the other, must be, as in `push`. Without it they may be anything.
    pub results: Option<Template>,
}

impl AwaitAcks {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let open: Vec<Spoken> = cx.with(|state| {
            let facts = &state.facts;
            let sent = facts.conns[conn].sent.iter().enumerate();
            let pushes = sent.filter(|(_, sent)| {
                facts
                    .frame(sent.at)
                    .is_some_and(|frame| frame.kind() == "push")
            });
            let open = pushes.filter(|(_, sent)| {
                sent.answer
                    .is_none_or(|answer| !state.looked[conn].awaited.contains(&answer))
            });
            open.map(|(index, sent)| Spoken {
                at: sent.at,
                ordinal: index as u64 + 1,
            })
            .collect()
        });
        let mut all = Vec::new();
        for push in &open {
            all.extend(cx.ack(conn, *push).await?.1);
        }
        let expected = self
            .results
            .as_ref()
            .map(|results| cx.pattern(&results.0))
            .transpose()?;
        match expected {
            None => Ok(()),
            // What was pipelined behind a deferred mutation is refused, and the expectation says nothing.
            Some(expected) => check_results(cx, Some(&expected), &all, 0).map_err(|stop| {
                let fail = || stop.at(open.iter().map(|push| push.at));
                excuse::of_results(&all).unwrap_or_else(fail)
            }),
        }
    }
}
