//! `welcome`: a session opened on a connection that was accepted.

use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expect::take;
use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::history::ConnIx;
use crate::matcher::short;
use crate::scenario::{Template, Text};

/// Awaits the `hello` on a connection and answers it by `welcome`, as `session` does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Welcome {
    /// Which.
    pub conn: Text,
    /// The pattern of the `hello`.
    pub hello: Option<Template>,
    /// Members of the `welcome` that are not as the server knows them; of `limits`, those that are not the defaults.
    pub welcome: Option<Template>,
}

impl Welcome {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, _) = cx.conn(&self.conn)?;
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

/// Awaits a `hello`, holds it against its pattern, answers it, and binds both under the connection's name.
pub(super) async fn welcome(
    cx: &Cx,
    conn: ConnIx,
    name: &Text,
    hello_pattern: Option<&Template>,
    said: Option<&Template>,
) -> Result<(), Stop> {
    let is_hello = json!({ "type": "hello", "workspace": cx.value(&json!("${workspace}"))? });
    let (at, hello) = take(cx, conn, &is_hello).await?;
    let client_id = hello["clientId"].as_str().unwrap_or_default();
    cx.with(|state| client_id.clone_into(&mut state.conns[conn].client_id));
    if let Some(pattern) = hello_pattern {
        let pattern = cx.pattern(pattern)?;
        let wanted = || format!("a hello like {}", short(&pattern));
        let matched = cx.matches(&pattern, Some(&hello));
        matched.map_err(|mismatch| {
            Stop::fail(wanted(), format!("{mismatch}: {}", short(&hello))).at([at])
        })?;
    }
    cx.bind(Some(name), json!({ "hello": hello }))?;
    let said = said.map(|welcome| cx.value(&welcome.0)).transpose()?;
    let welcome = cx.with(|state| {
        let mut welcome = state.world.welcome(&hello, now_ms());
        overlay(&mut welcome, said.unwrap_or_default());
        state.world.follow(client_id, &welcome);
        welcome
    });
    cx.bind(Some(name), json!({ "hello": hello, "welcome": welcome }))?;
    cx.say(conn, &welcome).await.map(drop)
}

/// Puts members over those that are there; those of `limits` one by one.
fn overlay(welcome: &mut Value, said: Value) {
    let Value::Object(members) = said else { return };
    for (name, value) in members {
        if name == "limits" {
            overlay(&mut welcome["limits"], value);
        } else {
            welcome[name] = value;
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
