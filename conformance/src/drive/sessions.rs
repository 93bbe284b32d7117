//! Opening connections and sessions, as the steps and the audit need it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use syncline_schemas::errors;
use tokio::time::{Instant, sleep};

use super::cx::Spoken;
use super::{Cx, Journal, Link, OpenError, State, Stop, excuse};
use crate::history::{ConnIx, Frame};
use crate::scenario::Hook;
use crate::vars::{Bound, Vars};

/// Between two attempts to reach a server that is being started.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// A server that nothing was done to may be unreachable for this part of the deadline: a moment, for a busy machine.
const UNREACHABLE_SHARE: u32 = 4;

/// So often a session is tried for at most, where the runner is too slow with its `hello`.
const LATE_MAX: u32 = 5;

/// What a `hello` says.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The workspace.
    pub workspace: String,
    /// The client; none reads only.
    pub client: Option<String>,
    /// Without it: what the client has learnt.
    pub acked_seq: Option<u64>,
    /// Without it the member is not sent.
    pub capabilities: Option<Vec<String>>,
}

impl Session {
    /// One that reads whatever there is: documents too.
    pub(crate) fn reader(workspace: String) -> Session {
        Session {
            workspace,
            capabilities: Some(vec!["documents".to_owned()]),
            ..Session::default()
        }
    }
}

impl State {
    /// A `hello` of this client is about to be said: the server ends its other sessions.
    pub(crate) fn may_replace(&mut self, workspace: &str, client: &str) {
        for conn in 0..self.looked.len() {
            let session = &self.facts.conns[conn];
            if session.workspace() == workspace && session.client() == Some(client) {
                self.let_end(conn);
            }
        }
    }
}

impl Cx {
    /// Opens a WebSocket under this name. A server that nobody reaches is tried again until the deadline: it may be starting.
    pub(crate) async fn open(&self, name: &str, subprotocols: &[String]) -> Result<ConnIx, Stop> {
        let network = self.network.as_deref();
        if network.is_some_and(|network| network.blocks(name)) {
            return Err(Stop::Lost(format!(
                "no connection {name} can be opened: a fault lets nothing through"
            )));
        }
        let still_open = self.with(|state| match state.vars.bound(name) {
            Some(Bound::Conn(conn)) => state.is_open(*conn) && !state.may_end(*conn),
            _ => false,
        });
        if still_open {
            return Err(Stop::misuse(format!("the connection {name} is still open")));
        }
        // A server that something was done to is given the time to come back; another that is gone is gone.
        let done_to = self.with(|state| !state.facts.hooks.is_empty());
        let patience = if done_to {
            self.deadline
        } else {
            self.deadline / UNREACHABLE_SHARE
        };
        let deadline = Instant::now() + self.deadline;
        let retry_until = Instant::now() + patience;
        loop {
            let url = self.server.url();
            let (began, dialled_us) =
                self.with(|state| (state.facts.entries.len(), state.now_us()));
            match tokio::time::timeout_at(
                deadline,
                Link::open(&self.journal, network, &url, name, subprotocols),
            )
            .await
            {
                Ok(Ok(link)) => {
                    let conn = self.adopt(link);
                    let may_end = network.is_some_and(|network| network.may_end(name));
                    self.with(|state| {
                        state.looked[conn].dialled_us = dialled_us;
                        // A server that was ended while it was opened takes it along, even if that is seen later.
                        let ending = |(hook, _, done): &(Hook, usize, usize)| {
                            hook.ends_connections() && *done >= began
                        };
                        let ending = state.facts.hooks.iter().any(ending);
                        if may_end || ending {
                            state.let_end(conn);
                        }
                        state.vars.bind(name, Bound::Conn(conn));
                    });
                    return Ok(conn);
                }
                Ok(Err(error))
                    if error.may_pass() && Instant::now() + RETRY_PAUSE < retry_until =>
                {
                    sleep(RETRY_PAUSE).await
                }
                Ok(Err(error)) => return Err(not_opened(&error)),
                Err(_) => {
                    return Err(Stop::Unknown(
                        "silent: the handshake was not answered within the deadline".to_owned(),
                    ));
                }
            }
        }
    }

    /// Whether anybody answers where the server should be. Leaves nothing in the journal.
    pub(crate) async fn is_reachable(&self) -> bool {
        let elsewhere = Arc::new(Journal::new(Vars::new("", "")));
        let offered = [syncline_schemas::SUBPROTOCOL.to_owned()];
        let url = self.server.url();
        let opening = Link::open(&elsewhere, None, &url, "reachable", &offered);
        let opened = tokio::time::timeout(self.deadline / UNREACHABLE_SHARE, opening).await;
        !matches!(opened, Ok(Err(OpenError::Unreachable(_))))
    }

