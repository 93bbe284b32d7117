//! `converge`: all replicas come to the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::scenario::Text;

/// Awaits that every live replica has all that was acknowledged so far of its tables, and compares them with each other.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Converge {
    /// Only these connections' replicas. Without it: all.
    pub conns: Option<Vec<Text>>,
}

impl Converge {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let only = self.conns.as_ref().map(|conns| {
            conns
                .iter()
                .map(|conn| cx.conn(conn))
                .collect::<Result<Vec<_>, _>>()
        });
        cx.converge(only.transpose()?.as_deref()).await
    }
}
