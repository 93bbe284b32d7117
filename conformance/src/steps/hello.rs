//! `hello`: a session on a connection that is open.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Session, Stop};
use crate::history::{ConnIx, Frame};
use crate::matcher::{Others, short};
use crate::scenario::{Number, Template, Text};

/// Says `hello` on a connection made by `open`, and awaits `welcome`. Otherwise as `connect`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hello {
    /// Where to say it.
    pub conn: Text,
    /// The `clientId`. Without it the session only reads.
    pub client: Option<Text>,
    /// Without it: `${workspace}`.
    pub workspace: Option<Text>,
    /// Without it: up to where this client has learnt its outcomes in this scenario.
    pub acked_seq: Option<Number>,
    /// What the client says that it understands. Without it the member is not sent.
    pub capabilities: Option<Vec<Text>>,
    /// A pattern that the `welcome` must match.
    pub expect: Option<Template>,
    /// What to await; `nothing` leaves the answer to later steps.
    #[serde(default)]
    pub r#await: HelloAwait,
}

impl Hello {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let session = session(
            cx,
            self.client.as_ref(),
            self.workspace.as_ref(),
            self.acked_seq.as_ref(),
            self.capabilities.as_deref(),
        )?;
        cx.hello(conn, &session).await?;
        match self.r#await {
            HelloAwait::Nothing => Ok(()),
            HelloAwait::Welcome => {
                let welcome = cx.welcome(conn).await?;
                check(cx, conn, self.expect.as_ref(), &welcome)
            }
        }
    }
}

pub(super) fn session(
    cx: &Cx,
    client: Option<&Text>,
    workspace: Option<&Text>,
    acked_seq: Option<&Number>,
    capabilities: Option<&[Text]>,
) -> Result<Session, Stop> {
    let texts = |texts: &[Text]| {
        texts
            .iter()
            .map(|text| cx.text(text))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(Session {
        workspace: workspace.map_or_else(|| cx.workspace(), |workspace| cx.text(workspace))?,
        client: client.map(|client| cx.text(client)).transpose()?,
        acked_seq: acked_seq
            .map(|acked_seq| cx.number(acked_seq))
            .transpose()?,
        capabilities: capabilities.map(texts).transpose()?,
    })
}

pub(super) fn check(
    cx: &Cx,
    conn: ConnIx,
    expect: Option<&Template>,
    welcome: &Frame,
) -> Result<(), Stop> {
    let Some(expect) = expect else { return Ok(()) };
    let pattern = cx.pattern(&expect.0)?;
    let at = cx.with(|state| state.facts.conns[conn].welcome.as_ref().map(|(at, _)| *at));
    cx.matches(&pattern, welcome.json.as_ref(), Others::Allowed)
        .map_err(|mismatch| {
            Stop::fail(
                format!("a welcome like {}", short(&pattern)),
                mismatch.to_string(),
            )
            .at(at)
        })
}

/// What a `hello` awaits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HelloAwait {
    /// The `welcome`.
    #[default]
    Welcome,
    /// Nothing.
    Nothing,
}
