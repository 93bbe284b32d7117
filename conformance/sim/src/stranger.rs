//! The stranger: a client that the reference is not. It keeps to the protocol's form and not to its habits: it pushes one `seq` twice, what was decided long ago, with gaps, behind the
//! wrong predecessor, under another epoch. What it gets for that is for the witness to judge; that it harms nobody, too.

use std::collections::BTreeSet;

use syncline_schemas::{ClientMessage, Hello, MutationResult, Outcome, ServerMessage};

use crate::Seen;
use crate::app::WORKSPACE;
use crate::deeds::table_name;
use crate::plan::{Odd, What};
use crate::wire::{Item, Who};
use crate::world::World;

/// Its name, with which each `clientId` begins.
const NAME: &str = "stranger";

/// The stranger.
#[derive(Debug, Default)]
pub(crate) struct Stranger {
    conn: Option<usize>,
    dials: u64,
    /// The epoch that it was welcomed in.
    epoch: Option<String>,
    /// How often it has taken a new `clientId`.
    identity: u64,
    /// The highest `seq` of which it was told what became.
    told: u64,
    /// All that it has sent, as JSON, by `seq` and `opId`.
    sent: Vec<(u64, String, String)>,
    /// The last link of its chain, as far as it knows.
    tip: (u64, Option<String>),
    /// The numbers of the frames on this connection that are as they should be.
    straight: BTreeSet<u64>,
    frames: u64,
    named: u64,
    /// It does not know how its chain ends: the next `welcome` tells.
    lost: bool,
}

impl World<'_> {
    /// Does what the plan has it do, if it is in session; else it begins one.
    pub(crate) fn stray(&mut self, doing: usize) {
        let What::Stray { how, table, key } = self.plan.doings[doing].what else {
            return;
        };
        if self.stranger.lost || how == Odd::Anew {
            self.stranger_leaves();
        }
        let Some(conn) = self.stranger.conn else {
            self.stranger.dials += 1;
            let conn = self.dial(Who::Stranger, self.stranger.dials);
            self.stranger.conn = Some(conn);
            return;
        };
        if let Some(epoch) = self.stranger.epoch.clone() {
            let row = (table_name(table), format!("k{key}"));
            self.stranger_pushes(conn, how, &epoch, &row);
        }
    }

    /// Ends its connection, if it has one.
    pub(crate) fn stranger_leaves(&mut self) {
        if let Some(conn) = self.stranger.conn.take() {
            self.leave(conn, true);
        }
        self.stranger.epoch = None;
    }

    pub(crate) fn stranger_opened(&mut self, conn: usize, up: bool) {
        if self.stranger.conn != Some(conn) {
            return;
        }
        if !up {
            self.stranger.conn = None;
            return;
        }
        self.conns[conn].client_open = true;
        self.stranger.frames = 0;
        self.stranger.straight.clear();
        self.see(Seen::Opened { conn, name: NAME });
        let hello = Hello {
            workspace: WORKSPACE.to_owned(),
            client_id: Some(format!("{NAME}-{}", self.stranger.identity)),
            acked_seq: None,
            capabilities: None,
        };
        self.stranger_says(conn, ClientMessage::Hello(hello).encode());
    }

    fn stranger_says(&mut self, conn: usize, text: String) {
        self.stranger.frames += 1;
        self.see(Seen::Sent { conn, text: &text });
        self.send_up(conn, World::frame(text));
    }

    pub(crate) fn stranger_hears(&mut self, conn: usize, item: &Item) {
        match item {
            Item::Ping => {
                self.see(Seen::Heard { conn });
                self.send_up(conn, Item::Ping);
            }
            Item::End(code) => {
                self.conns[conn].client_open = false;
                self.see(Seen::Closed { conn, code: *code });
                self.send_up(conn, Item::End(None));
                if self.stranger.conn == Some(conn) {
                    (self.stranger.conn, self.stranger.epoch) = (None, None);
                }
            }
            Item::Frame(text) => {
                self.see(Seen::Received { conn, text });
                match ServerMessage::decode(text, 64) {
                    Ok(message) => self.stranger.reads(message),
                    Err(error) => self.violation(format!("the stranger reads no message: {error}")),
                }
            }
        }
    }

    fn stranger_pushes(&mut self, conn: usize, how: Odd, epoch: &str, row: &(String, String)) {
        let (last, tip) = self.stranger.tip.clone();
        let new = |world: &mut Self, seq: u64| {
            world.written += 1;
            world.stranger.mutation(seq, row, world.written)
        };
        let old = |world: &Self| {
            let sent = &world.stranger.sent;
            let at = row.1.len() + world.written as usize;
            sent.get(at % sent.len().max(1)).cloned()
        };
        match how {
            Odd::Anew => {}
            Odd::Next => {
                let (op_id, text) = new(self, last + 1);
                self.stranger.straight.insert(self.stranger.frames + 1);
                self.stranger_says(conn, push(epoch, tip.as_deref(), &[&text]));
                self.stranger.tip = (last + 1, Some(op_id));
            }
            Odd::Twice => {
                let (op_id, first) = new(self, last + 1);
                let (_, second) = new(self, last + 1);
                self.stranger_says(conn, push(epoch, tip.as_deref(), &[&first]));
                self.stranger_says(conn, push(epoch, tip.as_deref(), &[&second]));
                self.stranger.tip = (last + 1, Some(op_id));
                self.stranger.lost = true;
            }
            Odd::Old => {
                if let Some((_, _, text)) = old(self) {
                    self.stranger_says(conn, push(epoch, tip.as_deref(), &[&text]));
                }
            }
            Odd::OtherName => {
                if let Some((seq, _, _)) = old(self) {
                    let (_, text) = new(self, seq);
                    self.stranger_says(conn, push(epoch, tip.as_deref(), &[&text]));
                    // It may be new after all: what was sent may be lost.
                    self.stranger.lost = true;
                }
            }
            Odd::Gap => {
                let (_, text) = new(self, last + 2);
                self.stranger_says(conn, push(epoch, tip.as_deref(), &[&text]));
                self.stranger.lost = true;
            }
            Odd::Follows => {
                let (_, text) = new(self, last + 1);
                self.stranger_says(conn, push(epoch, Some("nobody"), &[&text]));
                self.stranger.lost = true;
            }
            Odd::OtherEpoch => {
                let (_, text) = new(self, last + 1);
                self.stranger_says(conn, push("e0", tip.as_deref(), &[&text]));
                self.stranger.lost = true;
            }
        }
    }
}

