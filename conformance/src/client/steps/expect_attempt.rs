//! `expect_attempt`: how long a client waits before it connects again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use crate::client::cx::Cx;
use crate::client::journal::State;
use crate::drive::Stop;
use crate::history::{Event, Happening};
use crate::scenario::{Number, Text};

/// Lets time pass for a client until it tries to connect, and binds how long that took by its clock, in milliseconds: `${name.least}` and `${name.most}`, for it is not
/// known exactly. Needs `skip_time`. The attempt waits to be accepted or turned away.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectAttempt {
    /// Which.
    pub client: Text,
    /// It must come within so many milliseconds.
    pub within: Number,
    /// A name for how long it took.
    pub r#as: Text,
}

/// How far time is skipped at least, in milliseconds; and of what was skipped before, so that the wait is known as closely however long it is.
const STEP_MS: u64 = 25;
const STEP_SHARE: u64 = 32;

impl ExpectAttempt {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        let (within, began) = (cx.number(&self.within)?, Instant::now());
        // What passes before it has noticed that it is alone need not count for it.
        cx.settle(&client).await?;
        let calm = Instant::now();
        let passed = |since: Instant, skipped: u64| {
            skipped + u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
        };
        // What has passed for it before a step was taken, of the last two: an attempt may be on its way that is not seen.
        let mut before = [0, 0];
        let mut skipped = 0;
        while cx.with(|state| !attempts(state, &client)) {
            if skipped > within {
                let actual = format!("{skipped} ms have passed for it");
                return Err(Stop::fail(
                    format!("{client} connects again within {within} ms"),
                    actual,
                ));
            }
            before = [before[1], passed(calm, skipped)];
            let step = STEP_MS.max(skipped / STEP_SHARE);
            cx.done(&client, "skip_time", json!({ "ms": step })).await?;
            skipped += step;
            cx.settle(&client).await?;
        }
        let waited = json!({ "least": before[0], "most": passed(began, skipped) });
        cx.bind(Some(&self.r#as), waited)
    }
}

/// Whether there is an attempt to connect that was neither accepted nor turned away.
fn attempts(state: &State, client: &str) -> bool {
    let waiting = state
        .entries
        .iter()
        .rev()
        .find_map(|entry| match &entry.event {
            Event::Process { client: own, what } if own == client => match what {
                Happening::Connects => Some(true),
                Happening::TurnedAway => Some(false),
                _ => None,
            },
            Event::Opened { conn, .. } if state.conns[*conn].client == client => Some(false),
            _ => None,
        });
    waiting.unwrap_or(false)
}
