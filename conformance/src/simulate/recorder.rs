//! Takes what the simulator tells into the history and its facts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use syncline_sim::{Hook as Done, Seen, Witness};

use crate::facts::{Facts, Sub};
use crate::history::{Body, ConnIx, Entry, Event, Frame};
use crate::scenario::Hook;

/// So many frames are remembered: what goes to all is made out once.
const LATELY: usize = 8;

/// Writes down what happens.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) facts: Facts,
    /// The history's numbers of the simulator's connections: those that could not be opened have none.
    conns: BTreeMap<usize, ConnIx>,
    lately: VecDeque<Arc<Frame>>,
}

impl Witness for Recorder {
    fn sees(&mut self, at_us: u64, what: Seen<'_>) {
        if let Some(event) = self.event(what) {
            self.facts.apply(Entry { at_us, event });
        }
    }
}

impl Recorder {
    fn event(&mut self, what: Seen<'_>) -> Option<Event> {
        Some(match what {
            Seen::Opened { conn, name } => {
                let (of, name) = (self.facts.conns.len(), name.to_owned());
                self.conns.insert(conn, of);
                Event::Opened { conn: of, name }
            }
            Seen::Sent { conn, text } => {
                let frame = Arc::new(Frame::text(text.to_owned()));
                let conn = self.conn(conn)?;
                let resumes = self.resumes(conn, &frame);
                Event::Sent {
                    conn,
                    frame,
                    resumes,
                    own: true,
                }
            }
            Seen::Received { conn, text } => Event::Received {
                conn: self.conn(conn)?,
                frame: self.frame(text),
            },
            Seen::Heard { conn } => Event::Heard {
                conn: self.conn(conn)?,
            },
            Seen::Closed { conn, code } => Event::Closed {
                conn: self.conn(conn)?,
                code,
            },
            Seen::MayEnd { conn } => Event::MayEnd {
                conn: self.conn(conn)?,
            },
            Seen::Left { conn } => Event::Left {
                conn: self.conn(conn)?,
            },
            Seen::HookBegun(hook) => Event::HookBegun { hook: name(hook) },
            Seen::HookDone(hook) => Event::HookDone { hook: name(hook) },
            Seen::Fault(what) => Event::Fault {
                what: what.to_owned(),
            },
        })
    }

    fn conn(&self, conn: usize) -> Option<ConnIx> {
        self.conns.get(&conn).copied()
    }

    fn frame(&mut self, text: &str) -> Arc<Frame> {
        let same = |frame: &&Arc<Frame>| matches!(&frame.body, Body::Text(of) if of == text);
        if let Some(known) = self.lately.iter().find(same) {
            return Arc::clone(known);
        }
        let frame = Arc::new(Frame::text(text.to_owned()));
        if self.lately.len() == LATELY {
            self.lately.pop_front();
        }
        self.lately.push_back(Arc::clone(&frame));
        frame
    }

    /// The subscription whose rows a client holds that subscribes from this cursor. What a store holds is durable, whoever uses it now: some subscription
    /// of these tables ended there, or stands there on this very connection, or stood there when the client asked to end it.
    fn resumes(&self, conn: ConnIx, frame: &Frame) -> Option<usize> {
        if frame.kind() != "subscribe" {
            return None;
        }
        let cursor = frame.member("cursor")?;
        let (epoch, version) = (
            cursor.get("epoch")?.as_str()?,
            cursor.get("version")?.as_u64()?,
        );
        let tables = frame.member("tables")?.as_object()?;
        let of_tables = |sub: &Sub| {
            sub.tables.len() == tables.len()
                && sub.tables.iter().all(|table| tables.contains_key(table))
        };
        let subs = &self.facts.subs;
        let there = subs.iter().rposition(|sub| {
            let at = sub.held().cursor.as_ref();
            let stays = sub.ended_at.is_some() || sub.conn == conn;
            stays && at.is_some_and(|(of, at)| of == epoch && *at == version) && of_tables(sub)
        });
        // Who takes in an update between asking and sending stands further on when it sends.
        there.or_else(|| {
            subs.iter().rposition(|sub| {
                sub.conn == conn && of_tables(sub) && sub.held().version(epoch) > version
            })
        })
    }
}

fn name(hook: Done) -> Hook {
    match hook {
        Done::Restart => Hook::Restart,
        Done::Kill => Hook::Kill,
        Done::Truncate => Hook::Truncate,
        Done::Backup => Hook::Backup,
        Done::Restore => Hook::Restore,
    }
}
