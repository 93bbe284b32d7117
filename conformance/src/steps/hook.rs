//! `hook`: something done to the server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, State, Stop};
use crate::history::{ConnIx, Event};
use crate::scenario::Hook as Name;

/// Has the target do something to the server that a URL alone cannot; the scenario must name it in `needs.hooks`. After `restart`, `kill` and
/// `restore` all connections are expected to end; `connect` then waits for the server to be back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hook {
    /// Which one.
    pub hook: Name,
}

impl Hook {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let hook = self.hook;
        let workspace = cx.workspace()?;
        cx.journal.record(Event::HookBegun { hook });
        let open = cx.with(|state| {
            let open: Vec<ConnIx> = (0..state.looked.len())
                .filter(|conn| state.is_open(*conn))
                .collect();
            if hook.ends_connections() {
                open.iter().for_each(|conn| state.let_end(*conn));
            }
            open
        });
        cx.server
            .hook(hook, &workspace)
            .await
            .map_err(|why| Stop::Unknown(format!("the hook `{}` failed: {why}", hook.name())))?;
        cx.journal.record(Event::HookDone { hook });
        if hook.ends_connections() {
            ended(cx, hook, &open).await
        } else {
            Ok(())
        }
    }
}

/// Awaits the end of the connections that were open: what comes later must be of new ones.
async fn ended(cx: &Cx, hook: Name, conns: &[ConnIx]) -> Result<(), Stop> {
    let remains = |state: &State| {
        conns
            .iter()
            .copied()
            .find(|conn| state.is_open(*conn) && state.looked[*conn].hears())
    };
    let mut all = |state: &mut State| remains(state).is_none().then_some(Ok(()));
    if cx.poll(None, "", cx.deadline, &mut all).await?.is_some() {
        return Ok(());
    }
    let name = cx
        .with(|state| remains(state).map(|conn| state.facts.conns[conn].name.clone()))
        .unwrap_or_default();
    match hook {
        Name::Restore => Err(Stop::broken(
            "MODEL-EPOCH-NEW",
            "a restore closes the connections on the older history",
            format!("{name} is still open"),
        )),
        _ => Err(Stop::Unknown(format!(
            "the hook `{}` did not end the connection {name}",
            hook.name()
        ))),
    }
}
