//! The procedure for `hello`, and the end of a session.
//!
//! Reading a frame needs no engine: [`read_frame`] and [`read_hello`] are called where the frame arrived, and only what they
//! give goes to the engine, in turn.

use std::sync::Arc;

use syncline_schemas::errors::{self, ErrorDef};
use syncline_schemas::mark;
use syncline_schemas::{
    ClientMessage, DecodeError, ErrorMessage, Goaway, Hello, Json, Limits, ServerMessage, Welcome,
};

use crate::config::{DIGESTS, DOCUMENTS, HISTORY, PRESENCE};
use crate::decide;
use crate::engine::Engine;
use crate::history;
use crate::io::SessionKey;
use crate::names;
use crate::presence;
use crate::request::Request;

/// Reads a frame behind the first; what is of another capability than these is of no known type (DIG-NOT-OFFERED, HIST-NOT-OFFERED, PRES-NOT-OFFERED).
///
/// # Errors
/// The `error` that answers it, still without `re`: `invalid_json`, `invalid_message` or `unknown_type`
/// (FRAME-INVALID-JSON, FRAME-INVALID-MESSAGE, PUSH-TOO-MANY, VER-UNKNOWN-TYPE).
#[expect(clippy::result_large_err, reason = "what is read is no smaller")]
pub fn read_frame(
    text: &str,
    limits: &Limits,
    capabilities: &[String],
) -> Result<Request, ErrorMessage> {
    let message = ClientMessage::decode(text, limits.depth_max).map_err(|error| {
        let kind = not_offered_in(text, capabilities);
        kind.map_or_else(|| explain(error.def(), error), refused_type)
    })?;
    if let Some(kind) = not_offered(message.type_name(), capabilities) {
        return Err(refused_type(kind));
    }
    match &message {
        ClientMessage::Push(push) if push.mutations.len() as u64 > limits.push_mutations_max => {
            let most = limits.push_mutations_max;
            let message = format!(
                "{} mutations, limits.pushMutationsMax is {most}",
                push.mutations.len()
            );
            Err(ErrorMessage {
                at: Some("/mutations".to_owned()),
                ..error(&errors::INVALID_MESSAGE, message)
            })
        }
        ClientMessage::Present(present) => {
            presence::check(present, limits).map(|()| Request::of(message, limits, capabilities))
        }
        ClientMessage::History(asked) => {
            history::check(asked, limits).map(|()| Request::of(message, limits, capabilities))
        }
        _ => Ok(Request::of(message, limits, capabilities)),
    }
}

/// The types that only a capability brings.
const TYPES: [(&str, &str); 3] = [
    (DIGESTS, "digest"),
    (HISTORY, "history"),
    (PRESENCE, "present"),
];

/// A type, if it is of a capability that is not offered: then it is unknown here.
fn not_offered(kind: &str, capabilities: &[String]) -> Option<&'static str> {
    let (capability, kind) = TYPES.iter().find(|(_, known)| *known == kind)?;
    let lacks = !capabilities.iter().any(|offered| offered == capability);
    lacks.then_some(*kind)
}

/// The same of a frame that is no message: of an unknown type it does not matter what else is wrong with it.
fn not_offered_in(text: &str, capabilities: &[String]) -> Option<&'static str> {
    let frame = Json::parse(text).ok()?.to_value().ok()?;
    not_offered(frame["type"].as_str()?, capabilities)
}

fn refused_type(kind: &str) -> ErrorMessage {
    let message = format!("{kind:?} needs a capability that is not offered here");
    let at = Some("/type".to_owned());
    ErrorMessage {
        at,
        ..error(&errors::UNKNOWN_TYPE, message)
    }
}

/// Reads the first frame of a connection.
///
/// # Errors
/// The `error` that answers anything but a valid `hello` (CONN-HELLO-FIRST). The connection is to be closed.
#[expect(clippy::result_large_err, reason = "what is read is no smaller")]
pub fn read_hello(text: &str, limits: &Limits) -> Result<Hello, ErrorMessage> {
    let refused = match ClientMessage::decode(text, limits.depth_max) {
        Ok(ClientMessage::Hello(hello)) => return Ok(hello),
        Ok(_) => error(&errors::HELLO_REQUIRED, "the first frame must be a hello"),
        Err(refused) => explain(&errors::HELLO_REQUIRED, refused),
    };
    Err(ErrorMessage {
        re: Some(1),
        ..refused
    })
}

