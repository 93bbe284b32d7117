//! Excuses: what a server may say or do at any time, to anybody. It says nothing of how the server keeps the rest, so it is nobody's failure.
//!
//! A server may be shut down, be overloaded, give a slow reader up, or put a mutation off. A scenario that meets this cannot go on, and
//! cannot say more. What stays a failure: that the server says itself that it has failed, an error whose fault is the client's, a session that is replaced by
//! nobody, an end without a word.

use serde_json::Value;
use syncline_schemas::errors;

use super::{State, Stop};
use crate::history::{ConnIx, Entry, Event, Frame};

/// The shortest `helloTimeoutMs` that a server may announce.
const HELLO_TIMEOUT_MS_MIN: u64 = 1000;

/// The HTTP statuses of a server that takes nobody in just now.
const BUSY: [u16; 2] = [429, 503];

/// Why nothing can be said once this frame has come; nothing, if it is no excuse.
pub(crate) fn of_frame(frame: &Frame) -> Option<Stop> {
    let may = match frame.kind() {
        "goaway" => matches!(
            frame.string("reason"),
            Some("shutdown" | "slow_consumer" | "history_replaced")
        ),
        "error" => {
            let def = errors::find(frame.string("code").unwrap_or_default());
            let passes = def.is_some_and(|def| def.retryable && def.fault == errors::Fault::Server);
            let failed = def == Some(&errors::INTERNAL);
            passes && !failed && frame.string("scope") == Some("connection")
        }
        _ => false,
    };
    may.then(|| Stop::Unknown(format!("the server may say so at any time: {frame}")))
}

/// Why nothing can be said once the handshake was answered with this HTTP status.
pub(crate) fn of_status(status: u16) -> Option<Stop> {
    let why = format!("the server takes no connection just now: HTTP status {status}");
    BUSY.contains(&status).then_some(Stop::Unknown(why))
}

/// Why nothing can be said once a mutation was deferred that the scenario needs decided.
pub(crate) fn of_results(results: &[Value]) -> Option<Stop> {
    let deferred = results
        .iter()
        .find(|result| result["status"] == "deferred")?;
    Some(match deferred["code"] == errors::RATE_LIMITED.code {
        true => Stop::DidNotHappen("the rate is limited too strictly for what is sent".to_owned()),
        false => Stop::Unknown(format!("the server deferred what was sent: {deferred}")),
    })
}

impl State {
    /// Why nothing can be said of how the server ended this connection.
    pub(crate) fn excuse(&self, conn: ConnIx) -> Option<Stop> {
        let last = *self.facts.conns[conn].received.last()?;
        let frame = self.facts.frame(last)?;
        let idle = frame.kind() == "goaway" && frame.string("reason") == Some("idle");
        if idle && self.was_idle(conn, last) {
            let why = format!("the runner itself was silent for too long: {frame}");
            return Some(Stop::Unknown(why));
        }
        of_frame(frame)
    }

    /// Why nothing can be said of another first frame than `welcome`. The runner itself may have been too slow with its `hello`.
    pub(crate) fn excuse_of_hello(&self, conn: ConnIx) -> Option<Stop> {
        let session = &self.facts.conns[conn];
        let first = self.facts.frame(*session.received.first()?)?;
        if first.string("code") != Some(errors::HELLO_TIMEOUT.code) {
            return of_frame(first);
        }
        let took_ms = self.was_late(conn)?;
        Some(Stop::Unknown(format!(
            "the hello came {took_ms} ms after the connection was asked for"
        )))
    }

    /// After how many milliseconds the runner said `hello`, where the server did not wait for it and may have been right. It may count from the handshake, of which the
    /// runner can hear late.
    pub(crate) fn was_late(&self, conn: ConnIx) -> Option<u64> {
        let session = &self.facts.conns[conn];
        let first = self.facts.frame(*session.received.first()?)?;
        let is_timeout = first.string("code") == Some(errors::HELLO_TIMEOUT.code);
        let said = session.hello.as_ref().filter(|_| is_timeout)?.at;
        let took_us = self.facts.entries[said].at_us - self.looked[conn].dialled_us;
        let announced =
            (0..self.facts.conns.len()).find_map(|conn| self.facts.limit(conn, "helloTimeoutMs"));
        let late = took_us / 1000 >= announced.unwrap_or(HELLO_TIMEOUT_MS_MIN) / 2;
        late.then_some(took_us / 1000)
    }

