//! `sees`: the rows of a table, as the app sees them and as the client holds them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::matcher::{Others, matches, short};
use crate::scenario::{Template, Text};

/// What a client shows of a table, in the end; with `now`, at once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sees {
    /// Which.
    pub client: Text,
    /// The table.
    pub table: Text,
    /// The rows that the app sees, by key: these and no others.
    pub view: Option<Template>,
    /// The rows of the base, by key, each `{value, version}` or a part of it: these and no others.
    pub base: Option<Template>,
    /// true: it must be so at once.
    #[serde(default)]
    pub now: bool,
}

impl Sees {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        let with = json!({ "table": cx.text(&self.table)? });
        let pattern = |template: &Option<Template>| {
            template.as_ref().map(|rows| cx.pattern(rows)).transpose()
        };
        let (view, base) = (pattern(&self.view)?, pattern(&self.base)?);
        let wanted = wanted(&client, view.as_ref(), base.as_ref());
        let fits = |ok: &Value| {
            fits("view", view.as_ref(), ok, Others::Refused)?;
            fits("base", base.as_ref(), ok, Others::Allowed)
        };
        if !self.now {
            return cx
                .ask_until(&client, "read_all", &with, &wanted, fits)
                .await;
        }
        let (at, answer) = cx.answer(&client, "read_all", with).await?;
        fits(&answer["ok"]).map_err(|why| Stop::fail(wanted, why).at([at]))
    }
}

/// Holds the rows against the wanted ones: no row more or less; in a row, `others` says whether members may be left unnamed.
fn fits(part: &str, wanted: Option<&Value>, ok: &Value, others: Others) -> Result<(), String> {
    let (Some(wanted), rows) = (wanted, &ok[part]) else {
        return Ok(());
    };
    let keys = |rows: &Value| {
        rows.as_object()
            .map(|rows| rows.keys().cloned().collect::<Vec<_>>())
    };
    let same = keys(wanted) == keys(rows);
    let matched = matches(wanted, Some(rows), others);
    match (same, matched) {
        (true, Ok(_)) => Ok(()),
        (_, Err(mismatch)) => Err(format!("in its {part} {mismatch}: {}", short(rows))),
        (false, Ok(_)) => Err(format!("its {part} has the rows {}", short(rows))),
    }
}

fn wanted(client: &str, view: Option<&Value>, base: Option<&Value>) -> String {
    let parts = [("view", view), ("base", base)];
    let parts = parts
        .into_iter()
        .filter_map(|(name, rows)| Some(format!("{name} {}", short(rows?))));
    format!("{client} shows {}", parts.collect::<Vec<_>>().join(" and "))
}
