//! `present`: being seen by others.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use crate::drive::{Cx, Stop};
use crate::scenario::{Template, Text};

/// Sends `present`: the session is present with this state, or without one not any more. Awaits nothing, as nothing answers it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Present {
    /// The connection of the session.
    pub conn: Text,
    /// The state; `null` is one. Without it the session withdraws.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub state: Option<Template>,
    /// Expects this error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Text>,
}

/// What is there is given, `null` too.
pub(super) fn given<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Template>, D::Error> {
    Template::deserialize(source).map(Some)
}

impl Present {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let mut frame = json!({ "type": "present" });
        if let Some(state) = &self.state {
            frame["state"] = cx.value(&state.0)?;
        }
        let spoken = cx.say(conn, &frame).await?;
        let Some(code) = &self.refused else {
            return Ok(());
        };
        let code = cx.text(code)?;
        let wanted = format!("the error {code}");
        let (at, answer) = cx.answer(conn, spoken, &wanted).await?;
        if answer.kind() == "error" && answer.string("code") == Some(&code) {
            Ok(())
        } else {
            Err(Stop::fail(wanted, answer.to_string()).at([spoken.at, at]))
        }
    }
}
