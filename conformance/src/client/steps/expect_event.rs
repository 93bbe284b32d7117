//! `expect_event`: what the client tells its app.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::client::journal::State;
use crate::drive::Stop;
use crate::matcher::{Others, short};
use crate::scenario::{Template, Text};

/// Awaits an event of a client that no step has taken before.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectEvent {
    /// Which.
    pub client: Text,
    /// The pattern of the event.
    pub event: Template,
}

impl ExpectEvent {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        let pattern = cx.pattern(&self.event)?;
        let wanted = format!("{client} tells an event like {}", short(&pattern));
        cx.until(&client, None, &wanted, |state| {
            let at = untaken(state, &client, |state, at| {
                let event = state.json(at).cloned();
                state
                    .matches(&pattern, event.as_ref(), Others::Allowed)
                    .is_ok()
            })?;
            state.apps.get_mut(&client)?.taken.insert(at);
            Some(Ok(()))
        })
        .await
    }
}

/// The first event of a client that no step has taken, and that fits.
pub(super) fn untaken(
    state: &mut State,
    client: &str,
    fits: impl Fn(&mut State, usize) -> bool,
) -> Option<usize> {
    let app = state.apps.get(client)?;
    let events: Vec<usize> = app
        .events
        .iter()
        .copied()
        .filter(|at| !app.taken.contains(at))
        .collect();
    events.into_iter().find(|at| fits(state, *at))
}
