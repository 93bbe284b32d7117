//! The history of a scenario: everything that was sent, received and done, over all its connections, in the order in which the runner
//! saw it.
//!
//! It is append-only, and the only thing that is judged: a checker sees what anybody could have seen from outside. A frame counts as
//! sent from before its first byte leaves, and as received once all of it is there, so that "received before the other was sent" is
//! never claimed wrongly.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use syncline_schemas::Json;

use crate::scenario::Hook;

/// Which connection of the scenario, counted from 0.
pub type ConnIx = usize;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Microseconds since the scenario began.
    pub at_us: u64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A WebSocket was opened: the connection's index is the next one.
    Opened {
        /// The connection.
        conn: ConnIx,
        /// Its name in the scenario.
        name: String,
    },
    /// A frame was sent.
    Sent {
        /// The connection.
        conn: ConnIx,
        /// The frame.
        frame: Arc<Frame>,
        /// For a `subscribe` that goes on from an earlier subscription's rows: which one.
        resumes: Option<usize>,
        /// Whether the runner itself made the frame, so that it must be valid.
        own: bool,
    },
    /// A frame was received.
    Received {
        /// The connection.
        conn: ConnIx,
        /// The frame.
        frame: Arc<Frame>,
    },
    /// A WebSocket ping or pong came.
    Heard {
        /// The connection.
        conn: ConnIx,
    },
    /// The server closed the connection, or broke it off.
    Closed {
        /// The connection.
        conn: ConnIx,
        /// The close code; without a close frame there is none.
        code: Option<u16>,
    },
    /// The server's end of the TCP connection was reset: what it said last may be lost with it.
    Reset {
        /// The connection.
        conn: ConnIx,
    },
    /// From here on the connection's end is no surprise: the scenario asks for it, or does what lets a server end it.
    MayEnd {
        /// The connection.
        conn: ConnIx,
    },
    /// The runner's machine stood still: what took long meanwhile may have been in time.
    Stalled {
        /// For how many milliseconds.
        ms: u64,
    },
    /// The runner closed the connection, or broke it off.
    Left {
        /// The connection.
        conn: ConnIx,
    },
    /// The target was asked to do something to the server.
    HookBegun {
        /// What.
        hook: Hook,
    },
    /// It has done it.
    HookDone {
        /// What.
        hook: Hook,
    },
    /// A fault was put on connections, or they were healed.
    Fault {
        /// For people: whose, and what.
        what: String,
    },
    /// A line was written to a client's adapter.
    Asked {
        /// The client.
        client: String,
        /// The line.
        line: Arc<Frame>,
    },
    /// A line came from a client's adapter.
    Told {
        /// The client.
        client: String,
        /// The line.
        line: Arc<Frame>,
    },
    /// Something happened to a client as a process: it was started, it ended, it tried to connect.
    Process {
        /// The client.
        client: String,
        /// What happened.
        what: Happening,
    },
}

/// What happens to a client as a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The runner started its program.
    Started,
    /// The runner killed its program.
    Killed,
    /// Its program ended by itself: how.
    Ended(String),
    /// It opened a TCP connection to its server.
    Connects,
    /// The server broke such a connection off before it became a WebSocket.
    TurnedAway,
    /// Its store was copied, for another client.
    Copied(String),
}

impl fmt::Display for Happening {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Started => out.write_str("is started"),
            Happening::Killed => out.write_str("is killed"),
            Happening::Ended(how) => write!(out, "ends: {how}"),
            Happening::Connects => out.write_str("connects"),
            Happening::TurnedAway => out.write_str("is turned away"),
            Happening::Copied(other) => write!(out, "is copied to {other}"),
        }
    }
}

/// A data frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What it carries.
    pub body: Body,
    /// The JSON of a text frame that holds one JSON text.
    pub json: Option<Value>,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

impl Frame {
    /// A text frame.
    #[must_use]
    pub fn text(text: String) -> Frame {
        // A text that nests deeper than this parser reads may still be right: then it is strictly so.
        let deep = || Json::parse(&text).ok()?.to_value().ok();
        let json = serde_json::from_str(&text).ok().or_else(deep);
        Frame {
            body: Body::Text(text),
            json,
        }
    }

    /// A binary frame.
    #[must_use]
    pub fn binary(bytes: Vec<u8>) -> Frame {
        Frame {
            body: Body::Binary(bytes),
            json: None,
        }
    }

    /// The message's `type`; empty if it has none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.member("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A member of the message.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.json.as_ref()?.as_object()?.get(name)
    }

    /// A member that is a whole number, however it is written.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.member(name).and_then(whole)
    }

    /// A member that is a string.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<&str> {
        self.member(name)?.as_str()
    }

    /// The payload's length in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.len(),
            Body::Binary(bytes) => bytes.len(),
        }
    }
}

/// The value as a whole number, however it is written: `1.0` is 1.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked"
)]
pub fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        ((0.0..=9_007_199_254_740_991.0).contains(&number) && number.fract() == 0.0)
            .then_some(number as u64)
    })
}

/// How much of a frame is shown to people.
const SHOWN_CHARS: usize = 240;

impl fmt::Display for Frame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Binary(bytes) => write!(out, "binary frame of {} bytes", bytes.len()),
            Body::Text(text) => match text.char_indices().nth(SHOWN_CHARS) {
                None => out.write_str(text.trim_end()),
                Some((end, _)) => write!(out, "{}… ({} bytes)", &text[..end], text.len()),
            },
        }
    }
}

impl Event {
    /// The connection that it is about.
    #[must_use]
    pub fn conn(&self) -> Option<ConnIx> {
        match self {
            Event::Opened { conn, .. }
            | Event::Sent { conn, .. }
            | Event::Received { conn, .. }
            | Event::Heard { conn }
            | Event::Closed { conn, .. }
            | Event::Reset { conn }
            | Event::MayEnd { conn }
            | Event::Left { conn } => Some(*conn),
            Event::HookBegun { .. } | Event::HookDone { .. } => None,
            Event::Fault { .. } | Event::Stalled { .. } => None,
            Event::Asked { .. } | Event::Told { .. } | Event::Process { .. } => None,
        }
    }
}
