//! `until`: how a client comes to stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::matcher::short;
use crate::scenario::{Template, Text};

/// Asks a client's adapter the same again and again, until the answer is as wanted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Until {
    /// Which.
    pub client: Text,
    /// The command: one that only asks. Without it: `status`.
    #[serde(default = "status")]
    pub command: String,
    /// Its members.
    pub with: Option<Template>,
    /// The pattern that the answer's `ok` must match in the end.
    pub answer: Template,
}

impl Until {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        let with = self
            .with
            .as_ref()
            .map_or(Ok(json!({})), |with| cx.value(&with.0))?;
        let pattern = cx.pattern(&self.answer)?;
        let wanted = format!("{client} answers {} by {}", self.command, short(&pattern));
        let fits = |ok: &serde_json::Value| {
            let matched = cx.matches(&pattern, Some(ok));
            matched.map_err(|mismatch| format!("{mismatch}: {}", short(ok)))
        };
        cx.ask_until(&client, &self.command, &with, &wanted, fits)
            .await
    }
}

fn status() -> String {
    "status".to_owned()
}
