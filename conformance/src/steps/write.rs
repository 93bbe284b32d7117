//! `write`: a client writes, whether it is online or not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::push_many::counter;
use crate::drive::outbox::{Ages, Manner};
use crate::drive::{Cx, Stop};
use crate::scenario::{Number, Template, Text};
use crate::vars::Bound;

/// Puts mutations into the client's outbox and, if its connection is open, sends them, as a real client does: in order, within its window, again where
/// they were deferred. If the connection ends meanwhile, they stay in the outbox until `online`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Write {
    /// The client's connection, open or not, or not yet.
    pub conn: Text,
    /// The client.
    pub client: Text,
    /// The mutations, each a list of ops.
    pub mutations: Vec<Template>,
    /// How often to write all of them; `${i}` counts from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<Number>,
    /// Mutations in a push at most. Without it: as many as the limits allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_push: Option<Number>,
    /// Sends every push so often, one right behind the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<Number>,
    /// How old the client says that each mutation is (`ageMs`), in milliseconds, as if it were sent as soon as it is written; what has passed by then is added. The
    /// first of the list at its first send, the next at the next, the last at all others: a client's clock may be put back and forth. Without it nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ages_ms: Vec<Number>,
    /// What to await.
    #[serde(default)]
    pub r#await: WriteAwait,
}

impl Write {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (workspace, client) = (cx.workspace()?, cx.text(&self.client)?);
        let number =
            |number: &Option<Number>| number.as_ref().map(|number| cx.number(number)).transpose();
        let ages: Vec<u64> = { self.ages_ms.iter() }
            .map(|age| cx.number(age))
            .collect::<Result<_, _>>()?;
        for turn in 0..number(&self.times)?.unwrap_or(1) {
            let cx = cx.turn(&counter(), turn);
            for ops in &self.mutations {
                let (ops, op_id) = (cx.value(&ops.0)?, cx.fresh_op_id()?);
                let written = (op_id.as_str(), ops, Ages::from_now(ages.clone()));
                cx.with(|state| state.write(&workspace, &client, written));
            }
        }
        let name = cx.text(&self.conn)?;
        let online = cx.with(|state| match state.vars.bound(&name) {
            Some(Bound::Conn(conn))
                if state.is_open(*conn) && state.facts.conns[*conn].welcome.is_some() =>
            {
                Some(*conn)
            }
            _ => None,
        });
        let manner = Manner {
            per_push: number(&self.per_push)?.unwrap_or(u64::MAX),
            copies: number(&self.copies)?.unwrap_or(1),
            wait: self.r#await == WriteAwait::Outcomes,
        };
        let Some(conn) = online else { return Ok(()) };
        match cx.send_outbox(conn, manner).await {
            Err(Stop::Lost(_)) => Ok(()),
            other => other,
        }
    }
}

/// What a `write` awaits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteAwait {
    /// The outcomes of all that the client has written.
    #[default]
    Outcomes,
    /// Nothing.
    Nothing,
}
