//! `expect_none`: a frame that must not come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expect::untaken;
use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::matcher::short;
use crate::scenario::{Template, Text};

/// Lets the client come to rest; then no frame that matches must have come that no step has taken.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectNone {
    /// Whose frames.
    pub conn: Text,
    /// The pattern of the frame.
    pub frame: Template,
}

impl ExpectNone {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, client) = cx.conn(&self.conn)?;
        let pattern = cx.pattern(&self.frame)?;
        cx.settle(&client).await?;
        let found = cx.with(|state| {
            let at = untaken(state, conn, &pattern)?;
            Some((at, state.json(at).map_or_else(String::new, short)))
        });
        match found {
            None => Ok(()),
            Some((at, frame)) => {
                Err(Stop::fail(format!("no frame like {}", short(&pattern)), frame).at([at]))
            }
        }
    }
}
