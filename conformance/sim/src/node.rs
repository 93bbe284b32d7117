//! The shell of a node: what the server's workspace task and connection tasks do, one step at a time.
//!
//! While an append is under way, what comes waits and is the next step. When the log fails, nobody knows what of the step is durable: the sessions are told so and
//! closed, the engine is dropped, and the next `hello` opens the workspace from what the log really holds.

use syncline_schemas::errors;
use syncline_schemas::{ErrorMessage, Goaway, ServerMessage};
use syncline_server_core::{
    Engine, Event, Input, Output, Record, close_code, read_frame, read_hello,
};

use crate::agenda::Due;
use crate::dice::Dice;
use crate::operator::Want;
use crate::store::{Append, Position};
use crate::wire::{Conn, Item};
use crate::world::{BEGINNING_MS, World};
use crate::{Hook, Seen};

/// How long clients that were sent away are asked to stay away.
const RETRY_MS: u64 = 50;

/// How often an outbox may be over its bound by what no update is.
const HARD_BOUND: usize = 2;

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) up: bool,
    /// It is being stopped in order: nothing new is read.
    pub(crate) draining: bool,
    /// The engine, and where the log ends as far as this node knows.
    pub(crate) engine: Option<(Engine, Position)>,
    pub(crate) inbox: Vec<Input>,
    /// Somebody said hello: the log's end must be looked at.
    pub(crate) looks: bool,
    pub(crate) wants: Vec<Want>,
    /// What is being appended, and its number.
    pub(crate) appending: Option<(Vec<Record>, u64)>,
    appends: u64,
    step_due: bool,
    pub(crate) away_ms: u64,
    pub(crate) down_by: Option<Hook>,
    pub(crate) skew_ms: i64,
    pub(crate) dice: Dice,
}

/// Why an engine cannot go on.
pub(crate) enum Stop {
    Failed,
    Replaced,
}

impl Node {
    pub(crate) fn new(dice: Dice) -> Node {
        Node {
            up: true,
            draining: false,
            engine: None,
            inbox: Vec::new(),
            looks: false,
            wants: Vec::new(),
            appending: None,
            appends: 0,
            step_due: false,
            away_ms: 0,
            down_by: None,
            skew_ms: 0,
            dice,
        }
    }

    /// Whether nothing waits in it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.up && self.appending.is_none() && self.inbox.is_empty() && self.wants.is_empty()
    }
}

