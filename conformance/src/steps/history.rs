//! `history`: what was changed, by whom and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::drive::{Cx, Stop};
use crate::matcher::{Others, short};
use crate::scenario::{Number, Template, Text};
use crate::vars::Bound;

/// Asks for changes that were made, and awaits the page. That it is what the log has is checked where all pages are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct History {
    /// The connection.
    pub conn: Text,
    /// The table.
    pub table: Text,
    /// The row's key. Without it: all rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    /// `newest` or `oldest` first.
    pub order: Text,
    /// Behind this place: `{version, index?}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Template>,
    /// In front of this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Template>,
    /// Changes of a page at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Number>,
    /// true: asks for all pages, one after the other; `expect` is then of the last, and `changes` of all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Expects this error code instead of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Text>,
    /// A pattern that `past` must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Template>,
    /// The pattern of the list of changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Template>,
    /// A name for the page: `${p.changes}`, `${p.from}`, `${p.to}`, `${p.hasMore}`, and `${p.pages}`, how many there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#as: Option<Text>,
}

/// So many pages are asked for at most.
const PAGES_MAX: usize = 10_000;

impl History {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let most = if self.all { PAGES_MAX } else { 1 };
        let answers = cx.histories(conn, self.ask(cx)?, most).await?;
        let Some((at, last)) = answers.last() else {
            return Ok(());
        };
        let (wanted, is_it) = match &self.refused {
            None => ("past".to_owned(), last.kind() == "past"),
            Some(code) => {
                let code = cx.text(code)?;
                let is_it = last.kind() == "error" && last.string("code") == Some(&code);
                (format!("the error {code}"), is_it)
            }
        };
        if !is_it {
            return Err(Stop::fail(wanted, last.to_string()).at([*at]));
        }
        let changes = |(_, answer): &(usize, std::sync::Arc<crate::history::Frame>)| {
            let changes = answer.member("changes").and_then(Value::as_array);
            changes.cloned().unwrap_or_default()
        };
        let changes: Value = answers.iter().flat_map(changes).collect();
        let mut page = last.json.clone().unwrap_or_default();
        Self::holds(cx, self.expect.as_ref(), &page, *at)?;
        Self::holds(cx, self.changes.as_ref(), &changes, *at)?;
        if let Some(name) = &self.r#as {
            page["changes"] = changes;
            page["pages"] = answers.len().into();
            let name = cx.text(name)?;
            cx.with(|state| state.vars.bind(&name, Bound::Value(page)));
        }
        Ok(())
    }

    fn ask(&self, cx: &Cx) -> Result<Value, Stop> {
        let mut ask = json!({ "type": "history", "table": cx.text(&self.table)?, "order": cx.text(&self.order)? });
        if let Some(key) = &self.key {
            ask["key"] = cx.text(key)?.into();
        }
        for (name, place) in [("after", &self.after), ("before", &self.before)] {
            if let Some(place) = place {
                ask[name] = cx.value(&place.0)?;
            }
        }
        if let Some(limit) = &self.limit {
            ask["limit"] = cx.number(limit)?.into();
        }
        Ok(ask)
    }

    fn holds(cx: &Cx, pattern: Option<&Template>, value: &Value, at: usize) -> Result<(), Stop> {
        let Some(pattern) = pattern else {
            return Ok(());
        };
        let pattern = cx.pattern(&pattern.0)?;
        let matched = cx.matches(&pattern, Some(value), Others::Allowed);
        matched.map_err(|mismatch| {
            let actual = format!("{mismatch}: {}", short(value));
            Stop::fail(format!("a page like {}", short(&pattern)), actual).at([at])
        })
    }
}
