//! The steps of a scenario: one file a verb, with what the file's JSON may say and what is done.
//!
//! A new verb is a new file here, its `mod` and a line in `verbs!`; the scenario schema and the document's test follow from it.

pub mod assert;
pub mod await_acks;
pub mod bind;
pub mod close;
pub mod connect;
pub mod converge;
pub mod cut;
pub mod digest;
pub mod expect;
pub mod expect_close;
pub mod expect_error;
pub mod expect_none;
pub mod expect_refused;
pub mod fault;
pub mod heal;
pub mod hear;
pub mod hello;
pub mod history;
pub mod hook;
pub mod mark;
pub mod online;
pub mod open;
pub mod others;
pub mod parallel;
pub mod present;
pub mod push;
pub mod push_many;
pub mod reach;
pub mod repeat;
pub mod replay;
pub mod rows;
pub mod send;
pub mod snapshot;
pub mod start_reading;
pub mod stop_reading;
pub mod subscribe;
pub mod sync;
pub mod unsubscribe;
pub mod wait;
pub mod write;

use std::borrow::Cow;

use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::drive::{Cx, Stop};

/// Declares the enum of the verbs and their names.
macro_rules! verbs {
    ($($name:ident: $verb:ident),* $(,)?) => {
        /// What a step does: its `do`, with the verb's own members.
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "do", rename_all = "snake_case")]
        #[allow(missing_docs, reason = "each verb's type says what it is")]
        pub enum Verb {
            $($verb($name::$verb),)*
        }

        /// The names of all verbs.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        impl Verb {
            /// The verb's name, as in `do`.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Verb::$verb(_) => stringify!($name),)*
                }
            }

            fn run<'a>(&'a self, cx: &'a Cx) -> BoxFuture<'a, Result<(), Stop>> {
                match self {
                    $(Verb::$verb(step) => Box::pin(step.run(cx)),)*
                }
            }
        }

        impl $crate::steps::Verbs for Verb {
            const NAMES: &'static [&'static str] = NAMES;
        }
    };
}
pub(crate) use verbs;

verbs! {
    open: Open,
    connect: Connect,
    hello: Hello,
    send: Send,
    expect: Expect,
    expect_error: ExpectError,
    expect_none: ExpectNone,
    expect_close: ExpectClose,
    expect_refused: ExpectRefused,
    mark: Mark,
    sync: Sync,
    subscribe: Subscribe,
    unsubscribe: Unsubscribe,
    push: Push,
    push_many: PushMany,
    await_acks: AwaitAcks,
    cut: Cut,
    close: Close,
    stop_reading: StopReading,
    start_reading: StartReading,
    hear: Hear,
    wait: Wait,
    reach: Reach,
    converge: Converge,
    rows: Rows,
    snapshot: Snapshot,
    digest: Digest,
    history: History,
    present: Present,
    others: Others,
    write: Write,
    online: Online,
    replay: Replay,
    fault: Fault,
    heal: Heal,
    hook: Hook,
    parallel: Parallel,
    repeat: Repeat,
    assert: Assert,
    bind: Bind,
}

/// What steps can do: the verbs of one kind of scenario.
pub trait Verbs: DeserializeOwned + JsonSchema {
    /// Their names, as in `do`.
    const NAMES: &'static [&'static str];
}

/// One step of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Step<V = Verb> {
    /// The requirements that are broken if the step fails. Without it: the scenario's `checks`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blames: Vec<String>,
    /// For people: why the step is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What is done.
    #[serde(flatten)]
    pub verb: V,
}

/// Runs steps in order, up to the first that does not go through.
pub(crate) async fn run_all(cx: &Cx, steps: &[Step]) -> Result<(), Stop> {
    for (index, step) in steps.iter().enumerate() {
        let cx = cx.at(&index.to_string());
        step.verb
            .run(&cx)
            .await
            .map_err(|stop| step.blamed(stop, &cx.place))?;
    }
    Ok(())
}

