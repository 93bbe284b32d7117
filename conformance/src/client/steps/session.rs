//! `session`: a client let in, and welcomed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accept::accept;
use super::welcome::welcome;
use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::{Template, Text};

/// Lets a client connect, awaits its `hello` and answers it by `welcome`: honestly, where the scenario does not say otherwise. The name then has `hello` and
/// `welcome`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Session {
    /// Which client.
    pub client: Text,
    /// A name for the connection.
    pub conn: Text,
    /// The pattern of the `hello`.
    pub hello: Option<Template>,
    /// Members of the `welcome` that are not as the server knows them; of `limits`, those that are not the defaults.
    pub welcome: Option<Template>,
    /// false: the client is not told to go online: it has been, and comes by itself.
    #[serde(default = "yes")]
    pub told: bool,
}

impl Session {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (client, name) = (cx.text(&self.client)?, cx.text(&self.conn)?);
        if self.told {
            cx.done(&client, "go_online", json!({})).await?;
        }
        let conn = accept(cx, &client, &name).await?;
        welcome(cx, conn, &self.conn, self.hello.as_ref(), self.welcome.as_ref()).await
    }
}

fn yes() -> bool {
    true
}
