//! `cut`: a connection that breaks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::Text;

/// Breaks the connection off, without a word.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Cut {
    /// Which.
    pub conn: Text,
}

impl Cut {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, _) = cx.conn(&self.conn)?;
        cx.socket(conn)?.cut().await;
        Ok(())
    }
}