    /// Says `hello`; gives the frame that was sent.
    pub(crate) async fn hello(&self, conn: ConnIx, session: &Session) -> Result<Spoken, Stop> {
        let mut hello = json!({ "type": "hello", "workspace": session.workspace });
        if let Some(client) = &session.client {
            let learnt =
                || self.with(|state| state.facts.ledger.acked_seq(&session.workspace, client));
            hello["clientId"] = client.as_str().into();
            hello["ackedSeq"] = session.acked_seq.unwrap_or_else(learnt).into();
        } else if let Some(acked_seq) = session.acked_seq {
            hello["ackedSeq"] = acked_seq.into();
        }
        if let Some(capabilities) = &session.capabilities {
            hello["capabilities"] = capabilities.as_slice().into();
        }
        self.say(conn, &hello).await
    }

    /// Awaits the `welcome`.
    pub(crate) async fn welcome(&self, conn: ConnIx) -> Result<Arc<Frame>, Stop> {
        self.until_answered(conn, "a welcome", |state| {
            let first = *state.facts.conns[conn].received.first()?;
            let frame = Arc::new(state.facts.frame(first)?.clone());
            state.looked[conn].awaited.insert(first);
            let may_end = state.may_end(conn);
            Some(match frame.kind() {
                "welcome" => Ok(frame),
                "goaway" if may_end => Err(Stop::Lost(format!("the server ends: {frame}"))),
                // CONN-WORKSPACE-CREATED lets a server open only the workspaces that it chooses.
                "error" if frame.string("code") == Some(errors::WORKSPACE_REFUSED.code) => Err(
                    Stop::Unknown(format!("the server does not open this workspace: {frame}")),
                ),
                _ => Err(state.excuse_of_hello(conn).unwrap_or_else(|| {
                    Stop::fail("welcome, as the first frame", frame.to_string()).at([first])
                })),
            })
        })
        .await
    }

    /// Opens a WebSocket, says `hello` and awaits `welcome`. Where the runner itself was so slow that the server did not wait for its `hello`, it tries again.
    pub(crate) async fn connect(
        &self,
        name: &str,
        session: &Session,
    ) -> Result<(ConnIx, Arc<Frame>), Stop> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let conn = self
                .open(name, &[syncline_schemas::SUBPROTOCOL.to_owned()])
                .await?;
            self.hello(conn, session).await?;
            let stop = match self.welcome(conn).await {
                Ok(welcome) => return Ok((conn, welcome)),
                Err(stop) => stop,
            };
            let was_late = self.with(|state| state.was_late(conn).is_some());
            if !was_late || attempts == LATE_MAX {
                return Err(stop);
            }
            if self.with(|state| state.is_open(conn)) {
                self.link(conn)?.cut().await;
            }
        }
    }

    /// The scenario's own workspace.
    pub(crate) fn workspace(&self) -> Result<String, Stop> {
        self.string(&Value::String("${workspace}".to_owned()))
    }

    /// Awaits the answer to a frame; gives its entry and the frame.
    pub(crate) async fn answer(
        &self,
        conn: ConnIx,
        to: Spoken,
        wanted: &str,
    ) -> Result<(usize, Arc<Frame>), Stop> {
        self.until_answered(conn, wanted, |state| {
            let at = state.facts.conns[conn].sent[to.ordinal as usize - 1].answer?;
            state.looked[conn].awaited.insert(at);
            state
                .facts
                .frame(at)
                .map(|frame| Ok((at, Arc::new(frame.clone()))))
        })
        .await
        .map_err(|stop| stop.at([to.at]))
    }
}

fn not_opened(error: &OpenError) -> Stop {
    match error {
        OpenError::Unreachable(why) => {
            Stop::Unknown(format!("the server cannot be reached: {why}"))
        }
        OpenError::Refused(status) => excuse::of_status(*status).unwrap_or_else(|| {
            let wanted = "the WebSocket handshake is accepted";
            Stop::broken("CONN-SUBPROTOCOL", wanted, format!("HTTP status {status}"))
        }),
        OpenError::Subprotocol(why) => Stop::broken(
            "CONN-SUBPROTOCOL",
            "the server selects syncline.v1",
            why.as_str(),
        ),
        OpenError::Cut => Stop::Lost("a fault has cut the connection".to_owned()),
        OpenError::NotWebSocket(why) => {
            Stop::Unknown(format!("what answers there speaks no WebSocket: {why}"))
        }
    }
}