impl World<'_> {
    fn node_ms(&self, node: usize) -> u64 {
        (BEGINNING_MS + self.now_us / 1000).saturating_add_signed(self.nodes[node].skew_ms)
    }

    /// A frame, a pong or the end has come from a client.
    pub(crate) fn server_reads(&mut self, conn: usize, item: Item) {
        let node = self.conns[conn].node;
        if self.nodes[node].draining {
            return;
        }
        let session = World::session(conn);
        match item {
            Item::Ping => return,
            Item::End(_) => {
                self.conns[conn].server_open = false;
                self.nodes[node].inbox.push(Input::Close { session });
            }
            Item::Frame(text) => {
                self.conns[conn].frames += 1;
                let re = self.conns[conn].frames;
                match self.input(conn, re, &text) {
                    Ok(input) => self.nodes[node].inbox.push(input),
                    Err(error) => return self.refuse(conn, error),
                }
                self.nodes[node].looks |= re == 1;
            }
        }
        self.want_step(node);
    }

    #[expect(clippy::result_large_err, reason = "what is read is no smaller")]
    fn input(&self, conn: usize, re: u64, text: &str) -> Result<Input, ErrorMessage> {
        let session = World::session(conn);
        if re == 1 {
            let hello = read_hello(text, &self.config.limits)?;
            let name = format!("s{conn}");
            return Ok(Input::Open {
                session,
                name,
                hello,
            });
        }
        Ok(
            match read_frame(text, &self.config.limits, &self.config.capabilities) {
                Ok(request) => Input::Frame {
                    session,
                    re,
                    request,
                },
                Err(error) => Input::Invalid { session, re, error },
            },
        )
    }

    fn refuse(&mut self, conn: usize, error: ErrorMessage) {
        let code = close_code(&error.code);
        self.say(conn, ServerMessage::Error(error));
        self.close(conn, code);
    }

    fn say(&mut self, conn: usize, message: ServerMessage) {
        self.send_down(conn, World::frame(message.encode()));
    }

    /// The server's end closes, behind what it has sent.
    fn close(&mut self, conn: usize, code: u16) {
        if std::mem::take(&mut self.conns[conn].server_open) {
            self.send_down(conn, Item::End(Some(code)));
        }
    }

    pub(crate) fn send_away(&mut self, conn: usize, reason: &errors::ErrorDef) {
        let goaway = Goaway {
            reason: reason.code.to_owned(),
            retry_after_ms: RETRY_MS,
        };
        self.say(conn, ServerMessage::Goaway(goaway));
        self.close(conn, 1001);
    }

    /// A step is due soon, unless one is.
    pub(crate) fn want_step(&mut self, node: usize) {
        let late = self.nodes[node].dice.below(200);
        let due = std::mem::replace(&mut self.nodes[node].step_due, true);
        if !due {
            self.agenda.put(self.now_us + late, Due::Step(node));
        }
    }

    /// Takes all that waits, unless an append is under way.
    pub(crate) fn step(&mut self, node: usize) {
        self.nodes[node].step_due = false;
        if !self.nodes[node].up || self.nodes[node].appending.is_some() {
            return;
        }
        if let Err(stop) = self.take_step(node) {
            self.stop(node, &stop);
        }
    }

    fn take_step(&mut self, node: usize) -> Result<(), Stop> {
        let shared = self.nodes.len() > 1;
        let (inputs, looks) = {
            let node = &mut self.nodes[node];
            (
                std::mem::take(&mut node.inbox),
                std::mem::take(&mut node.looks),
            )
        };
        let operates = !self.nodes[node].wants.is_empty();
        if self.nodes[node].engine.is_none() {
            if !looks && !operates {
                return Ok(());
            }
            let (position, checkpoint, records) = self.store.open();
            let epoch = position.epoch.clone();
            let engine = Engine::open(self.config.clone(), epoch, checkpoint.as_ref(), records);
            match engine {
                Ok(engine) => self.nodes[node].engine = Some((engine, position)),
                Err(error) => {
                    self.violation(format!("the log cannot be opened: {error}"));
                    return Err(Stop::Failed);
                }
            }
        }
        if shared {
            self.replay(node)?;
        }
        if operates {
            self.prepare(node);
        }
        if let Some((engine, _)) = &mut self.nodes[node].engine {
            inputs.into_iter().for_each(|input| engine.enqueue(input));
        }
        self.decide(node)
    }

    /// What other nodes have appended.
    fn replay(&mut self, node: usize) -> Result<(), Stop> {
        let Some((engine, position)) = &mut self.nodes[node].engine else {
            return Ok(());
        };
        let newer = self.store.tail(position).ok_or(Stop::Replaced)?;
        if let Some(last) = newer.last() {
            position.version = last.version;
            engine.conflicted(newer);
        }
        Ok(())
    }

    fn decide(&mut self, node: usize) -> Result<(), Stop> {
        let now_ms = self.node_ms(node);
        loop {
            let Some((engine, _)) = &mut self.nodes[node].engine else {
                return Ok(());
            };
            let records = engine.decide(now_ms);
            if !records.is_empty() {
                let records = records.to_vec();
                self.begin_append(node, records);
                return Ok(());
            }
            if !engine.waits() {
                return self.deliver(node);
            }
        }
    }

    fn begin_append(&mut self, node: usize, records: Vec<Record>) {
        let took_us = self.nodes[node].dice.between(self.plan.settings.append_us);
        let took_us = took_us + std::mem::take(&mut self.store.slow_us);
        let known = &mut self.nodes[node];
        known.appends += 1;
        known.appending = Some((records, known.appends));
        let append = known.appends;
        self.agenda
            .put(self.now_us + took_us, Due::Appended(node, append));
    }

    /// The log has answered.
    pub(crate) fn appended(&mut self, node: usize, append: u64) {
        let current = |(_, number): &mut (Vec<Record>, u64)| *number == append;
        let Some((records, _)) = self.nodes[node].appending.take_if(current) else {
            return;
        };
        if let Err(stop) = self.go_on(node, &records) {
            self.stop(node, &stop);
        }
    }

    fn go_on(&mut self, node: usize, records: &[Record]) -> Result<(), Stop> {
        let Some((engine, position)) = &mut self.nodes[node].engine else {
            return Ok(());
        };
        match self.store.append(position, records) {
            Append::Done => {
                engine.committed();
                self.forgets(node, records);
                let Some((engine, position)) = &mut self.nodes[node].engine else {
                    return Ok(());
                };
                position.version = self.store.position.version;
                let waits = engine.waits();
                self.tell_nodes(node);
                if waits {
                    self.decide(node)
                } else {
                    self.deliver(node)
                }
            }
            Append::Conflict => {
                self.see(Seen::Fault("an append conflicts with another node's"));
                self.replay(node)?;
                self.decide(node)
            }
            Append::Failed => {
                self.see(Seen::Fault("an append is said to have failed"));
                Err(Stop::Failed)
            }
        }
    }

    /// What a node forgets by itself is seen as a truncation that is never said to be done: who resumes may or may not need a replacement.
    fn forgets(&mut self, node: usize, records: &[Record]) {
        let asked = self.nodes[node].wants.contains(&Want::Truncated);
        let forgets = |record: &Record| matches!(record.event, Event::Truncated(_));
        if !asked && records.iter().any(forgets) {
            self.begin_hook(Hook::Truncate, None);
        }
    }

    /// The other nodes hear that the log has grown.
    pub(crate) fn tell_nodes(&mut self, node: usize) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if self.nodes[other].engine.is_some() {
                self.want_step(other);
            }
        }
    }

    /// Makes updates as far as there is room, and sends all that is ready.
    fn deliver(&mut self, node: usize) -> Result<(), Stop> {
        let outbox_bytes = self.plan.settings.outbox_bytes;
        let now_ms = self.node_ms(node);
        let Some((engine, _)) = &mut self.nodes[node].engine else {
            return Ok(());
        };
        let conns = &self.conns;
        let room = |session: syncline_server_core::SessionKey| {
            let conn = &conns[session.0 as usize];
            match conn.server_open {
                true => outbox_bytes.saturating_sub(conn.down_bytes),
                false => 0,
            }
        };
        let mut again = engine.pump(room);
        let outputs: Vec<Output> = std::iter::from_fn(|| engine.poll_output()).collect();
        let due_ms = engine.due_in_ms(now_ms);
        for output in outputs {
            again |= self.carry_out(node, output);
        }
        self.operate(node)?;
        let waiting = !self.nodes[node].inbox.is_empty() || !self.nodes[node].wants.is_empty();
        if again || waiting {
            self.want_step(node);
        } else if let Some(ms) = due_ms {
            // Whatever comes before is a step of its own.
            self.after_ms(ms.max(1), Due::Step(node));
        }
        if self.nodes[node].draining {
            self.drained(node);
        }
        Ok(())
    }

    /// Does one thing that the engine wants. Says whether it is to be pumped again.
    fn carry_out(&mut self, node: usize, output: Output) -> bool {
        match output {
            Output::Frame { to, text } => {
                let Item::Frame(text) = World::frame(text) else {
                    return false;
                };
                for session in to {
                    let conn = session.0 as usize;
                    if !self.conns[conn].server_open {
                        continue;
                    }
                    if self.conns[conn].down_bytes > HARD_BOUND * self.plan.settings.outbox_bytes {
                        self.nodes[node].inbox.push(Input::Close { session });
                        self.let_end(conn);
                        self.send_away(conn, &errors::SLOW_CONSUMER);
                        continue;
                    }
                    self.send_down(conn, Item::Frame(text.clone()));
                }
                false
            }
            Output::Close { session, code } => {
                self.close(session.0 as usize, code);
                false
            }
            Output::Starved { session } => {
                let conn: &mut Conn = &mut self.conns[session.0 as usize];
                let room = conn.down_bytes <= self.plan.settings.outbox_bytes / 2;
                conn.starved = !room;
                room && conn.server_open
            }
        }
    }

    /// Drops the engine, telling everyone why.
    fn stop(&mut self, node: usize, stop: &Stop) {
        self.nodes[node].engine = None;
        self.nodes[node].wants.clear();
        // Who has said hello meanwhile waits in the inbox, and is not told.
        let opening = |conn: usize| {
            let session = World::session(conn);
            let inbox = self.nodes[node].inbox.iter();
            let mut opens = inbox.filter(|input| matches!(input, Input::Open { .. }));
            opens.any(|input| matches!(input, Input::Open { session: of, .. } if *of == session))
        };
        let open = |conn: &usize| {
            let link = &self.conns[*conn];
            link.server_open && link.node == node && link.frames > 0 && !opening(*conn)
        };
        let told: Vec<usize> = (0..self.conns.len()).filter(open).collect();
        for conn in told {
            match stop {
                Stop::Replaced => self.send_away(conn, &errors::HISTORY_REPLACED),
                Stop::Failed => {
                    let message =
                        "the server failed; what was in flight may or may not have been decided";
                    self.refuse(conn, ErrorMessage::new(&errors::INTERNAL, message));
                }
            }
        }
        if !self.nodes[node].inbox.is_empty() {
            self.want_step(node);
        }
        if self.nodes[node].draining {
            self.drained(node);
        }
    }

    /// The server's end of a connection looks at the clock: who is silent is pinged, and given up after a while.
    pub(crate) fn heart(&mut self, conn: usize) {
        if !self.conns[conn].server_open {
            return;
        }
        let limits = &self.config.limits;
        let (beat_ms, idle_ms) = (limits.heartbeat_ms * 2 / 5, limits.idle_timeout_ms);
        let link = &mut self.conns[conn];
        if self.now_us > link.heard_us + idle_ms * 1000 {
            let (node, session) = (link.node, World::session(conn));
            self.send_away(conn, &errors::IDLE);
            self.nodes[node].inbox.push(Input::Close { session });
            return self.want_step(node);
        }
        let quiet = !std::mem::take(&mut link.heard) || !std::mem::take(&mut link.spoke);
        if quiet {
            self.send_down(conn, Item::Ping);
        }
        self.after_ms(beat_ms, Due::Heart(conn));
    }
}
