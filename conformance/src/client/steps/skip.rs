//! `skip`: time that passes at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::{Number, Text};

/// Lets so many milliseconds pass for a client, at once: needs `skip_time`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Skip {
    /// Which.
    pub client: Text,
    /// How many.
    pub ms: Number,
}

impl Skip {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        let with = json!({ "ms": cx.number(&self.ms)? });
        cx.done(&client, "skip_time", with).await.map(drop)
    }
}
