//! `tell`: what the app does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::matcher::short;
use crate::scenario::{Template, Text};

/// Gives a client's adapter a command, and awaits that it is done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tell {
    /// Which.
    pub client: Text,
    /// The command, as in `adapter.md`.
    pub command: String,
    /// Its members.
    pub with: Option<Template>,
    /// The pattern that the answer's `ok` must match.
    pub answer: Option<Template>,
    /// The command must be refused, with an `error` that matches this pattern.
    pub refused: Option<Template>,
    /// false: does not wait for the answer.
    #[serde(default = "yes")]
    pub wait: bool,
    /// A name for the answer's `ok`.
    pub r#as: Option<Text>,
}

impl Tell {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        let with = self
            .with
            .as_ref()
            .map_or(Ok(json!({})), |with| cx.value(&with.0))?;
        if !self.wait {
            return cx.ask(&client, &self.command, with).await.map(drop);
        }
        let (at, answer) = cx.answer(&client, &self.command, with).await?;
        let (part, pattern) = match &self.refused {
            Some(refused) => ("error", cx.pattern(refused)?),
            None => (
                "ok",
                self.answer
                    .as_ref()
                    .map_or(Ok(json!({ "$any": true })), |pattern| cx.pattern(pattern))?,
            ),
        };
        let matched = cx.matches(&pattern, answer.get(part));
        matched.map_err(|mismatch| {
            let wanted = format!(
                "{} of {client} is answered by {part} {}",
                self.command,
                short(&pattern)
            );
            Stop::fail(wanted, format!("{mismatch}: {}", short(&answer))).at([at])
        })?;
        cx.bind(
            self.r#as.as_ref(),
            answer.get("ok").cloned().unwrap_or(Value::Null),
        )
    }
}

fn yes() -> bool {
    true
}