/// The `error` message of a code, with the scope and `retryable` of the registry (ERR-REGISTERED).
///
/// # Panics
/// If the code is not one that an `error` carries.
pub fn error(def: &ErrorDef, message: impl Into<String>) -> ErrorMessage {
    ErrorMessage::new(def, message)
}

/// What comes from outside may be long: the answer stays small.
fn explain(def: &ErrorDef, refused: DecodeError) -> ErrorMessage {
    let at = (refused.at.len() <= 1024).then_some(refused.at);
    ErrorMessage {
        at,
        ..error(def, names::clipped(&refused.reason))
    }
}

/// The WebSocket close code that follows an `error` of scope connection.
#[must_use]
pub fn close_code(code: &str) -> u16 {
    match code {
        "frame_too_large" => 1009,
        "overloaded" => 1013,
        _ => match errors::find(code).map(|def| def.fault) {
            Some(errors::Fault::Client) => 1008,
            _ => 1011,
        },
    }
}

/// The WebSocket close code that follows a `goaway`.
pub(crate) const CLOSE_GOING_AWAY: u16 = 1001;

impl Engine {
    /// The text of `welcome`, as things stand in this hello's turn (CONN-WELCOME-FRESH, CONN-WELCOME-RESULTS).
    pub(crate) fn welcome(&self, name: &str, hello: &Hello, now_ms: u64) -> String {
        let known = hello
            .client_id
            .as_deref()
            .and_then(|client| self.state.clients.find(client));
        let acked = hello.acked_seq.unwrap_or(0);
        let results = known.map_or_else(Vec::new, |known| known.outcomes_above(acked));
        if !results.is_empty() {
            mark!("server_welcome_tells_outcomes");
        }
        let mut welcome = Welcome {
            epoch: self.epoch.clone(),
            version: self.state.head,
            last_seq: known.map_or(0, |known| known.last_seq),
            results,
            session: name.to_owned(),
            capabilities: self.config.capabilities.clone(),
            limits: self.config.announced(),
            server_time: now_ms,
            server: self.config.server.clone(),
        };
        let text = ServerMessage::Welcome(welcome.clone()).encode();
        if text.len() as u64 <= self.config.limits.frame_bytes_max {
            return text;
        }
        for result in &mut welcome.results {
            decide::lean(result, false);
        }
        ServerMessage::Welcome(welcome).encode()
    }

    /// Opens a session. An older one of the same client goes (CONN-REPLACED).
    pub(crate) fn open_session(
        &mut self,
        session: SessionKey,
        name: String,
        client: Option<Arc<str>>,
        hello: &Hello,
        welcome: String,
    ) {
        if self.sessions.find(session).is_some() {
            return;
        }
        let older = client
            .as_deref()
            .and_then(|client| self.sessions.of_client(client));
        if let Some(older) = older {
            mark!("server_session_replaced");
            self.close_session(older);
            let reason = errors::SESSION_REPLACED.code.to_owned();
            self.outbox.message(
                older,
                Goaway {
                    reason,
                    retry_after_ms: 0,
                },
            );
            self.outbox.close(older, CLOSE_GOING_AWAY);
        }
        self.sessions.insert(session, name, client);
        let names = |capability| {
            let mut named = hello.capabilities.iter().flatten();
            named.any(|name| name == capability)
        };
        if let Some(known) = self.sessions.find_mut(session) {
            known.reads_documents = names(DOCUMENTS);
            known.digests.after_replacements = names(DIGESTS) && self.config.offers(DIGESTS);
        }
        self.watch_presence(session, names(PRESENCE));
        self.outbox.text(vec![session], welcome);
    }

    /// Answers a frame with an error, and closes the connection if that is its scope (ERR-RE, ERR-CLOSES).
    pub(crate) fn answer_error(&mut self, session: SessionKey, re: u64, error: ErrorMessage) {
        let closes = error.scope == syncline_schemas::Scope::Connection;
        let code = close_code(&error.code);
        self.outbox.message(
            session,
            ErrorMessage {
                re: Some(re),
                ..error
            },
        );
        if closes {
            self.close_session(session);
            self.outbox.close(session, code);
        }
    }

    /// Forgets a session and its subscriptions.
    pub(crate) fn close_session(&mut self, session: SessionKey) {
        let Some(closed) = self.sessions.remove(session) else {
            return;
        };
        self.presence.end(session);
        for shape in closed.shapes.into_keys() {
            self.shapes.leave(shape, session);
        }
    }
}
