//! `expect_close`: the client leaves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::Text;

/// Awaits that the client closes the connection, or breaks it off.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectClose {
    /// Which.
    pub conn: Text,
}

impl ExpectClose {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, client) = cx.conn(&self.conn)?;
        let wanted = format!("{client} gives the connection up");
        cx.until(&client, None, &wanted, |state| {
            let (_, by_client) = state.conns[conn].ended?;
            by_client.then_some(Ok(()))
        })
        .await
    }
}
