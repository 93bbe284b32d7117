//! `push`: mutations, as a client would send them or not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::drive::pushing::{Given, check_results, is_result};
use crate::drive::{Cx, Spoken, State, Stop};
use crate::history::ConnIx;
use crate::scenario::{Number, Template, Text};
use crate::vars::Bound;

/// Sends one `push` of the connection's client and awaits its `ack`. `seq`, `opId`, `follows` and `epoch` are those of the client's chain unless
/// they are given. What the server defers is sent again after `retryAfterMs`, unless a deferral is what `results` asks for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Push {
    /// Where.
    pub conn: Text,
    /// Names of earlier mutations to send again unchanged, before the new ones.
    #[serde(default)]
    pub retry: Vec<Text>,
    /// New mutations.
    #[serde(default)]
    pub mutations: Vec<Mutation>,
    /// Overrides `follows`; `{"$absent": true}` leaves it out.
    pub follows: Option<Template>,
    /// Overrides `epoch`.
    pub epoch: Option<Template>,
    /// What the ack's results must be, in order and no more: a list of `"applied"`, `"rejected"`, `"rejected:no_ops"`, `"refused:seq_gap"`,
    /// `"deferred"`, `"outcome"` (applied or rejected) or patterns of a result; or a pattern of the whole list. Without it every
    /// mutation must be applied.
    pub results: Option<Template>,
    /// Names the push: `${p.re}`, its frame's number, and once it is answered `${p.results}`.
    pub r#as: Option<Text>,
    /// What to await.
    #[serde(default)]
    pub r#await: PushAwait,
}

impl Push {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let mutations = self.planned(cx, conn)?;
        let given = |template: &Option<Template>| {
            template
                .as_ref()
                .map(|template| cx.value(&json!([template.0])))
                .transpose()
        };
        // In a list, what is absent is left as null.
        let alone = |value: Option<Value>| value.map(|list| list[0].clone());
        let absent = |value: Option<Value>| {
            value.map(|value| {
                if value == json!({ "$absent": true }) {
                    Value::Null
                } else {
                    value
                }
            })
        };
        let given = Given {
            follows: absent(alone(given(&self.follows)?)),
            epoch: absent(alone(given(&self.epoch)?)),
            others: self
                .mutations
                .iter()
                .any(|mutation| mutation.seq.is_some() || mutation.op_id.is_some()),
        };
        let push = cx.push(conn, &mutations, given.clone()).await?;
        if let Some(name) = &self.r#as {
            let name = cx.text(name)?;
            cx.with(|state| state.vars.bind(&name, Bound::Push(conn, push.ordinal)));
        }
        if self.r#await == PushAwait::Nothing {
            return Ok(());
        }
        let expected = self
            .results
            .as_ref()
            .map(|results| cx.pattern(&results.0))
            .transpose()?;
        let (at, results) = undeferred(cx, conn, &mutations, push, expected.as_ref()).await?;
        check_results(cx, expected.as_ref(), &results, mutations.len())
            .map_err(|stop| stop.at([push.at, at]))
    }

    /// The mutations to send: those to retry as they were, the new ones with their place in the chain.
    fn planned(&self, cx: &Cx, conn: ConnIx) -> Result<Vec<Value>, Stop> {
        let mut planned = self
            .retry
            .iter()
            .map(|name| sent(cx, name))
            .collect::<Result<Vec<_>, _>>()?;
        let mut next = cx.next_seq(conn);
        for mutation in &self.mutations {
            let mut message = json!({ "seq": next, "opId": cx.fresh_op_id()?, "ops": cx.value(&mutation.ops.0)? });
            if let Some(seq) = &mutation.seq {
                message["seq"] = cx.value(&seq.0)?;
            }
            if let Some(op_id) = &mutation.op_id {
                message["opId"] = cx.value(&op_id.0)?;
            }
            if let Some(age_ms) = &mutation.age_ms {
                message["ageMs"] = cx.number(age_ms)?.into();
            }
            next = message["seq"].as_u64().unwrap_or(next) + 1;
            if let Some(name) = &mutation.r#as {
                let name = cx.text(name)?;
                cx.with(|state| bind(state, &name, conn, &message));
            }
            planned.push(message);
        }
        Ok(planned)
    }
}

/// Lets a name stand for a mutation.
fn bind(state: &mut State, name: &str, conn: ConnIx, mutation: &Value) {
    let session = &state.facts.conns[conn];
    let bound = match (
        session.client(),
        mutation["seq"].as_u64(),
        mutation["opId"].as_str(),
    ) {
        (Some(client), Some(seq), Some(op_id)) => Bound::Mutation {
            workspace: session.workspace().to_owned(),
            client: client.to_owned(),
            seq,
            op_id: op_id.to_owned(),
        },
        _ => Bound::Value(mutation.clone()),
    };
    state.vars.bind(name, bound);
}

/// A mutation as it was sent.
fn sent(cx: &Cx, name: &Text) -> Result<Value, Stop> {
    let name = cx.text(name)?;
    let found = cx.with(|state| match state.vars.bound(&name)? {
        Bound::Mutation {
            workspace,
            client,
            seq,
            op_id,
        } => {
            let mutation = state.facts.ledger.find(workspace, client, *seq, op_id)?;
            Some(json!({ "seq": seq, "opId": op_id, "ops": mutation.sends.first()?.ops }))
        }
        Bound::Value(mutation) => Some(mutation.clone()),
        _ => None,
    });
    found.ok_or_else(|| Stop::misuse(format!("{name:?} is no mutation that was sent")))
}

/// The results of a push, sent again from where it was deferred, as often as it is, unless that is what is expected.
async fn undeferred(
    cx: &Cx,
    conn: ConnIx,
    mutations: &[Value],
    first: Spoken,
    expected: Option<&Value>,
) -> Result<(usize, Vec<Value>), Stop> {
    let deadline = Instant::now() + cx.deadline;
    let mut all: Vec<Value> = Vec::new();
    let mut push = first;
    loop {
        let (at, results) = cx.ack(conn, push).await?;
        let done = all.len();
        all.extend(results);
        let Some(last) = all
            .last()
            .filter(|last| last["status"] == "deferred")
            .cloned()
        else {
            return Ok((at, all));
        };
        let wanted = match expected {
            None => false,
            Some(Value::Array(expected)) => expected
                .get(all.len() - 1)
                .is_none_or(|expected| is_result(expected, &last)),
            Some(_) => true,
        };
        if wanted || all.len() == done {
            return Ok((at, all));
        }
        if Instant::now() > deadline {
            return Err(Stop::Unknown(
                "the server deferred the push again and again, up to the deadline".to_owned(),
            ));
        }
        all.pop();
        cx.defer(&last).await?;
        push = cx
            .push(conn, &mutations[all.len()..], Given::default())
            .await?;
    }
}

/// A new mutation of a push.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mutation {
    /// Names it: `${m.seq}`, `${m.opId}`, and once its outcome is known `${m.status}`, `${m.version}`, `${m.code}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#as: Option<Text>,
    /// The ops: a list, as they are sent.
    pub ops: Template,
    /// Overrides the next `seq` of the client's chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Template>,
    /// Overrides a fresh `opId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_id: Option<Template>,
    /// How old the client says that the write is. Without it the member is not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<Number>,
}

/// What a push awaits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushAwait {
    /// The `ack`.
    #[default]
    Ack,
    /// Nothing: pipelined, or to be lost. `await_acks` may ask later.
    Nothing,
}
