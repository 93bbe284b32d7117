//! `expect_refused`: a handshake that must fail.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::drive::{Cx, Link, OpenError, Stop, excuse};
use crate::matcher::{Others, short};
use crate::scenario::{Template, Text};

/// Tries to open a WebSocket connection; the server must refuse the handshake.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectRefused {
    /// The subprotocols offered; may be empty.
    pub subprotocols: Vec<Text>,
    /// A pattern for the HTTP status. Without it: 400.
    pub status: Option<Template>,
}

impl ExpectRefused {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let subprotocols = self
            .subprotocols
            .iter()
            .map(|name| cx.text(name))
            .collect::<Result<Vec<_>, _>>()?;
        let status = self
            .status
            .as_ref()
            .map_or(Ok(json!(400)), |status| cx.pattern(&status.0))?;
        let wanted = format!(
            "the handshake is refused with HTTP status {}",
            short(&status)
        );
        let opened = tokio::time::timeout(
            cx.deadline,
            Link::open(
                &cx.journal,
                None,
                &cx.server.url(),
                "refused",
                &subprotocols,
            ),
        )
        .await;
        match opened {
            Err(_) => Err(Stop::Unknown(
                "silent: the handshake was not answered within the deadline".to_owned(),
            )),
            Ok(Err(OpenError::Unreachable(why))) => Err(Stop::Unknown(format!(
                "the server cannot be reached: {why}"
            ))),
            Ok(Err(OpenError::Refused(actual))) => cx
                .matches(&status, Some(&actual.into()), Others::Allowed)
                .map_err(|_| {
                    let fail = || Stop::fail(wanted, format!("HTTP status {actual}"));
                    excuse::of_status(actual).unwrap_or_else(fail)
                }),
            Ok(Err(OpenError::Subprotocol(_))) => {
                Err(Stop::fail(wanted, "a connection was opened"))
            }
            Ok(Err(OpenError::NotWebSocket(why))) => Err(Stop::fail(wanted, why)),
            Ok(Err(OpenError::Cut)) => Err(Stop::Lost("a fault has cut the connection".to_owned())),
            Ok(Ok(link)) => {
                link.close().await;
                Err(Stop::fail(wanted, "a connection was opened"))
            }
        }
    }
}
