//! `expect_no_event`: what the client does not tell its app.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expect_event::untaken;
use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::matcher::{Others, short};
use crate::scenario::{Template, Text};

/// Lets the client come to rest; then no event that fits must have come that no step has taken.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectNoEvent {
    /// Which.
    pub client: Text,
    /// The pattern of the event.
    pub event: Template,
}

impl ExpectNoEvent {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        let pattern = cx.pattern(&self.event)?;
        cx.settle(&client).await?;
        let found = cx.with(|state| {
            let at = untaken(state, &client, |state, at| {
                let event = state.json(at).cloned();
                state
                    .matches(&pattern, event.as_ref(), Others::Allowed)
                    .is_ok()
            })?;
            Some((at, state.json(at).map_or_else(String::new, short)))
        });
        match found {
            None => Ok(()),
            Some((at, event)) => {
                Err(Stop::fail(format!("no event like {}", short(&pattern)), event).at([at]))
            }
        }
    }
}
