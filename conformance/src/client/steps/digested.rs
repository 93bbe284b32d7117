//! `digested`: what the server says that a shape has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use syncline_schemas::{Json, RowNumber, RowsDigest};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::history::whole;
use crate::scenario::{Number, Template, Text};

/// Sends the digest of a shape that has these rows: others than the client was given make one that differs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Digested {
    /// Where.
    pub conn: Text,
    /// The shape's name.
    pub shape: Text,
    /// The version at which it has them.
    pub at: Number,
    /// The rows: a list of `{table, key, version, value}`.
    pub rows: Template,
    /// The number of the `digest` that it answers. Without it: none, as after a replacement.
    pub re: Option<Number>,
}

impl Digested {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, _) = cx.conn(&self.conn)?;
        let rows = cx.value(&self.rows.0)?;
        let mut digest = RowsDigest::default();
        for row in rows.as_array().into_iter().flatten() {
            digest.add(number(row)?);
        }
        let mut frame = json!({
            "type": "digested", "shape": cx.text(&self.shape)?, "at": cx.number(&self.at)?,
            "count": digest.count, "sum": digest.sum(),
        });
        if let Some(re) = &self.re {
            frame["re"] = cx.number(re)?.into();
        }
        cx.say(conn, &frame).await.map(drop)
    }
}

/// The number of a row.
fn number(row: &Value) -> Result<RowNumber, Stop> {
    let text = |name: &str| row[name].as_str();
    let value = row.get("value").map(ToString::to_string);
    let value = value.and_then(|value| Json::parse(&value).ok());
    let parts = (text("table"), text("key"), whole(&row["version"]), value);
    let (Some(table), Some(key), Some(version), Some(value)) = parts else {
        return Err(Stop::misuse(format!(
            "{row} is no {{table, key, version, value}}"
        )));
    };
    RowNumber::of(table, key, version, &value).map_err(Stop::misuse)
}
