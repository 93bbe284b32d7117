//! `expect_close`: the server closes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Session, State, Stop};
use crate::history::ConnIx;
use crate::matcher::{Others, short};
use crate::scenario::{Number, Template, Text};

/// Awaits that the server closes the connection.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectClose {
    /// Which connection.
    pub conn: Text,
    /// A pattern for the WebSocket close code, as `1008` or `{"$in": [1001, 1006]}`. A connection that ended without a close frame has 1006.
    pub code: Option<Template>,
    /// A pattern for the last frame before.
    pub last: Option<Template>,
    /// Waits so many milliseconds longer than the usual deadline.
    pub patience_ms: Option<Number>,
}

impl ExpectClose {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        cx.with(|state| state.looked[conn].may_end = true);
        let patience = cx.patience(self.patience_ms.as_ref())?;
        let end = cx
            .until(conn, WANTED, patience, |state| {
                state.facts.conns[conn].ended.map(Ok)
            })
            .await;
        let end = match end {
            Err(Stop::Unknown(silence)) => return Err(open_still(cx, conn, silence).await),
            end => end?,
        };
        if !end.by_server {
            return Err(Stop::misuse("the runner itself has closed the connection"));
        }
        if let Some(code) = &self.code {
            let pattern = cx.pattern(&code.0)?;
            let code = end.code.unwrap_or(NO_CLOSE_FRAME);
            cx.matches(&pattern, Some(&code.into()), Others::Allowed)
                .map_err(|_| {
                    Stop::fail(
                        format!("the close code {}", short(&pattern)),
                        code.to_string(),
                    )
                    .at([end.at])
                })?;
        }
        let Some(last) = &self.last else {
            return Ok(());
        };
        let pattern = cx.pattern(&last.0)?;
        let (at, frame) = cx.with(|state| {
            let at = state.facts.conns[conn].received.last().copied();
            (at, at.and_then(|at| state.facts.frame(at)).cloned())
        });
        let json = frame.as_ref().and_then(|frame| frame.json.as_ref());
        cx.matches(&pattern, json, Others::Allowed)
            .map_err(|mismatch| {
                Stop::fail(
                    format!("a last frame like {}", short(&pattern)),
                    mismatch.to_string(),
                )
                .at(at)
            })
    }
}

/// It neither closed nor answered. If the server opens and answers another connection meanwhile, it is there, and has had time enough.
async fn open_still(cx: &Cx, conn: ConnIx, silence: String) -> Stop {
    let sees = |state: &State| state.is_open(conn) && state.looked[conn].hears();
    if cx.with(|state| sees(state)) && serves(cx).await.is_ok() && cx.with(|state| sees(state)) {
        return Stop::fail(
            WANTED,
            "it is still open, and answers nothing, while the server serves others",
        );
    }
    Stop::Unknown(silence)
}

/// Opens a session of its own and has a ping answered.
async fn serves(cx: &Cx) -> Result<(), Stop> {
    let name = format!("probe-{}", cx.with(State::counted));
    let session = Session {
        workspace: cx.workspace()?,
        ..Session::default()
    };
    let (probe, _) = cx.connect(&name, &session).await?;
    cx.fence(probe).await
}

const WANTED: &str = "the server closes the connection";

/// What RFC 6455 calls the code of a connection that ended without a close frame.
const NO_CLOSE_FRAME: u16 = 1006;
