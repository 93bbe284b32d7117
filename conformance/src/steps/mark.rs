//! `mark`: from here on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::scenario::Text;

/// Makes sure that all sent before is answered (`sync`), and lets later `expect` and `expect_none` look only at what comes after.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mark {
    /// Which connection.
    pub conn: Text,
}

impl Mark {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        cx.fence(conn).await?;
        cx.with(|state| state.looked[conn].from = state.facts.conns[conn].received.len());
        Ok(())
    }
}
