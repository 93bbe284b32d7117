//! `reach`: a replica comes to a version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::subscribe::sub;
use crate::drive::wait::patience;
use crate::drive::{Cx, Stop};
use crate::scenario::{Number, Text};

/// Awaits that a subscription's cursor is at least this version. A server owes that to the author of a mutation in the shape, and to others if
/// the version changed a row of the shape.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Reach {
    /// The subscription's name.
    pub sub: Text,
    /// The version.
    pub version: Number,
}

impl Reach {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let sub = sub(cx, &self.sub)?;
        let version = cx.number(&self.version)?;
        let conn = cx.with(|state| state.facts.subs[sub].conn);
        let wanted = format!("an update of {} to version {version} or above", self.sub.0);
        // The author's cursor may follow so much later.
        let level_ms = cx.with(|state| state.facts.limit(conn, "levelMs"));
        let patience = patience(level_ms.unwrap_or(0))?;
        cx.until(conn, &wanted, patience, |state| {
            let sub = &state.facts.subs[sub];
            (sub.replica.version(&sub.epoch) >= version).then_some(Ok(()))
        })
        .await
    }
}
