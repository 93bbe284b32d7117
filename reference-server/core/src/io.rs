//! What goes into an engine and what comes out of it.

use std::collections::VecDeque;

use syncline_schemas::{ErrorMessage, Hello, ServerMessage};

use crate::request::Request;

/// Names a connection within an engine. The caller makes them and never uses one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// Something that has come in. What concerns a session that is not open is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A connection has said `hello` to this workspace.
    Open {
        /// The connection, from now on.
        session: SessionKey,
        /// The session's name in `welcome`: random, made by the caller.
        name: String,
        /// What it said.
        hello: Hello,
    },
    /// A connection has sent a frame.
    Frame {
        /// The connection.
        session: SessionKey,
        /// The number of the frame within the connection.
        re: u64,
        /// What the frame asks.
        request: Request,
    },
    /// A connection has sent what is no message (see [`crate::read_frame`]): answered in its turn (CONN-ANSWER-ORDER).
    Invalid {
        /// The connection.
        session: SessionKey,
        /// The number of the frame within the connection.
        re: u64,
        /// What is wrong with it. Of scope connection: the connection is closed.
        error: ErrorMessage,
    },
    /// A connection is over.
    Close {
        /// The connection.
        session: SessionKey,
    },
    /// An operator wants deletes to be forgotten now, whatever the retention.
    Truncate {
        /// The versions, counted back from the head, whose deletes are kept all the same.
        keep_versions: u64,
    },
}

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a frame to these connections.
    Frame {
        /// The connections, each once.
        to: Vec<SessionKey>,
        /// The frame's text.
        text: String,
    },
    /// Close a connection, once the frames before are sent. The engine has forgotten it already.
    Close {
        /// The connection.
        session: SessionKey,
        /// The WebSocket close code.
        code: u16,
    },
    /// Updates wait for this connection to take what it was sent: call [`crate::Engine::pump`] when its queue has room again.
    /// Said by each pump that leaves it so.
    Starved {
        /// The connection.
        session: SessionKey,
    },
}

/// The outputs that nobody has polled yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Output>,
    /// How often the outbox was emptied: bytes counted before that have been taken.
    pub(crate) emptied: u64,
}

impl Outbox {
    pub(crate) fn message(&mut self, session: SessionKey, message: impl Into<ServerMessage>) {
        self.text(vec![session], message.into().encode());
    }

    pub(crate) fn text(&mut self, to: Vec<SessionKey>, text: String) {
        self.waiting.push_back(Output::Frame { to, text });
    }

    pub(crate) fn close(&mut self, session: SessionKey, code: u16) {
        self.waiting.push_back(Output::Close { session, code });
    }

    pub(crate) fn starved(&mut self, session: SessionKey) {
        self.waiting.push_back(Output::Starved { session });
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        let output = self.waiting.pop_front();
        if output.is_none() {
            self.emptied += 1;
        }
        output
    }
}
