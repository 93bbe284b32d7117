//! A connection: what was said on it, and how it ended.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::sub::Asked;
use crate::history::Frame;

/// A connection of the scenario.
#[derive(Clone, Debug)]
pub struct Conn {
    /// Its name in the scenario.
    pub name: String,
    /// The entry at which it was opened.
    pub opened_at: usize,
    /// The `hello`, if it was the first frame and one can read it.
    pub hello: Option<Hello>,
    /// The `welcome`: its entry and the message.
    pub welcome: Option<(usize, Value)>,
    /// The epoch that `welcome` named.
    pub epoch: Option<String>,
    /// The frames that were sent: number n is at n - 1.
    pub sent: Vec<Sent>,
    /// The entries of the frames that were received.
    pub received: Vec<usize>,
    /// The entry at which anything was last heard, WebSocket pings and pongs included.
    pub heard_at: Option<usize>,
    /// The entries of the WebSocket pings and pongs that came.
    pub heard: Vec<usize>,
    /// The pings that were sent, by their `t`: those that are not answered, and their places among the frames sent.
    pub(super) pings: BTreeMap<Option<u64>, VecDeque<usize>>,
    /// The `subscribe`s that are not answered.
    pub asked: Vec<Asked>,
    /// The live shapes by name, each with its subscription.
    pub live: Vec<(String, usize)>,
    /// The entry of the last part of an update that was not its last.
    pub staged_at: Option<usize>,
    /// The last word on each other session's presence.
    pub others: BTreeMap<String, usize>,
    /// Updates of shapes that are not live.
    pub stray_updates: Vec<usize>,
    /// The entry from which on its end is no surprise.
    pub may_end_at: Option<usize>,
    /// How it ended.
    pub ended: Option<End>,
}

/// A frame that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The entry.
    pub at: usize,
    /// The entry of what answered it.
    pub answer: Option<usize>,
}

/// What a `hello` said.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The entry.
    pub at: usize,
    /// The workspace.
    pub workspace: String,
    /// The client.
    pub client: Option<String>,
    /// Up to where the client knows its outcomes.
    pub acked_seq: u64,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The entry.
    pub at: usize,
    /// In which way.
    pub how: How,
}

/// In which way a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The server closed it, with this close code; without a close frame there is none.
    Closed(Option<u16>),
    /// The server's TCP reset it: what it said last may be lost.
    Reset,
    /// The runner left.
    Left,
}

impl End {
    /// Whether the server ended it.
    #[must_use]
    pub fn by_server(&self) -> bool {
        self.how != How::Left
    }

    /// The close code; none without a close frame.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self.how {
            How::Closed(code) => code,
            How::Reset | How::Left => None,
        }
    }
}

impl Hello {
    pub(super) fn read(at: usize, frame: &Frame) -> Option<Hello> {
        Some(Hello {
            at,
            workspace: frame.string("workspace")?.to_owned(),
            client: frame.string("clientId").map(ToOwned::to_owned),
            acked_seq: frame.number("ackedSeq").unwrap_or(0),
        })
    }
}

impl Conn {
    pub(super) fn new(name: String, at: usize) -> Conn {
        Conn {
            name,
            opened_at: at,
            hello: None,
            welcome: None,
            epoch: None,
            sent: Vec::new(),
            received: Vec::new(),
            heard_at: None,
            heard: Vec::new(),
            pings: BTreeMap::new(),
            asked: Vec::new(),
            live: Vec::new(),
            staged_at: None,
            others: BTreeMap::new(),
            stray_updates: Vec::new(),
            may_end_at: None,
            ended: None,
        }
    }

    /// Whether the server offers a capability in this session.
    #[must_use]
    pub fn offers(&self, capability: &str) -> bool {
        let welcome = self
            .welcome
            .as_ref()
            .map(|(_, welcome)| &welcome["capabilities"]);
        let offered = welcome.and_then(Value::as_array);
        offered.is_some_and(|offered| offered.iter().any(|name| name == capability))
    }

    /// The client whose session it is.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.hello.as_ref()?.client.as_deref()
    }

    /// The workspace of the session; empty before `hello`.
    #[must_use]
    pub fn workspace(&self) -> &str {
        self.hello.as_ref().map_or("", |hello| &hello.workspace)
    }

    /// The live subscription of this shape.
    #[must_use]
    pub fn live_sub(&self, shape: &str) -> Option<usize> {
        self.live
            .iter()
            .find(|(name, _)| name == shape)
            .map(|(_, sub)| *sub)
    }

    pub(super) fn welcomed(&mut self, at: usize, frame: &Frame) {
        if self.welcome.is_none() {
            self.epoch = frame.string("epoch").map(ToOwned::to_owned);
            self.welcome = frame.json.clone().map(|welcome| (at, welcome));
            self.answered(1, at);
        }
    }

    /// The frame of this number is answered.
    pub(super) fn answered(&mut self, re: u64, at: usize) {
        if let Some(sent) = self.sent.get_mut(re as usize - 1) {
            sent.answer.get_or_insert(at);
        }
    }

    /// The frame sent at this entry is answered.
    pub(super) fn answered_at(&mut self, sent_at: usize, at: usize) {
        let index = self.sent.binary_search_by_key(&sent_at, |sent| sent.at);
        if let Ok(index) = index {
            self.sent[index].answer.get_or_insert(at);
        }
    }

    /// A pong answers the first unanswered ping with its `t`.
    pub(super) fn ponged(&mut self, at: usize, t: Option<u64>) {
        let Some(pings) = self.pings.get_mut(&t) else {
            return;
        };
        while let Some(index) = pings.pop_front() {
            let answer = &mut self.sent[index].answer;
            if answer.is_none() {
                *answer = Some(at);
                return;
            }
        }
    }

    /// How many frames were sent before this entry.
    #[must_use]
    pub fn sent_before(&self, at: usize) -> usize {
        self.sent.partition_point(|sent| sent.at < at)
    }

    /// The entry at which the runner last spoke before this one: opened it, sent a frame, or answered a WebSocket ping.
    #[must_use]
    pub fn spoke_before(&self, at: usize) -> usize {
        let sent = self.sent_before(at).checked_sub(1);
        let heard = self
            .heard
            .partition_point(|heard| *heard < at)
            .checked_sub(1);
        let sent = sent.map_or(self.opened_at, |index| self.sent[index].at);
        sent.max(heard.map_or(0, |index| self.heard[index]))
    }
}
