//! `expect_none`: a frame that must not come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::matcher::{Others, short};
use crate::scenario::{Template, Text};

/// Makes sure that all sent before is answered (`sync`), and fails if any frame since the last `expect`, `expect_error` or `mark` of this
/// connection matches, awaited by other steps or not.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectNone {
    /// Whose frames.
    pub conn: Text,
    /// The pattern that none may match.
    pub frame: Template,
}

impl ExpectNone {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let pattern = cx.pattern(&self.frame.0)?;
        cx.fence(conn).await?;
        cx.with(|state| {
            let from = state.looked[conn].from;
            let received: Vec<usize> = state.facts.conns[conn].received[from..].to_vec();
            let matching = received.into_iter().find(|at| {
                let json = state.facts.frame(*at).and_then(|frame| frame.json.clone());
                state
                    .matches(&pattern, json.as_ref(), Others::Allowed)
                    .is_ok()
            });
            let Some(at) = matching else { return Ok(()) };
            let shown = state
                .facts
                .frame(at)
                .map_or_else(String::new, ToString::to_string);
            Err(Stop::fail(format!("no frame like {}", short(&pattern)), shown).at([at]))
        })
    }
}
