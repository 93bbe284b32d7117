//! The error registry as constants: one [`ErrorDef`] for each code of `v1/errors.json`.
//!
//! Codes are data, so that a server, a client and a judge of both agree on what each of them means: how
//! far it reaches, whether trying again may help, whether what was sent is surely without effect.

use crate::{ErrorMessage, Scope as FrameScope};

pub use crate::generated::errors::*;

/// What the registry says of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorDef {
    /// The code, as it is written in a frame.
    pub code: &'static str,
    /// What carries it.
    pub carrier: Carrier,
    /// How far it reaches.
    pub scope: Scope,
    /// Whether the same may succeed later.
    pub retryable: bool,
    /// Whether what it answers is surely without effect.
    pub definite: bool,
    /// Whose fault it is.
    pub fault: Fault,
    /// The members that may come with it, beyond those that always do.
    pub members: &'static [&'static str],
    /// What it means, in a sentence.
    pub summary: &'static str,
}

/// What carries a code over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The message `error`.
    Error,
    /// A result of status `rejected`: an outcome.
    Rejected,
    /// A result of status `deferred`: not decided, later perhaps.
    Deferred,
    /// A result of status `refused`: not decided, not in this form.
    Refused,
    /// The message `goaway`.
    Goaway,
}

/// What has ended, or was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The connection ends.
    Connection,
    /// One subscription ends, or did not begin.
    Subscription,
    /// The request alone has failed.
    Request,
    /// The mutation alone was not applied.
    Mutation,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's.
    Client,
    /// The server's.
    Server,
    /// Nobody's: two writers met.
    Nobody,
}

/// What the registry says of a code; nothing, if it does not know it.
#[must_use]
pub fn find(code: &str) -> Option<&'static ErrorDef> {
    ALL.iter().copied().find(|def| def.code == code)
}

impl ErrorDef {
    /// The `scope` of an `error` message with this code; nothing, if it is no such message that carries it.
    #[must_use]
    pub fn frame_scope(&self) -> Option<FrameScope> {
        match (self.carrier, self.scope) {
            (Carrier::Error, Scope::Connection) => Some(FrameScope::Connection),
            (Carrier::Error, Scope::Subscription) => Some(FrameScope::Subscription),
            (Carrier::Error, Scope::Request) => Some(FrameScope::Request),
            _ => None,
        }
    }
}

impl ErrorMessage {
    /// The `error` message of a code whose carrier is [`Carrier::Error`], with the members that it always has.
    ///
    /// # Panics
    /// If something else carries the code.
    #[must_use]
    pub fn new(def: &ErrorDef, message: impl Into<String>) -> ErrorMessage {
        ErrorMessage {
            code: def.code.to_owned(),
            scope: def
                .frame_scope()
                .expect("only a code whose carrier is `error` stands in an `error`"),
            re: None,
            shape: None,
            retryable: def.retryable,
            retry_after_ms: None,
            message: message.into(),
            at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerMessage;

    #[test]
    fn an_error_message_says_what_the_registry_says() {
        let message = ErrorMessage::new(&TOO_MANY_SHAPES, "32 shapes are subscribed");
        assert_eq!(
            ServerMessage::from(message).encode(),
            r#"{"type":"error","code":"too_many_shapes","scope":"subscription","retryable":false,"message":"32 shapes are subscribed"}"#
        );
    }

    #[test]
    #[should_panic(expected = "only a code whose carrier is `error`")]
    fn a_code_of_another_carrier_makes_no_error_message() {
        let _ = ErrorMessage::new(&SEQ_GAP, "");
    }
}
