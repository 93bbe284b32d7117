//! `serve`: a shape asked for, and given.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expect::take;
use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::history::whole;
use crate::matcher::short;
use crate::scenario::{Number, Template, Text};

/// Awaits a `subscribe`, accepts it, and sends the first update: from the cursor that it names, or a replacement.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Serve {
    /// Where.
    pub conn: Text,
    /// The tables of the shape: a list of names, or an object of names with the settings that each must have.
    pub tables: Template,
    /// The pattern of the cursor that it must name.
    pub cursor: Option<Template>,
    /// The changes of the first update.
    pub changes: Option<Template>,
    /// Where the first update goes up to. Without it: the head.
    pub to: Option<Number>,
    /// false: no update is sent yet.
    #[serde(default = "yes")]
    pub update: bool,
    /// A name for the subscription; it has `id`, `shape`, `cursor` and `re`.
    pub r#as: Text,
}

impl Serve {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, _) = cx.conn(&self.conn)?;
        let tables = cx.value(&self.tables.0)?;
        let names = { tables.as_array().into_iter().flatten() }.filter_map(Value::as_str);
        let settings: serde_json::Map<_, _> = match tables.as_object() {
            Some(settings) => settings.clone(),
            None => names.map(|name| (name.to_owned(), json!({}))).collect(),
        };
        let asked = json!({ "type": "subscribe", "tables": { "$exactly": settings } });
        let (at, subscribe) = take(cx, conn, &asked).await?;
        if let Some(pattern) = &self.cursor {
            let pattern = cx.pattern(pattern)?;
            let matched = cx.matches(&pattern, subscribe.get("cursor"));
            matched.map_err(|mismatch| {
                Stop::fail(
                    format!("a subscribe from the cursor {}", short(&pattern)),
                    format!("{mismatch}: {}", short(&subscribe)),
                )
                .at([at])
            })?;
        }
        let shape = format!("shape-{}", subscribe["id"].as_str().unwrap_or_default());
        let shape = &shape[..shape.len().min(64)];
        let subscribed = json!({ "type": "subscribed", "id": subscribe["id"], "shape": shape, "tables": settings });
        cx.say(conn, &subscribed).await?;
        let re = cx.with(|state| super::expect::ordinal(state, conn, at));
        let bound = json!({ "id": subscribe["id"], "shape": shape, "re": re, "cursor": subscribe.get("cursor") });
        cx.bind(Some(&self.r#as), bound)?;
        if self.update {
            let update = self.first_update(cx, shape, &subscribe["cursor"])?;
            cx.say(conn, &update).await?;
        }
        Ok(())
    }

    fn first_update(&self, cx: &Cx, shape: &str, cursor: &Value) -> Result<Value, Stop> {
        let changes = self
            .changes
            .as_ref()
            .map_or(Ok(json!([])), |changes| cx.value(&changes.0))?;
        let (epoch, head) = cx.with(|state| (state.world.epoch.clone(), state.world.head));
        let to = self.to.as_ref().map_or(Ok(head), |to| cx.number(to))?;
        cx.with(|state| state.world.head = head.max(to));
        let resumes =
            cursor["epoch"] == *epoch && whole(&cursor["version"]).is_some_and(|at| at <= head);
        Ok(if resumes {
            json!({ "type": "update", "shape": shape, "from": cursor["version"], "to": to, "changes": changes })
        } else {
            json!({ "type": "update", "shape": shape, "from": 0, "to": to, "changes": changes, "replace": true })
        })
    }
}

fn yes() -> bool {
    true
}
