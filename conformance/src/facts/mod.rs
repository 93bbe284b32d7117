//! What a history tells: connections, the fate of mutations, what replicas hold.
//!
//! [`Facts`] is a fold: each entry is applied once, in order. The driver keeps one as it goes (a step awaits a fact), the
//! checkers look at the same one when all is over. It believes the server; whether the server told the truth is for the checkers.

mod conn;
mod digest;
mod document;
mod fields;
mod filters;
mod log;
mod mutation;
mod names;
mod presence;
mod replay;
mod replica;
mod sequence;
mod sub;

use std::collections::BTreeMap;

use serde_json::Value;

pub use conn::{Conn, End, Hello, How, Sent};
pub use digest::Digest;
pub use fields::{FieldFate, FieldsFate, named_in};
pub use filters::Filters;
pub use log::{Effect, Known, Log, Patched, Step as LogStep};
pub use mutation::{Answer, Ledger, Mutation, Outcome, Send, row_named, row_of};
pub use presence::{Presented, author};
pub use replay::{Fate, Stands, says_what_stands};
pub use replica::{Replica, Row, RowKey, RowName, Sibling};
pub use sequence::{Ask, Given, ask_of, given};
pub use sub::{Complete, Part, Sub};

use crate::history::{ConnIx, Entry, Event, Frame, whole};
use crate::scenario::Hook;

/// All that a history tells, so far.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The history itself.
    pub entries: Vec<Entry>,
    /// The connections, in the order in which they were opened.
    pub conns: Vec<Conn>,
    /// The mutations that were sent, and what became of them.
    pub ledger: Ledger,
    /// The subscriptions that were accepted.
    pub subs: Vec<Sub>,
    /// The hooks that were done: when they began and ended.
    pub hooks: Vec<(Hook, usize, usize)>,
    /// When the runner's machine stood still, and for how many milliseconds up to and with that.
    stalls: Vec<(usize, u64)>,
    /// The subscription that each `subscribe` became, by its entry.
    answers: BTreeMap<usize, usize>,
}

impl Facts {
    /// The facts of a whole history.
    #[must_use]
    pub fn of(history: impl IntoIterator<Item = Entry>) -> Facts {
        let mut facts = Facts::default();
        for entry in history {
            facts.apply(entry);
        }
        facts
    }

    /// A history of which nothing is made out but the names of its connections: for reports.
    #[must_use]
    pub fn unfolded(entries: Vec<Entry>) -> Facts {
        let opened = entries.iter().enumerate();
        let conns = opened.filter_map(|(at, entry)| match &entry.event {
            Event::Opened { name, .. } => Some(Conn::new(name.clone(), at)),
            _ => None,
        });
        Facts {
            conns: conns.collect(),
            entries,
            ..Facts::default()
        }
    }

    /// Takes the next entry.
    pub fn apply(&mut self, entry: Entry) {
        let at = self.entries.len();
        match &entry.event {
            Event::Opened { name, .. } => self.conns.push(Conn::new(name.clone(), at)),
            Event::Sent {
                conn,
                frame,
                resumes,
                ..
            } => self.sent(at, *conn, frame, *resumes),
            Event::Received { conn, frame } => self.received(at, *conn, frame),
            Event::Heard { conn } => {
                self.conns[*conn].heard_at = Some(at);
                self.conns[*conn].heard.push(at);
            }
            Event::Closed { conn, code } => self.ended(at, *conn, How::Closed(*code)),
            Event::Reset { conn } => self.ended(at, *conn, How::Reset),
            Event::Left { conn } => self.ended(at, *conn, How::Left),
            Event::MayEnd { conn } => {
                self.conns[*conn].may_end_at.get_or_insert(at);
            }
            Event::HookBegun { hook } => self.hooks.push((*hook, at, usize::MAX)),
            Event::HookDone { hook } => {
                if let Some(begun) = self
                    .hooks
                    .iter_mut()
                    .rev()
                    .find(|(begun, _, done)| begun == hook && *done == usize::MAX)
                {
                    begun.2 = at;
                }
            }
            Event::Stalled { ms } => {
                let before = self.stalls.last().map_or(0, |(_, sum)| *sum);
                self.stalls.push((at, before + ms));
            }
            Event::Fault { .. }
            | Event::Asked { .. }
            | Event::Told { .. }
            | Event::Process { .. } => {}
        }
        self.entries.push(entry);
    }

    /// The frame of an entry that is one.
    #[must_use]
    pub fn frame(&self, at: usize) -> Option<&Frame> {
        match &self.entries.get(at)?.event {
            Event::Sent { frame, .. } | Event::Received { frame, .. } => Some(frame),
            _ => None,
        }
    }

