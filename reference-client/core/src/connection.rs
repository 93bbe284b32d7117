//! The connection: when to open one, when to give it up, and how to keep it alive.

use syncline_schemas::mark;
use syncline_schemas::{ClientMessage, Goaway, Hello, Ping, errors};

use crate::conflicts::CONFLICTS;
use crate::digests::DIGESTS;
use crate::documents::DOCUMENTS;
use crate::env::Env;
use crate::events::{Origin, Trouble};
use crate::presence::{PRESENCE, Told};
use crate::replica::{Replica, Wish};
use crate::sequences::SEQUENCES;
use crate::session::{Link, Stage};

/// How long `hello` may go unanswered.
const GREETING_MS: u64 = 15_000;

/// How long a replica that was replaced stays away at least, and how much longer at random (`CLIENT-REPLACED`).
const REPLACED_MS: u64 = 1_000;
const REPLACED_JITTER_MS: u64 = 4_000;

/// Inputs about the connection.
impl Replica {
    /// The app wants a connection, from now on and at once.
    pub fn go_online(&mut self, env: Env) {
        self.env = env;
        self.backoff.reset();
        if matches!(self.link, Link::Paused | Link::Waiting { .. }) {
            self.link = Link::Waiting {
                until_ms: env.steady_ms,
            };
            self.connect_if_due();
        }
    }

    /// The app wants no connection until it says [`go_online`](Self::go_online).
    pub fn go_offline(&mut self, env: Env) {
        self.env = env;
        self.close();
        self.link = Link::Paused;
        self.finish(Origin::Server);
    }

    /// The connection that [`Wish::Connect`] asked for is open.
    pub fn connected(&mut self, env: Env) {
        self.env = env;
        if !matches!(self.link, Link::Connecting) {
            return;
        }
        let meta = self.durable.meta();
        // Who names presence is told of everyone: only where someone wants to know.
        let watched = self.presence.watches.then_some(PRESENCE);
        let capabilities = [CONFLICTS, DIGESTS, DOCUMENTS, SEQUENCES]
            .into_iter()
            .chain(watched);
        let hello = Hello {
            workspace: meta.workspace.clone(),
            client_id: Some(meta.client_id.clone()),
            acked_seq: Some(meta.acked_seq),
            capabilities: Some(capabilities.map(ToOwned::to_owned).collect()),
        };
        self.frames.push_back(ClientMessage::Hello(hello).encode());
        self.link = Link::Greeting {
            since_ms: env.steady_ms,
        };
    }

    /// The connection is over, or could not be opened. What was staged is dropped with it (`CLIENT-STAGED`).
    pub fn disconnected(&mut self, cause: &str, env: Env) {
        self.env = env;
        if matches!(
            self.link,
            Link::Connecting | Link::Greeting { .. } | Link::Ready(_)
        ) {
            self.fail(None, cause);
            self.wait(0);
            self.finish(Origin::Server);
        }
    }

    /// Anything at all has come from the server, a WebSocket ping included, which the shell has answered (`CLIENT-LIVENESS`).
    pub fn heard(&mut self, env: Env) {
        self.env = env;
        if let Some(session) = self.session() {
            session.heard_ms = env.steady_ms;
        }
    }

    /// The shell has answered a WebSocket ping: both sides have heard of each other.
    pub fn ponged(&mut self, env: Env) {
        self.heard(env);
        if let Some(session) = self.session() {
            session.said_ms = env.steady_ms;
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, env: Env) {
        self.env = env;
        let now = env.steady_ms;
        match &self.link {
            Link::Paused | Link::Connecting => {}
            Link::Waiting { .. } => self.connect_if_due(),
            Link::Greeting { since_ms } if now >= since_ms + GREETING_MS => {
                self.reconnect("hello was not answered", 0)
            }
            Link::Greeting { .. } => {}
            Link::Ready(_) => {
                self.keep_alive();
                self.verify_if_due();
            }
        }
        self.finish(Origin::Server);
    }

    /// When [`tick`](Self::tick) is to be called, by the steady clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        match &self.link {
            Link::Paused | Link::Connecting => None,
            Link::Waiting { until_ms } => Some(*until_ms),
            Link::Greeting { since_ms } => Some(since_ms + GREETING_MS),
            Link::Ready(session) => {
                let held = Some(session.hold_until_ms).filter(|until| *until > self.env.steady_ms);
                let postponed = session
                    .shapes
                    .values()
                    .filter_map(|shape| match shape.stage {
                        Stage::Postponed { until_ms } => Some(until_ms),
                        _ => None,
                    });
                let answer = session.awaited.until_ms();
                let alive = [session.ping_due_ms(), session.silence_ends_ms()];
                let presence = session.presence.as_ref().and_then(Told::due_ms);
                let interval = self.control.due_ms();
                let verify = session.verify_due(&self.verification);
                let verify = verify.map(|(due_ms, _)| due_ms);
                alive
                    .into_iter()
                    .chain(presence)
                    .chain(interval)
                    .chain(verify)
                    .chain(held)
                    .chain(answer)
                    .chain(postponed)
                    .min()
            }
        }
    }
}

