//! `expect_close`: the server closes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::drive::{Cx, Session, State, Stop, excuse};
use crate::facts::{End, How};
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
    /// A pattern for both together, `{"code": ..., "last": ...}`: for where one of them is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Template>,
    /// Waits so many milliseconds longer than the usual deadline.
    pub patience_ms: Option<Number>,
}

impl ExpectClose {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        cx.with(|state| state.let_end(conn));
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
        if !end.by_server() {
            return Err(Stop::misuse("the runner itself has closed the connection"));
        }
        let said = cx.with(|state| Said::of(state, conn, end));
        let patterns = [
            (&self.code, "the close code", said.code.clone()),
            (&self.last, "a last frame like", said.last.clone()),
            (&self.end, "an end like", said.whole()),
        ];
        for (pattern, wanted, actual) in patterns {
            let Some(pattern) = pattern else { continue };
            let pattern = cx.pattern(&pattern.0)?;
            let matched = cx.matches(&pattern, Some(&actual), Others::Allowed);
            matched.map_err(|mismatch| {
                let fail = || {
                    Stop::fail(
                        format!("{wanted} {}", short(&pattern)),
                        mismatch.to_string(),
                    )
                };
                said.excuse.clone().unwrap_or_else(fail).at([end.at])
            })?;
        }
        Ok(())
    }
}

/// What a server says by closing.
struct Said {
    /// The close code.
    code: Value,
    /// The last frame; null if there was none.
    last: Value,
    /// Why nothing can be said if that is not what was expected.
    excuse: Option<Stop>,
}

impl Said {
    fn of(state: &State, conn: ConnIx, end: End) -> Said {
        let last = state.facts.conns[conn].received.last();
        let frame = last.and_then(|at| state.facts.frame(*at));
        let lost = "the connection was reset: what the server said last may be lost";
        let lost = (end.how == How::Reset).then(|| Stop::Unknown(lost.to_owned()));
        Said {
            code: end.code().unwrap_or(NO_CLOSE_FRAME).into(),
            last: frame
                .and_then(|frame| frame.json.clone())
                .unwrap_or_default(),
            excuse: lost.or_else(|| frame.and_then(excuse::of_frame)),
        }
    }

    fn whole(&self) -> Value {
        json!({ "code": self.code, "last": self.last })
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