impl Step {
    /// Whether the step, or one within it, asserts something of its own, beyond that it goes through.
    #[must_use]
    pub fn asserts(&self) -> bool {
        match &self.verb {
            Verb::Open(_)
            | Verb::Expect(_)
            | Verb::ExpectError(_)
            | Verb::ExpectNone(_)
            | Verb::ExpectClose(_)
            | Verb::ExpectRefused(_) => true,
            Verb::Rows(_)
            | Verb::Snapshot(_)
            | Verb::Digest(_)
            | Verb::History(_)
            | Verb::Others(_)
            | Verb::Hear(_)
            | Verb::Reach(_)
            | Verb::Converge(_) => true,
            // A guard asserts nothing of the server.
            Verb::Assert(assert) => assert.r#else == assert::Otherwise::Fail,
            Verb::Connect(connect) => connect.expect.is_some(),
            Verb::Hello(hello) => hello.expect.is_some(),
            Verb::Push(push) => push.results.is_some(),
            Verb::Present(present) => present.refused.is_some(),
            Verb::AwaitAcks(acks) => acks.results.is_some(),
            Verb::Subscribe(subscribe) => subscribe.refused.is_some() || subscribe.expect.is_some(),
            _ => self.inner().any(Step::asserts),
        }
    }

    /// Whether the step, or one within it, is a fault of the network.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        matches!(self.verb, Verb::Fault(_)) || self.inner().any(Step::has_faults)
    }

    /// The steps within it.
    fn inner(&self) -> impl Iterator<Item = &Step> {
        let (steps, branches) = match &self.verb {
            Verb::Repeat(repeat) => (&repeat.steps[..], &[][..]),
            Verb::Parallel(parallel) => (&[][..], &parallel.branches[..]),
            _ => (&[][..], &[][..]),
        };
        steps.iter().chain(branches.iter().flatten())
    }
}

impl<V> Step<V> {
    /// Says of a failure where it was, and whom the step blames.
    pub(crate) fn blamed(&self, stop: Stop, place: &str) -> Stop {
        let Stop::Fail(mut failure) = stop else {
            return stop;
        };
        failure.step.get_or_insert_with(|| place.to_owned());
        if failure.requirements.is_empty() {
            failure.requirements.clone_from(&self.blames);
        }
        Stop::Fail(failure)
    }
}

/// The members that every step may have beside its verb's.
const COMMON: [&str; 2] = ["blames", "note"];

impl<'de, V: Verbs> Deserialize<'de> for Step<V> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Step<V>, D::Error> {
        let mut members = serde_json::Map::deserialize(source)?;
        let name = members
            .get("do")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !V::NAMES.contains(&name) {
            return Err(D::Error::custom(format!(
                "`do` is {name:?}, which is no verb (there are {})",
                V::NAMES.join(", ")
            )));
        }
        let [blames, note] = COMMON.map(|member| members.remove(member));
        Ok(Step {
            blames: blames
                .map(serde_json::from_value)
                .transpose()
                .map_err(D::Error::custom)?
                .unwrap_or_default(),
            note: note
                .map(serde_json::from_value)
                .transpose()
                .map_err(D::Error::custom)?,
            verb: serde_json::from_value(Value::Object(members)).map_err(D::Error::custom)?,
        })
    }
}

impl<V: Verbs> JsonSchema for Step<V> {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    /// The verbs' schema, with the common members in each.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = V::json_schema(generator);
        let verbs = schema
            .get_mut("oneOf")
            .and_then(Value::as_array_mut)
            .expect("an enum of verbs is a oneOf");
        for verb in verbs {
            verb["properties"]["blames"] = json!({ "description": "The requirements that are broken if the step fails. Without it: the scenario's `checks`.",
                        "type": "array", "items": { "type": "string" } });
            verb["properties"]["note"] =
                json!({ "description": "For people: why the step is there.", "type": "string" });
        }
        schema.insert(
            "description".to_owned(),
            json!("One step of a scenario: `do` names the verb."),
        );
        schema
    }
}
