//! `others`: whom a session knows to be present.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::drive::{Cx, State, Stop};
use crate::history::ConnIx;
use crate::matcher::{Others as Members, short};
use crate::scenario::{Number, Template, Text};

/// Awaits that what a session was told of the others of this scenario comes to this: who is present, with which state. Those that are not named must not be
/// present, as far as the session was told.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Others {
    /// The connection of the session that watches.
    pub conn: Text,
    /// Each session's name, as `"${a.session}"`, with the pattern of its state.
    pub present: Template,
    /// false: others may be present as well.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub exactly: bool,
    /// Waits so many milliseconds longer than a server may take otherwise, as `"${a.limits.idleTimeoutMs}"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience_ms: Option<Number>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_true(exactly: &bool) -> bool {
    *exactly
}

impl Others {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let pattern = cx.pattern(&self.present.0)?;
        let Value::Object(wanted) = &pattern else {
            return Err(Stop::misuse("`present` is an object of sessions"));
        };
        let patience = cx.telling(conn)? + cx.patience(self.patience_ms.as_ref())?;
        let what = format!("that those present are {}", short(&pattern));
        let seen = cx.until(conn, &what, patience, |state| {
            self.are(state, wanted, &told(state, conn))
                .then_some(Ok(()))
        });
        seen.await.map_err(|stop| match stop {
            Stop::Fail(mut failure) => {
                let told = cx.with(|state| Value::Object(told(state, conn)));
                failure.actual = format!("those that it was told of: {}", short(&told));
                Stop::Fail(failure)
            }
            other => other,
        })
    }

    fn are(
        &self,
        state: &mut State,
        wanted: &Map<String, Value>,
        told: &Map<String, Value>,
    ) -> bool {
        let known = !self.exactly || told.keys().all(|session| wanted.contains_key(session));
        let matches = |(session, pattern): (&String, &Value)| {
            let there = told.get(session);
            state.matches(pattern, there, Members::Allowed).is_ok()
        };
        known && wanted.iter().all(matches)
    }
}

/// The sessions of this scenario that are present, as far as this one was told, each with its state.
fn told(state: &State, conn: ConnIx) -> Map<String, Value> {
    let facts = &state.facts;
    let told = facts.conns[conn].others.iter();
    let states = told.filter_map(|(session, at)| {
        facts.of_session(session)?;
        let state = facts.frame(*at)?.member("state")?;
        Some((session.clone(), state.clone()))
    });
    states.collect()
}
