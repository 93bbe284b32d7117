//! `unsubscribe`: ends a replica.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::subscribe::sub;
use crate::drive::{Cx, Stop};
use crate::scenario::Text;

/// Sends `unsubscribe` for a subscription and awaits nothing (there is no answer). Its rows can still be resumed from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Unsubscribe {
    /// The subscription's name.
    pub sub: Text,
}

impl Unsubscribe {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let sub = sub(cx, &self.sub)?;
        let (conn, shape) = cx.with(|state| {
            (
                state.facts.subs[sub].conn,
                state.facts.subs[sub].shape.clone(),
            )
        });
        cx.say(conn, &json!({ "type": "unsubscribe", "shape": shape }))
            .await
            .map(drop)
    }
}
