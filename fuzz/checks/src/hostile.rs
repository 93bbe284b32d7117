//! `hostile`: a replica whose server says anything: messages of every type with whatever they may hold, of which much nearly fits. The replica may give a
//! connection up, but never panics; what it stores is at every moment what it goes by, and loads again to the same; and no write of the app vanishes without an
//! outcome, however the server lies.
//!
//! The bytes choose what the app does, what the server says, and when time passes.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Result, Unstructured};
use syncline_client_core::{
    Decision, Env, Event, Mode, Replica, StoredState, Tables, Trigger, Wish,
};
use syncline_schemas::{
    Allocate, AppendOp, ClientMessage, CompactOp, DeleteOp, Filter, History, HistoryOrder, Json,
    Observe, Op, Patch, SetOp, validate,
};

use words::Heard;

/// More than that says no more.
const STEPS_MAX: usize = 150;

const TABLES: [&str; 4] = ["a", "b", "c", "d"];

/// Fails if the replica does what no server may make it do.
pub fn check(data: &[u8]) {
    // Bytes that come to an end are read on as zeros: there is no error.
    let _ = run(&mut Unstructured::new(data));
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut world = World::new();
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() {
            break;
        }
        match bytes.int_in_range(0..=9_u8)? {
            0..=4 => {
                let text = words::message(bytes, &world.heard, world.replica.stored())?;
                world.receive(&text);
            }
            5 | 6 => world.writes(bytes)?,
            7 => world.steers(bytes)?,
            8 => world.asks(bytes)?,
            _ => world.passes(bytes)?,
        }
    }
    world.restart();
    Ok(())
}

struct World {
    replica: Replica,
    stored: StoredState,
    connected: bool,
    /// What the server has heard of the connection.
    heard: Heard,
    now: u64,
    random: u128,
    /// The app's writes whose end it was not told.
    written: BTreeSet<String>,
}

impl World {
    fn new() -> World {
        let env = env(0, 0);
        let replica = Replica::load("home", StoredState::default(), env);
        let mut world = World {
            replica: replica.expect("a new store"),
            stored: StoredState::default(),
            connected: false,
            heard: Heard::default(),
            now: 1_000_000,
            random: 0,
            written: BTreeSet::new(),
        };
        world.start();
        world
    }

    fn env(&mut self) -> Env {
        self.random += 1;
        env(self.now, self.random)
    }

    /// What an app does at its start.
    fn start(&mut self) {
        self.replica.watch_presence();
        self.replica.watch_progress();
        let env = self.env();
        self.replica.go_online(env);
        self.settle();
    }

    /// The program ends, and begins again with what it has stored.
    fn restart(&mut self) {
        self.connected = false;
        self.heard = Heard::default();
        let env = self.env();
        let replica = Replica::load("home", self.stored.clone(), env);
        self.replica = replica.expect("its own store");
        self.start();
    }

    /// The server says something; of what it says of the app's writes the replica may let go.
    fn receive(&mut self, text: &str) {
        if !self.connected {
            return;
        }
        let env = self.env();
        self.replica.receive(text, env);
        let applied = words::applied_in(text);
        self.written.retain(|op_id| !applied.contains(op_id));
        self.settle();
    }

    /// Does what a shell does after each input, and holds what must hold then.
    fn settle(&mut self) {
        while let Some(transaction) = self.replica.poll_store() {
            self.stored.apply(transaction);
        }
        assert_eq!(
            self.stored,
            *self.replica.stored(),
            "what is stored is what the replica goes by"
        );
        while let Some(wish) = self.replica.poll_wish() {
            self.connected = wish == Wish::Connect;
            self.heard = Heard::default();
            if self.connected {
                let env = self.env();
                self.replica.connected(env);
            }
        }
        while let Some(frame) = self.replica.poll_frame() {
            assert!(self.connected, "nobody to send {frame} to");
            self.heard.frame(read(&frame));
        }
        while let Some(transaction) = self.replica.poll_store() {
            // What was marked as sent, with the frames that were polled.
            self.stored.apply(transaction);
        }
        while let Some(event) = self.replica.poll_event() {
            match event {
                Event::Rejected(entry) => drop(self.written.remove(&entry.op_id)),
                Event::InDoubt(entry) => drop(self.written.remove(&entry.op_id)),
                _ => {}
            }
        }
        self.nothing_is_lost();
        self.loads_again();
    }

