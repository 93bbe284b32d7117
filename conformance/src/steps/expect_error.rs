//! `expect_error`: an `error` with a registered code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use syncline_schemas::errors;

use crate::drive::{Cx, Stop};
use crate::history::ConnIx;
use crate::matcher::Others;
use crate::scenario::{Number, Template, Text};

/// Awaits the `error` that answers the frame sent last on this connection, with this code and the `scope` and `retryable` that the registry
/// gives it. After an error of scope connection, `expect_close` comes next.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectError {
    /// Whose frames.
    pub conn: Text,
    /// The code, as in the registry.
    pub code: Text,
    /// A pattern for `re`. Without it: the number of the frame sent last (for a code that the registry gives no `re`: none asked for).
    pub re: Option<Template>,
    /// A pattern for `at`. Without it none is asked for.
    pub at: Option<Template>,
    /// Waits so many milliseconds longer than the usual deadline.
    pub patience_ms: Option<Number>,
}

impl ExpectError {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let code = cx.text(&self.code)?;
        let def = errors::find(&code)
            .ok_or_else(|| Stop::misuse(format!("{code} is not in the registry")))?;
        let scope = def
            .frame_scope()
            .ok_or_else(|| Stop::misuse(format!("{code} is not carried by an error")))?;
        let mut pattern =
            json!({ "type": "error", "code": code, "scope": scope, "retryable": def.retryable });
        match &self.re {
            Some(re) => pattern["re"] = cx.pattern(&re.0)?,
            None if def.members.contains(&"re") => {
                pattern["re"] = cx.with(|state| state.facts.conns[conn].sent.len()).into()
            }
            None => {}
        }
        if let Some(at) = &self.at {
            pattern["at"] = cx.pattern(&at.0)?;
        }
        let wanted = format!("an error like {pattern}");
        self.alone(cx, conn, &pattern, &wanted).await
    }

    /// What answers the frame must be the error: another error, or another answer, is a failure at once.
    async fn alone(
        &self,
        cx: &Cx,
        conn: ConnIx,
        pattern: &Value,
        wanted: &str,
    ) -> Result<(), Stop> {
        let patience = cx.patience(self.patience_ms.as_ref())?;
        let any = match pattern.get("re") {
            Some(re) => json!({ "$in": [pattern, { "re": re }] }),
            None => pattern.clone(),
        };
        let at = super::expect::next(cx, conn, &any, wanted, false, patience).await?;
        let frame = cx
            .with(|state| state.facts.frame(at).cloned())
            .ok_or_else(|| Stop::misuse("no frame"))?;
        cx.matches(pattern, frame.json.as_ref(), Others::Allowed)
            .map_err(|mismatch| {
                Stop::fail(wanted, format!("{mismatch}; the frame: {frame}")).at([at])
            })
    }
}