    fn sent(&mut self, at: usize, conn: ConnIx, frame: &Frame, resumes: Option<usize>) {
        let session = &mut self.conns[conn];
        session.sent.push(Sent { at, answer: None });
        let ordinal = session.sent.len() as u64;
        match frame.kind() {
            "hello" if ordinal == 1 => session.hello = Hello::read(at, frame),
            "push" => self.ledger.pushed(at, conn, session, frame),
            "subscribe" => session.asked.extend(sub::Asked::read(at, frame, resumes)),
            "ping" => {
                let pings = session.pings.entry(frame.number("t")).or_default();
                pings.push_back(session.sent.len() - 1);
            }
            "unsubscribe" => {
                let live = session.live_sub(frame.string("shape").unwrap_or_default());
                if let Some(sub) = live {
                    self.subs[sub].unsubscribed(at);
                }
            }
            _ => {}
        }
    }

    fn received(&mut self, at: usize, conn: ConnIx, frame: &Frame) {
        let session = &mut self.conns[conn];
        session.received.push(at);
        session.heard_at = Some(at);
        let re = frame
            .number("re")
            .filter(|re| (1..=session.sent.len() as u64).contains(re));
        if let Some(re) = re {
            session.answered(re, at);
        }
        match frame.kind() {
            "welcome" => {
                session.welcomed(at, frame);
                self.ledger.learned(at, conn, session, frame);
            }
            "ack" => self.ledger.acked(at, conn, session, frame),
            "error" => self.failed(at, conn, frame, re),
            "subscribed" => self.subscribed(at, conn, frame),
            "update" => {
                if frame.member("more") == Some(&Value::Bool(true)) {
                    session.staged_at = Some(at);
                }
                let live = session.live_sub(frame.string("shape").unwrap_or_default());
                match live {
                    Some(sub) => self.subs[sub].updated(at, frame),
                    None => session.stray_updates.push(at),
                }
            }
            "pong" => session.ponged(at, frame.number("t")),
            "presence" => {
                let of = frame.string("session").unwrap_or_default();
                session.others.insert(of.to_owned(), at);
            }
            _ => {}
        }
    }

    fn failed(&mut self, at: usize, conn: ConnIx, frame: &Frame, re: Option<u64>) {
        let session = &mut self.conns[conn];
        if let Some(re) = re {
            self.ledger.errored(conn, re, frame);
            let sent_at = session.sent[re as usize - 1].at;
            session.asked.retain(|asked| asked.at != sent_at);
        }
        if frame.string("scope") == Some("subscription")
            && let Some(sub) = frame
                .string("shape")
                .and_then(|shape| session.live_sub(shape))
        {
            session.live.retain(|(_, live)| *live != sub);
            self.subs[sub].ended_at = Some(at);
        }
    }

    fn subscribed(&mut self, at: usize, conn: ConnIx, frame: &Frame) {
        let (id, shape) = (
            frame.string("id").unwrap_or_default(),
            frame.string("shape").unwrap_or_default(),
        );
        let session = &mut self.conns[conn];
        let Some(index) = session.asked.iter().position(|asked| asked.id == id) else {
            return;
        };
        let asked = session.asked.remove(index);
        session.answered_at(asked.at, at);
        let over =
            |(name, sub): &(String, usize)| name == shape || self.subs[*sub].tables == asked.tables;
        for (_, ended) in session
            .live
            .extract_if(.., |live| over(live))
            .collect::<Vec<_>>()
        {
            self.subs[ended].ended_at = Some(at);
        }
        session.live.push((shape.to_owned(), self.subs.len()));
        let epoch = session.epoch.clone().unwrap_or_default();
        let replica = match (asked.resumes, &asked.cursor) {
            (Some(earlier), _) => self.subs[earlier].held().resumed(),
            (None, Some((of, version))) => {
                let log = Log::of(self, self.conns[conn].workspace(), of);
                let rows = log.rows_at(*version, &asked.tables);
                Replica::at((of.clone(), *version), asked.filters.among(&rows))
            }
            (None, None) => Replica::default(),
        };
        self.answers.entry(asked.at).or_insert(self.subs.len());
        self.subs
            .push(Sub::new(conn, asked, shape, at, epoch, replica));
    }

    fn ended(&mut self, at: usize, conn: ConnIx, how: How) {
        let session = &mut self.conns[conn];
        if session.ended.is_none() {
            session.ended = Some(End { at, how });
            for (_, sub) in std::mem::take(&mut session.live) {
                self.subs[sub].ended_at = Some(at);
            }
        }
    }

    /// The subscription that answered the `subscribe` sent at this entry.
    #[must_use]
    pub fn sub_of(&self, subscribe_at: usize) -> Option<usize> {
        self.answers.get(&subscribe_at).copied()
    }

    /// For how long the runner's machine stood still after this entry.
    #[must_use]
    pub fn stalled_ms(&self, at: usize) -> u64 {
        let all = self.stalls.last().map_or(0, |(_, sum)| *sum);
        let before = self.stalls.partition_point(|(stalled, _)| *stalled < at);
        all - before
            .checked_sub(1)
            .map_or(0, |index| self.stalls[index].1)
    }

    /// The announced limit of a connection's session.
    #[must_use]
    pub fn limit(&self, conn: ConnIx, name: &str) -> Option<u64> {
        let welcome = self.conns.get(conn)?.welcome.as_ref()?;
        whole(
            welcome
                .1
                .get("limits")
                .and_then(|limits: &Value| limits.get(name))?,
        )
    }
}
