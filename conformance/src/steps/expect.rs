//! `expect`: one frame that must come.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::drive::{Cx, Stop, excuse};
use crate::history::{ConnIx, Frame};
use crate::matcher::{Others, short};
use crate::scenario::{Number, Template, Text};
use crate::vars::Bound;

/// Awaits the next frame of the connection that matches. Looks on from behind the frame that the last `expect`, `expect_error` or `mark` of this
/// connection ended at, and passes over frames that other steps have awaited (welcomes, acks, pongs, first updates).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expect {
    /// Whose frames.
    pub conn: Text,
    /// The pattern of the frame.
    pub frame: Template,
    /// true: the very next frame that is no `update` must match; what does not match is a failure at once.
    #[serde(default)]
    pub strict: bool,
    /// Names to bind, each with the JSON Pointer of its value in the frame.
    #[serde(default)]
    pub bind: BTreeMap<String, String>,
    /// Waits so many milliseconds longer than the usual deadline, for what the protocol lets a server take its time with.
    pub patience_ms: Option<Number>,
}

impl Expect {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let pattern = cx.pattern(&self.frame.0)?;
        let wanted = format!("a frame like {}", short(&pattern));
        let at = next(
            cx,
            conn,
            &pattern,
            &wanted,
            self.strict,
            cx.patience(self.patience_ms.as_ref())?,
        )
        .await?;
        cx.with(|state| {
            for (name, pointer) in &self.bind {
                let value = state
                    .facts
                    .frame(at)
                    .and_then(|frame| frame.json.as_ref()?.pointer(pointer))
                    .cloned();
                let value = value.ok_or_else(|| {
                    Stop::fail(format!("{pointer} in the frame"), "it is not there").at([at])
                })?;
                state.vars.bind(name, Bound::Value(value));
            }
            Ok(())
        })
    }
}

/// Awaits the next frame that matches; gives its entry.
pub(super) async fn next(
    cx: &Cx,
    conn: ConnIx,
    pattern: &Value,
    wanted: &str,
    strict: bool,
    patience: Duration,
) -> Result<usize, Stop> {
    cx.until(conn, wanted, patience, |state| {
        let from = state.looked[conn].from;
        let received: Vec<usize> = state.facts.conns[conn].received[from..].to_vec();
        for (index, at) in received.into_iter().enumerate() {
            let frame = state.facts.frame(at)?;
            if state.looked[conn].awaited.contains(&at) {
                continue;
            }
            let frame = frame.clone();
            match state.matches(pattern, frame.json.as_ref(), Others::Allowed) {
                Ok(()) => {
                    state.looked[conn].from = from + index + 1;
                    return Some(Ok(at));
                }
                Err(mismatch) => {
                    if let Some(deferred) = deferral(pattern, &frame) {
                        return Some(Err(deferred));
                    }
                    if strict && frame.kind() != "update" {
                        let actual = format!("{mismatch}; the frame: {frame}");
                        let fail = || Stop::fail(wanted, actual).at([at]);
                        return Some(Err(excuse::of_frame(&frame).unwrap_or_else(fail)));
                    }
                }
            }
        }
        None
    })
    .await
}

/// Why nothing can be said, if this is the ack that is awaited, and the push was deferred.
fn deferral(pattern: &Value, frame: &Frame) -> Option<Stop> {
    let wanted = pattern.get("type") == Some(&Value::from("ack")) && frame.kind() == "ack";
    let of_push = pattern
        .get("re")
        .is_none_or(|re| Some(re) == frame.member("re"));
    let results = frame.member("results").and_then(Value::as_array)?;
    excuse::of_results(results).filter(|_| wanted && of_push)
}
