//! How the server ends a connection: the last frame, and the close code that follows from it.

use axum::extract::ws::{Utf8Bytes, close_code};
use syncline_schemas::errors::{self, ErrorDef, Fault};
use syncline_schemas::{ErrorMessage, Goaway, ServerMessage};

use crate::Config;

/// When a slow consumer may come again: not at once, it has trouble enough.
const SLOW_RETRY_MS: u64 = 1000;

/// Why and how a connection is closed.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    /// For the log: a code of the registry, or what happened.
    pub(crate) why: &'static str,
    /// What the peer is told, unless the frames before have said it.
    pub(crate) last: Option<Utf8Bytes>,
    /// The WebSocket close code.
    pub(crate) code: u16,
}

impl Closing {
    /// The engine has said why in the frames before.
    pub(crate) fn said(code: u16) -> Closing {
        let why = match code {
            close_code::AWAY => errors::SESSION_REPLACED.code,
            close_code::SIZE => errors::FRAME_TOO_LARGE.code,
            _ => "an error of scope connection",
        };
        Closing {
            why,
            last: None,
            code,
        }
    }

    /// The peer has gone first, or nothing can be said to it.
    pub(crate) fn silent(why: &'static str, code: u16) -> Closing {
        Closing {
            why,
            last: None,
            code,
        }
    }

    /// The server ends (`CONN-GOAWAY`).
    pub(crate) fn shutdown(config: &Config) -> Closing {
        Closing::goaway(&errors::SHUTDOWN, config.timeouts.retry_after_ms())
    }

    /// The workspace has another history now (`MODEL-EPOCH-NEW`).
    pub(crate) fn history_replaced(config: &Config) -> Closing {
        Closing::goaway(&errors::HISTORY_REPLACED, config.timeouts.retry_after_ms())
    }

    /// There is no room for one more.
    pub(crate) fn overloaded(config: &Config, message: &str) -> Closing {
        let def = &errors::OVERLOADED;
        let retry_after_ms = Some(config.timeouts.retry_after_ms());
        let error = ErrorMessage {
            retry_after_ms,
            ..ErrorMessage::new(def, message)
        };
        Closing::error(def, error)
    }

    /// An `error` of scope connection.
    pub(crate) fn error(def: &'static ErrorDef, error: ErrorMessage) -> Closing {
        let code = match (def, def.fault) {
            _ if def == &errors::FRAME_TOO_LARGE => close_code::SIZE,
            _ if def == &errors::OVERLOADED => close_code::AGAIN,
            (_, Fault::Client) => close_code::POLICY,
            _ => close_code::ERROR,
        };
        Closing {
            why: def.code,
            last: Some(ServerMessage::Error(error).encode().into()),
            code,
        }
    }

    /// The server has failed (`internal`).
    pub(crate) fn internal() -> Closing {
        let message = "the server failed; what was in flight may or may not have been decided";
        Closing::error(
            &errors::INTERNAL,
            ErrorMessage::new(&errors::INTERNAL, message),
        )
    }

    /// The client does not read (`UPD-SLOW`).
    pub(crate) fn slow_consumer() -> Closing {
        Closing::goaway(&errors::SLOW_CONSUMER, SLOW_RETRY_MS)
    }

    /// A `goaway` with this reason.
    pub(crate) fn goaway(def: &'static ErrorDef, retry_after_ms: u64) -> Closing {
        let goaway = Goaway {
            reason: def.code.to_owned(),
            retry_after_ms,
        };
        Closing {
            why: def.code,
            last: Some(ServerMessage::Goaway(goaway).encode().into()),
            code: close_code::AWAY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_from_the_error() {
        let code = |def| Closing::error(def, ErrorMessage::new(def, "")).code;
        assert_eq!(code(&errors::FRAME_TOO_LARGE), 1009);
        assert_eq!(code(&errors::OVERLOADED), 1013);
        assert_eq!(code(&errors::HELLO_REQUIRED), 1008);
        assert_eq!(Closing::internal().code, 1011);
        assert_eq!(Closing::slow_consumer().code, 1001);
    }
}