impl crate::session::Session {
    /// When a `ping` is due: because the server may not have heard of us for half its patience, or we not of it for longer than it
    /// lets us wait.
    fn ping_due_ms(&self) -> u64 {
        let ours = self.said_ms + self.limits.idle_timeout_ms / 2;
        let theirs = self.heard_ms.max(self.said_ms) + self.limits.heartbeat_ms * 5 / 4;
        ours.min(theirs)
    }

    /// Until when something must come from the server.
    fn silence_ends_ms(&self) -> u64 {
        self.heard_ms + self.limits.heartbeat_ms * 2
    }
}

impl Replica {
    /// The server has announced that it closes the connection.
    pub(crate) fn on_goaway(&mut self, goaway: &Goaway) {
        self.fail(Some(&goaway.reason), "the server closes the connection");
        if goaway.reason == errors::SESSION_REPLACED.code {
            mark!("client_replaced");
            self.durable.record_meta(|meta| meta.replaced = true);
            self.drop_ids();
            let wait = REPLACED_MS + self.env.jitter(REPLACED_JITTER_MS);
            self.close();
            self.wait(wait.max(goaway.retry_after_ms));
        } else {
            self.close();
            self.wait(goaway.retry_after_ms);
        }
    }

    /// Gives the connection up and connects anew, after `at_least_ms` and a random time.
    pub(crate) fn reconnect(&mut self, cause: &str, at_least_ms: u64) {
        if matches!(
            self.link,
            Link::Connecting | Link::Greeting { .. } | Link::Ready(_)
        ) {
            self.fail(None, cause);
            self.close();
            self.wait(at_least_ms);
        }
    }

    /// The server has broken the protocol. What it said is worth nothing; a new session may do better.
    pub(crate) fn server_misbehaved(&mut self, what: &str) {
        self.reconnect(&format!("the server {what}"), 0);
    }

    /// Keeps what went wrong for the app to see.
    pub(crate) fn fail(&mut self, code: Option<&str>, message: &str) {
        self.last_error = Some(Trouble {
            code: code.map(str::to_owned),
            message: message.to_owned(),
        });
        self.tell_trouble();
    }

    /// Closes the connection, if there is one.
    pub(crate) fn close(&mut self) {
        self.frames.clear();
        if matches!(
            self.link,
            Link::Connecting | Link::Greeting { .. } | Link::Ready(_)
        ) {
            self.wishes.push_back(Wish::Close);
        }
    }

    /// Goes to wait for the next attempt to connect (`CLIENT-BACKOFF`).
    pub(crate) fn wait(&mut self, at_least_ms: u64) {
        if let Link::Ready(session) = &self.link {
            if session.shapes.values().any(|shape| shape.staging.is_some()) {
                mark!("client_staging_dropped");
            }
            self.backoff
                .session_ended(self.env.steady_ms - session.since_ms);
        }
        self.frames.clear();
        let wait_ms = self.backoff.next_wait_ms(at_least_ms, &self.env);
        self.link = Link::Waiting {
            until_ms: self.env.steady_ms + wait_ms,
        };
    }

    fn connect_if_due(&mut self) {
        if let Link::Waiting { until_ms } = self.link
            && self.env.steady_ms >= until_ms
        {
            self.link = Link::Connecting;
            self.wishes.push_back(Wish::Connect);
        }
    }

    /// Sends a `ping`, or gives up a connection from which nothing comes (`CLIENT-LIVENESS`).
    fn keep_alive(&mut self) {
        let now = self.env.steady_ms;
        let Some(session) = self.session() else {
            return;
        };
        let overdue = session.awaited.overdue(now);
        if now >= session.silence_ends_ms() {
            mark!("client_silence");
            self.reconnect("nothing comes from the server", 0);
        } else if let Some(what) = overdue {
            self.server_misbehaved(what);
        } else if now >= session.ping_due_ms() {
            self.send(ClientMessage::Ping(Ping { t: now }));
        }
    }

    /// Queues a frame of the session. Gives its number.
    pub(crate) fn send(&mut self, message: ClientMessage) -> u64 {
        let now = self.env.steady_ms;
        let Some(session) = self.session() else {
            return 0;
        };
        session.frames += 1;
        session.said_ms = now;
        let frame = session.frames;
        session.awaited.sent(frame, &message, now);
        self.frames.push_back(message.encode());
        frame
    }
}
