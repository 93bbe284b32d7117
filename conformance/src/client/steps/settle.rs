//! `settle`: the client at rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::Text;

/// Lets a client come to rest: what it was sent it has read, and what that led to has arrived, as far as can be seen from outside.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Settle {
    /// Which.
    pub client: Text,
}

impl Settle {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        cx.settle(&cx.text(&self.client)?).await
    }
}
