//! `online`: a client comes, or comes back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::present::{Present, given};
use super::subscribe::{Subscribe, SubscribeAwait};
use crate::drive::outbox::Manner;
use crate::drive::{Cx, Session, Stop};
use crate::history::ConnIx;
use crate::scenario::{Number, Template, Text};
use crate::vars::Bound;

/// So often does a client try to come online.
const ATTEMPTS_MAX: u32 = 3;

/// Brings a client online, as a real one does it: a session, if it has none that works; its subscription, from where its replica stands; then what is in its
/// outbox. Awaits the first complete update, asks for its digest where there are digests, and awaits all outcomes. If a fault is in the way, the client just is not online.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Online {
    /// The connection's name.
    pub conn: Text,
    /// The client. Without it, it only reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Text>,
    /// The tables to subscribe to. Without it: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables: Option<Template>,
    /// Names the replica. With a name that it had before it goes on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#as: Option<Text>,
    /// true: subscribes anew, from nothing, also if it is subscribed.
    #[serde(default)]
    pub afresh: bool,
    /// A state to be present with, once there is a session, if the server offers that. A session that it opens is told of others, too.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub present: Option<Template>,
    /// Mutations in a push at most. Without it: as many as the limits allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_push: Option<Number>,
}

impl Online {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let name = cx.text(&self.conn)?;
        for _ in 0..ATTEMPTS_MAX {
            match self.come(cx).await {
                // A connection that seemed to work did not, or the server is being restarted.
                Err(Stop::Lost(_))
                    if !cx
                        .network
                        .as_ref()
                        .is_some_and(|network| network.blocks(&name)) => {}
                Err(Stop::Lost(_)) => return Ok(()),
                other => return other,
            }
        }
        Ok(())
    }

    async fn come(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = self.session(cx).await?;
        let per_push = self
            .per_push
            .as_ref()
            .map(|number| cx.number(number))
            .transpose()?
            .unwrap_or(u64::MAX);
        let manner = |wait| Manner {
            per_push,
            copies: 1,
            wait,
        };
        if let Some(state) = &self.present
            && cx.with(|state| state.facts.conns[conn].offers("presence"))
        {
            let present = Present {
                conn: self.conn.clone(),
                state: Some(state.clone()),
                refused: None,
            };
            present.run(cx).await?;
        }
        let asked = self.subscribe(cx, conn).await?;
        // At once, so that what is written meets what is caught up with.
        cx.send_outbox(conn, manner(false)).await?;
        if let Some(asked_at) = asked {
            let sub = self.first_update(cx, conn, asked_at).await?;
            if cx.with(|state| state.facts.conns[conn].offers("digests")) {
                // Nobody waits for it: what comes is checked, whenever it comes.
                cx.ask_digest(sub).await?;
            }
        }
        cx.send_outbox(conn, manner(true)).await
    }

    /// The session that there is, or a new one.
    async fn session(&self, cx: &Cx) -> Result<ConnIx, Stop> {
        let name = cx.text(&self.conn)?;
        let before = cx.with(|state| match state.vars.bound(&name) {
            Some(Bound::Conn(conn)) if state.is_open(*conn) => Some((
                *conn,
                state.looked[*conn].hears() && state.facts.conns[*conn].welcome.is_some(),
            )),
            _ => None,
        });
        match before {
            // It may have ended without anybody's having seen it.
            Some((conn, true)) => return cx.fence(conn).await.map(|()| conn),
            Some((conn, false)) => cx.link(conn)?.cut().await,
            None => {}
        }
        let client = self
            .client
            .as_ref()
            .map(|client| cx.text(client))
            .transpose()?;
        let workspace = cx.workspace()?;
        if let Some(client) = &client {
            cx.with(|state| state.may_replace(&workspace, client));
        }
        let watches = self.present.is_some().then_some("presence");
        let capabilities = ["digests", "documents"].into_iter().chain(watches);
        let session = Session {
            workspace,
            client,
            capabilities: Some(capabilities.map(ToOwned::to_owned).collect()),
            ..Session::default()
        };
        cx.connect(&name, &session).await.map(|(conn, _)| conn)
    }

    /// Asks for the subscription, unless it is there; gives the entry of the `subscribe`.
    async fn subscribe(&self, cx: &Cx, conn: ConnIx) -> Result<Option<usize>, Stop> {
        let Some(tables) = &self.tables else {
            return Ok(None);
        };
        let replica = self.r#as.as_ref().map(|name| cx.text(name)).transpose()?;
        let earlier = replica.as_ref().and_then(|name| {
            cx.with(|state| match state.vars.bound(name) {
                Some(Bound::Sub(asked_at)) => state.facts.sub_of(*asked_at),
                _ => None,
            })
        });
        let live = earlier.is_some_and(|sub| {
            cx.with(|state| state.facts.subs[sub].conn == conn && state.facts.subs[sub].is_live())
        });
        if live && !self.afresh {
            return Ok(None);
        }
        let resume = replica
            .filter(|_| earlier.is_some() && !self.afresh)
            .map(Text);
        let subscribe = Subscribe {
            conn: self.conn.clone(),
            tables: tables.clone(),
            cursor: None,
            resume,
            r#as: None,
            r#await: SubscribeAwait::Nothing,
            refused: None,
            expect: None,
        };
        subscribe.ask(cx, conn).await.map(|asked| Some(asked.at))
    }

    /// Awaits the first complete update; gives the subscription. From when it is subscribed on, the name stands for the new replica.
    async fn first_update(&self, cx: &Cx, conn: ConnIx, asked_at: usize) -> Result<usize, Stop> {
        let name = self.r#as.as_ref().map(|name| cx.text(name)).transpose()?;
        cx.until(
            conn,
            "the first complete update of the subscription",
            Duration::ZERO,
            |state| {
                let sub = state.facts.sub_of(asked_at)?;
                if let Some(name) = &name {
                    state.vars.bind(name, Bound::Sub(asked_at));
                }
                (!state.facts.subs[sub].completes.is_empty()).then_some(Ok(sub))
            },
        )
        .await
    }
}