    /// `CLIENT-STORE-FIRST`, `CLIENT-REJECTED-KEPT`, `CLIENT-DOUBT`: what the app wrote is in the outbox until it is told what became of it; and what is there is
    /// numbered without holes (`CLIENT-SEQ`).
    fn nothing_is_lost(&self) {
        let kept = self.stored.outbox.values();
        let kept: BTreeSet<&str> = kept.map(|entry| entry.op_id.as_str()).collect();
        for op_id in &self.written {
            assert!(kept.contains(op_id.as_str()), "{op_id} has vanished");
        }
        let undecided: Vec<u64> = self.stored.undecided().map(|entry| entry.seq).collect();
        let expected: Vec<u64> = (self.stored.acked_seq() + 1..)
            .take(undecided.len())
            .collect();
        assert_eq!(undecided, expected);
    }

    /// A replica that is loaded from the store shows what this one shows.
    fn loads_again(&self) {
        let again = Replica::load("home", self.stored.clone(), env(self.now, 0));
        let again = again.expect("its own store");
        assert_eq!(again.stored(), self.replica.stored());
        for table in TABLES {
            assert_eq!(
                again.view_rows(table),
                self.replica.view_rows(table),
                "{table}"
            );
            let keys = self.replica.documents(table);
            assert_eq!(again.documents(table), keys, "{table}");
            for key in keys {
                assert_eq!(
                    again.document(table, &key),
                    self.replica.document(table, &key)
                );
            }
        }
    }

    fn writes(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let count = bytes.int_in_range(1..=3)?;
        let ops = (0..count)
            .map(|_| self.op(bytes))
            .collect::<Result<Vec<Op>>>()?;
        let env = self.env();
        // What passes the limits known is refused at once, and nothing has changed.
        let op_id = self.replica.mutate(ops, env).ok();
        self.written.extend(op_id);
        self.settle();
        Ok(())
    }

    fn op(&self, bytes: &mut Unstructured<'_>) -> Result<Op> {
        let (table, key) = (*bytes.choose(&TABLES)?, *bytes.choose(&words::KEYS)?);
        let value = || Json::from(serde_json::Value::from(self.random as u64));
        let version = words::number(bytes)?;
        Ok(match bytes.int_in_range(0..=8_u8)? {
            0 | 1 => Op::Set(SetOp::new(table, key, value())),
            2 => Op::Set(SetOp {
                if_version: Some(version),
                ..SetOp::new(table, key, value())
            }),
            3 => Op::Delete(DeleteOp::new(table, key)),
            4 => Op::Patch(Patch {
                fields: Some([("f".to_owned(), value())].into()),
                ..Patch::new(table, key)
            }),
            5 => Op::Append(AppendOp {
                table: table.to_owned(),
                key: key.to_owned(),
                data: "AQID".to_owned(),
                base: None,
            }),
            6 => Op::Compact(CompactOp {
                table: table.to_owned(),
                key: key.to_owned(),
                data: "AQID".to_owned(),
                covers: version.max(1),
            }),
            7 => Op::Allocate(Allocate {
                sequence: "n".to_owned(),
                count: version.max(1),
            }),
            _ => Op::Observe(Observe {
                sequence: "n".to_owned(),
                value: version.max(1),
            }),
        })
    }