impl Stranger {
    /// A mutation, kept to be sent again: its `opId` and its JSON.
    fn mutation(
        &mut self,
        seq: u64,
        (table, key): &(String, String),
        value: u64,
    ) -> (String, String) {
        self.named += 1;
        let op_id = format!("q{}", self.named);
        let text = format!(
            r#"{{"seq":{seq},"opId":"{op_id}","ops":[{{"op":"set","table":"{table}","key":"{key}","value":{value}}}]}}"#
        );
        self.sent.push((seq, op_id.clone(), text.clone()));
        (op_id, text)
    }

    fn reads(&mut self, message: ServerMessage) {
        match message {
            // Who was forgotten, or put back, is not who it was (CLIENT-FORGOTTEN): that it keeps to, or it would break all by itself.
            ServerMessage::Welcome(welcome) if welcome.last_seq < self.told => {
                self.identity += 1;
                (self.told, self.lost) = (0, true);
                self.sent.clear();
            }
            ServerMessage::Welcome(welcome) => {
                self.told = welcome.last_seq;
                let last = welcome.results.last().map(|result| match result {
                    Outcome::Applied(result) => result.op_id.clone(),
                    Outcome::Rejected(result) => result.op_id.clone(),
                });
                self.tip = (welcome.last_seq, last);
                self.lost = false;
                self.epoch = Some(welcome.epoch);
            }
            ServerMessage::Ack(ack) => {
                let straight = ack.re.is_none_or(|re| self.straight.contains(&re));
                let decided = |result: &MutationResult| match result {
                    MutationResult::Applied(result) => Some(result.seq),
                    MutationResult::Rejected(result) => Some(result.seq),
                    MutationResult::Deferred(_) | MutationResult::Refused(_) => None,
                };
                let seqs: Vec<_> = ack.results.iter().map(decided).collect();
                self.told = { seqs.iter().flatten() }.fold(self.told, |told, seq| told.max(*seq));
                self.lost |= straight && seqs.contains(&None);
            }
            ServerMessage::Error(_) => self.lost = true,
            _ => {}
        }
    }
}

fn push(epoch: &str, follows: Option<&str>, mutations: &[&str]) -> String {
    let follows = follows.map(|op_id| format!(r#""follows":"{op_id}","#));
    let (follows, mutations) = (follows.unwrap_or_default(), mutations.join(","));
    format!(r#"{{"type":"push","epoch":"{epoch}",{follows}"mutations":[{mutations}]}}"#)
}
