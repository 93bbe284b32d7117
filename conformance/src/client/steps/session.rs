//! `session`: a client let in, and welcomed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accept::accept;
use super::welcome::welcome;
use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::history::ConnIx;
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

/// So many connections in a row may be given up before the client says anything.
const GIVEN_UP_MAX: usize = 20;

impl Session {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (client, name) = (cx.text(&self.client)?, cx.text(&self.conn)?);
        if self.told {
            cx.done(&client, "go_online", json!({})).await?;
        }
        let mut conn = accept(cx, &client, &name).await?;
        for _ in 0..GIVEN_UP_MAX {
            if is_used(cx, &client, conn).await? {
                break;
            }
            conn = accept(cx, &client, &name).await?;
        }
        welcome(
            cx,
            conn,
            &self.conn,
            self.hello.as_ref(),
            self.welcome.as_ref(),
        )
        .await
    }
}

/// Whether the client says anything on a connection. One that it gave up before it was let in, for another, is none.
async fn is_used(cx: &Cx, client: &str, conn: ConnIx) -> Result<bool, Stop> {
    cx.until(client, None, &format!("{client} says hello"), |state| {
        let conn = &state.conns[conn];
        let (spoken, ended) = (!conn.received.is_empty(), conn.ended.is_some());
        (spoken || ended).then_some(Ok(spoken))
    })
    .await
}

fn yes() -> bool {
    true
}