    /// The app decides what it wants.
    fn steers(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let tables: Tables = bytes
            .choose(&words::SHAPES)?
            .iter()
            .map(ToString::to_string)
            .collect();
        let env = self.env();
        let replica = &mut self.replica;
        match bytes.int_in_range(0..=11_u8)? {
            0 | 1 => drop(replica.subscribe(tables, env)),
            2 => {
                let filter = Filter::eq("f", bytes.int_in_range(0..=3_u64)?);
                let filters: BTreeMap<String, Filter> = tables
                    .iter()
                    .take(1)
                    .map(|table| (table.clone(), filter.clone()))
                    .collect();
                drop(replica.subscribe_where(tables, filters, env));
            }
            3 => drop(replica.unsubscribe(&tables, env)),
            4 => replica.set_mode(
                *bytes.choose(&[Mode::Both, Mode::PushOnly, Mode::PullOnly])?,
                env,
            ),
            5 => {
                let triggers = [
                    Trigger::Immediate,
                    Trigger::Manual,
                    Trigger::Interval(100),
                    Trigger::Threshold(2),
                ];
                replica.set_trigger(*bytes.choose(&triggers)?, env);
            }
            6 => replica.sync(env),
            7 => replica.set_urgent(tables, env),
            8 => drop(replica.use_sequence("n", bytes.int_in_range(1..=9)?, env)),
            9 => replica.verify_every(Some(1_000), env),
            10 => replica.go_offline(env),
            _ => replica.go_online(env),
        }
        self.settle();
        Ok(())
    }

    /// The app asks, and decides what it was asked.
    fn asks(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let env = self.env();
        let first = |names: Vec<&String>| names.first().map(|name| (*name).clone());
        let replica = &mut self.replica;
        match bytes.int_in_range(0..=5_u8)? {
            0 => drop(replica.next_id("n", env)),
            1 => drop(replica.present(bytes.arbitrary::<bool>()?.then(Json::empty_object), env)),
            2 => {
                let rejected = first(
                    self.stored
                        .rejected
                        .values()
                        .map(|entry| &entry.op_id)
                        .collect(),
                );
                let is_there = rejected.is_some();
                let op_id = rejected.unwrap_or_default();
                assert_eq!(replica.confirm_rejection(&op_id, env), is_there);
            }
            3 => {
                let op_id = first(
                    self.stored
                        .conflicts
                        .values()
                        .map(|entry| &entry.op_id)
                        .collect(),
                );
                replica.confirm_conflicts(&op_id.unwrap_or_default(), env);
            }
            4 => {
                let op_id = first(
                    self.stored
                        .in_doubt
                        .values()
                        .map(|entry| &entry.op_id)
                        .collect(),
                );
                let decision = *bytes.choose(&[Decision::Again, Decision::Drop])?;
                let again = replica.resolve_doubt(&op_id.unwrap_or_default(), decision, env);
                self.written.extend(again.ok().flatten());
            }
            _ => {
                let history = History {
                    table: (*bytes.choose(&TABLES)?).to_owned(),
                    key: None,
                    after: None,
                    before: None,
                    limit: None,
                    order: *bytes.choose(&[HistoryOrder::Newest, HistoryOrder::Oldest])?,
                };
                drop(replica.history(history, None, env));
            }
        }
        self.settle();
        Ok(())
    }

    /// Time passes, or a connection or the program ends.
    fn passes(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        match bytes.int_in_range(0..=4_u8)? {
            0 => self.now += *bytes.choose(&[1, 100, 20_000, 100_000_000])?,
            1 => {
                let due = self.replica.poll_timeout();
                // Nobody lives to see more.
                self.now = due
                    .filter(|due| *due < 1 << 52)
                    .map_or(self.now, |due| self.now.max(due));
            }
            2 if self.connected => {
                self.connected = false;
                let env = self.env();
                self.replica.disconnected("cut", env);
            }
            3 => {
                self.restart();
                return Ok(());
            }
            _ => {}
        }
        let env = self.env();
        self.replica.tick(env);
        self.settle();
        Ok(())
    }
}

fn env(now: u64, random: u128) -> Env {
    Env {
        wall_ms: now,
        steady_ms: now,
        random,
    }
}

/// A frame of the replica is a message (`FRAME-SCHEMA-CLIENT`).
fn read(frame: &str) -> ClientMessage {
    let message = ClientMessage::decode(frame, 64);
    let message = message.unwrap_or_else(|error| panic!("FRAME-SCHEMA-CLIENT: {error}: {frame}"));
    let value = serde_json::from_str(frame).expect("it was decoded");
    let verdict = validate::message(message.type_name(), &value);
    assert_eq!(verdict, Ok(()), "FRAME-SCHEMA-CLIENT: {frame}");
    message
}