    /// Whether the runner had sent nothing for as long as the server allows, when this entry came.
    fn was_idle(&self, conn: ConnIx, at: usize) -> bool {
        // A WebSocket ping that was heard was answered.
        let spoke = |entry: &&Entry| match &entry.event {
            Event::Opened { conn: of, .. }
            | Event::Sent { conn: of, .. }
            | Event::Heard { conn: of } => *of == conn,
            _ => false,
        };
        let entries = &self.facts.entries;
        let Some(last) = entries[..at].iter().rfind(spoke) else {
            return false;
        };
        let silent_us = entries[at].at_us - last.at_us;
        let limit_ms = self.facts.limit(conn, "idleTimeoutMs");
        limit_ms.is_some_and(|limit_ms| silent_us / 1000 >= limit_ms)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Journal;
    use super::super::journal::Looked;
    use super::*;
    use crate::vars::Vars;

    fn excused(text: &str) -> bool {
        of_frame(&Frame::text(text.to_owned())).is_some()
    }

    #[test]
    fn what_a_server_may_say_at_any_time() {
        assert!(excused(r#"{"type":"goaway","reason":"shutdown"}"#));
        assert!(excused(
            r#"{"type":"error","code":"overloaded","scope":"connection"}"#
        ));
        assert!(!excused(
            r#"{"type":"error","code":"internal","scope":"connection"}"#
        ));
        assert!(!excused(r#"{"type":"goaway","reason":"session_replaced"}"#));
        assert!(!excused(
            r#"{"type":"error","code":"hello_required","scope":"connection"}"#
        ));
        assert!(!excused(r#"{"type":"pong","t":1}"#));
    }

    /// Whether the runner was late that opened a connection for so long, and then said `hello` after so long again.
    fn late(opening_ms: u64, saying_ms: u64, answer: &str) -> Option<u64> {
        let journal = Journal::new(Vars::new("", ""));
        let (conn, own) = (0, true);
        let hello = r#"{"type":"hello","workspace":"w"}"#;
        let frame = |text: &str| Arc::new(Frame::text(text.to_owned()));
        let sent = Event::Sent {
            conn,
            frame: frame(hello),
            resumes: None,
            own,
        };
        let received = Event::Received {
            conn,
            frame: frame(answer),
        };
        let name = "a".to_owned();
        let opened = Event::Opened { conn, name };
        journal.with(|state| {
            state.looked.push(Looked::default());
            let spoken_ms = opening_ms + saying_ms;
            let events = [(opening_ms, opened), (spoken_ms, sent), (10_000, received)];
            for (at_ms, event) in events {
                let at_us = at_ms * 1000;
                state.facts.apply(Entry { at_us, event });
            }
            state.was_late(conn)
        })
    }

    #[test]
    fn the_runner_may_have_been_late_with_its_hello() {
        let timeout = r#"{"type":"error","code":"hello_timeout","scope":"connection"}"#;
        assert_eq!(late(1, 9_000, timeout), Some(9_001));
        // The server may count from a handshake of which the runner heard late.
        assert_eq!(late(9_000, 1, timeout), Some(9_001));
        assert_eq!(late(1, 1, timeout), None);
        assert_eq!(late(9_000, 1, r#"{"type":"pong","t":1}"#), None);
    }

    #[test]
    fn a_deferral_is_nobodys_fault() {
        let result =
            |status: &str, code: &str| serde_json::json!({ "status": status, "code": code });
        let limited = of_results(&[result("applied", ""), result("deferred", "rate_limited")]);
        assert!(matches!(limited, Some(Stop::DidNotHappen(_))));
        let busy = of_results(&[result("deferred", "server_busy")]);
        assert!(matches!(busy, Some(Stop::Unknown(_))));
        assert!(of_results(&[result("refused", "seq_gap")]).is_none());
    }
}
