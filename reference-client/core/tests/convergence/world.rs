//! A world of a few replicas, one server, and a network that cuts: what happens next is one [`Step`] of a program.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syncline_client_core::{
    Decision, Entry, Env, Event, Mode, Replica, StoreChange, StoredState, Tables, Trigger, Wish,
    least_limits,
};
use syncline_schemas::{Filter, Json, Limits, Op};

use super::documents::{DOCUMENTS, Told};
use super::server::{History, Server};
use super::upgrades::{Sent, reopened};
use super::writes::Write;

/// What can happen. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A replica writes.
    Write(usize, Write, u8),
    /// A replica hands out an id.
    TakeId(usize),
    /// The server reads a frame of a replica's oldest connection that has one.
    ServerReads(usize),
    /// A replica reads a frame.
    ClientReads(usize),
    /// An app says what others see of it, or nothing any more.
    Present(usize, u8),
    /// An app chooses a mode, a trigger, or asks for a sync.
    Steer(usize, u8),
    /// An app changes the filter of a shape.
    Refilter(usize, u8),
    /// The server sends a replica what it has missed.
    Flush(usize),
    /// Time passes; replicas look at the clock.
    Tick(u16),
    /// A connection breaks. What was sent on it may still arrive at the server.
    Cut(usize),
    /// What is still under way on a replica's broken connections is lost.
    Lose(usize),
    /// A replica crashes while it reads a frame, or just so: what it did since its last transaction never was.
    Crash(usize),
    /// An app says which tables are urgent, or that none is.
    Urge(usize, bool),
    /// A replica crashes, and a newer app opens its store.
    Upgrade(usize),
    /// A replica's store is copied over another's.
    Copy(usize, usize),
    /// The server defers the next new mutation.
    Defer,
    /// The log loses its beginning.
    Truncate,
    /// Nobody does anything for longer than `clientTtlMs`; the server forgets.
    LongSleep,
    /// The server's files are saved.
    Backup,
    /// They are put back, under a new epoch.
    Restore,
}

/// A replica with its store and its connection.
pub(crate) struct Client {
    pub(crate) replica: Replica,
    pub(crate) stored: StoredState,
    pub(crate) conn: Option<usize>,
    /// What the app wants others to see.
    pub(crate) wanted: Option<Json>,
    /// What it has sent.
    pub(crate) sent: Sent,
    /// Whether the app has urgent tables.
    pub(crate) urgent: bool,
    /// The version of the app.
    pub(crate) version: u64,
    /// What the app was told to be written: `opId` and ops.
    pub(crate) written: Vec<(String, Vec<Op>)>,
    /// The mutations whose end the app was told, or that it dropped.
    pub(crate) ended: Vec<String>,
    /// The mutations that were given up: their effect leaves the view, and comes back only with the base.
    pub(crate) given_up: Vec<String>,
    /// The greatest value that the app has observed.
    pub(crate) observed: u64,
    /// What the app was told of documents.
    pub(crate) told: Told,
    /// What the app wants of its shapes.
    pub(crate) filters: BTreeMap<Tables, BTreeMap<String, Filter>>,
    /// Whether it ever wanted less than all, in this store or in that which was copied here.
    pub(crate) filtered: bool,
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clients: Vec<Client>,
    /// What is under way to the server, by connection, with its client.
    wires: BTreeMap<usize, (usize, VecDeque<String>)>,
    backup: Option<History>,
    /// Whether a store was ever copied over another.
    pub(crate) copied: bool,
    /// Whether everybody slept so long that writes came to be in doubt: who applies them again may have them twice.
    pub(crate) slept: bool,
    now: u64,
    random: u128,
    pub(crate) written: u32,
    /// All ids that were handed out, while no store was copied.
    pub(crate) ids: BTreeSet<u64>,
}

pub(crate) const TABLES: [&str; 3] = ["a", "b", "c"];

/// The sequence that all use, in blocks of this size; so small that they are often asked for.
pub(crate) const SEQUENCE: &str = "n";
const BLOCK: u64 = 6;

/// Tables a and b are one shape, c and the documents another, and nobody subscribes to d.
pub(crate) fn shapes() -> Vec<Tables> {
    vec![
        ["a".to_owned(), "b".to_owned()].into(),
        ["c".to_owned(), DOCUMENTS.to_owned()].into(),
    ]
}

impl World {
    pub(crate) fn new(clients: usize) -> World {
        let limits = Limits {
            in_flight_max: 3,
            push_mutations_max: 2,
            presence_interval_ms: Some(100),
            ..least_limits().clone()
        };
        let server = Server::new(limits);
        let mut world = World {
            server,
            clients: vec![],
            wires: BTreeMap::new(),
            backup: None,
            copied: false,
            slept: false,
            now: 1_000_000,
            random: 0,
            written: 0,
            ids: BTreeSet::new(),
        };
        for _ in 0..clients {
            let env = world.env();
            let replica = Replica::load("home", StoredState::default(), env).unwrap();
            world.clients.push(Client {
                replica,
                stored: StoredState::default(),
                conn: None,
                wanted: None,
                sent: Sent::default(),
                urgent: false,
                version: 0,
                written: vec![],
                ended: vec![],
                given_up: vec![],
                observed: 0,
                told: Told::default(),
                filters: BTreeMap::new(),
                filtered: false,
            });
            let index = world.clients.len() - 1;
            world.start(index);
        }
        world
    }

    pub(crate) fn env(&mut self) -> Env {
        self.random += 1;
        self.server.now = self.now;
        Env {
            wall_ms: self.now,
            steady_ms: self.now,
            random: self.random,
        }
    }

    fn start(&mut self, index: usize) {
        self.clients[index].read_all_documents();
        for shape in shapes() {
            let env = self.env();
            let client = &mut self.clients[index];
            let filters = client.filters.get(&shape).cloned().unwrap_or_default();
            client.replica.subscribe_where(shape, filters, env).unwrap();
        }
        self.urge(index);
        self.clients[index].replica.watch_presence();
        self.clients[index].replica.watch_progress();
        self.clients[index].wanted = None;
        let env = self.env();
        let replica = &mut self.clients[index].replica;
        replica.use_sequence(SEQUENCE, BLOCK, env).unwrap();
        let env = self.env();
        self.clients[index].replica.go_online(env);
        self.settle(index);
    }

    pub(crate) fn step(&mut self, step: Step) {
        let count = self.clients.len();
        match step {
            Step::Write(i, write, key) => self.write(i % count, write, key),
            Step::TakeId(i) => self.take_id(i % count),
            Step::ServerReads(i) => self.server_reads(i % count),
            Step::ClientReads(i) => self.client_reads(i % count),
            Step::Present(i, state) => self.present(i % count, state),
            Step::Steer(i, choice) => self.steer(i % count, choice),
            Step::Refilter(i, choice) => self.refilter(i % count, choice),
            Step::Flush(i) => self.clients[i % count]
                .conn
                .into_iter()
                .for_each(|conn| self.server.flush(conn)),
            Step::Tick(ms) => self.tick(u64::from(ms)),
            Step::Cut(i) => self.cut(i % count),
            Step::Lose(i) => self
                .wires
                .retain(|conn, (owner, _)| *owner != i % count || self.server.is_open(*conn)),
            Step::Crash(i) => self.crash(i % count),
            Step::Urge(i, urgent) => {
                self.clients[i % count].urgent = urgent;
                self.urge(i % count);
                self.settle(i % count);
            }
            Step::Upgrade(i) => {
                self.clients[i % count].version += 1;
                self.crash(i % count);
            }
            Step::Copy(from, to) => self.copy(from % count, to % count),
            Step::Defer => self.server.defer_next(),
            Step::Truncate => self.server.truncate(),
            Step::LongSleep => self.long_sleep(),
            Step::Backup => self.backup = Some(self.server.history.clone()),
            Step::Restore => self.restore(),
        }
    }

    /// Does what the shell of a replica does after an input.
    pub(crate) fn settle(&mut self, index: usize) {
        let client = &mut self.clients[index];
        while let Some(transaction) = client.replica.poll_store() {
            for change in &transaction.changes {
                if let StoreChange::EntryPut(Entry {
                    given_up: Some(_),
                    op_id,
                    ..
                }) = change
                {
                    client.given_up.push(op_id.clone());
                }
            }
            client.stored.apply(transaction);
        }
        while let Some(wish) = self.clients[index].replica.poll_wish() {
            match wish {
                Wish::Close => self.hang_up(index),
                Wish::Connect => self.connect(index),
            }
        }
        let client = &mut self.clients[index];
        while let Some(frame) = client.replica.poll_frame() {
            client.sent.note(&frame, &client.stored);
            let conn = client
                .conn
                .expect("frames are polled while there is a connection");
            // A connection that the server has closed takes what is sent, and loses it.
            if let Some((_, wire)) = self.wires.get_mut(&conn) {
                wire.push_back(frame);
            }
        }
        while let Some(event) = client.replica.poll_event() {
            match event {
                Event::Rejected(entry) => client.ended.push(entry.op_id),
                Event::InDoubt(entry) => client.ended.push(entry.op_id),
                Event::Diverged { tables } => {
                    panic!("DIG-COMPARE: {tables:?} is what the server has")
                }
                Event::Superseded(_)
                | Event::Resolved(_)
                | Event::FieldConflict(_)
                | Event::FieldConflictsUntold { .. }
                | Event::Siblings { .. } => {
                    panic!("nothing here is decided so")
                }
                Event::Document(news) => client.hear(news),
                Event::Past { .. } => panic!("nobody has asked"),
                Event::Rows { .. }
                | Event::ShapeRefused { .. }
                | Event::Presence { .. }
                | Event::Sync(_)
                | Event::Allocated { .. } => {}
            }
        }
        self.clients[index].read_documents();
    }

    fn steer(&mut self, index: usize, choice: u8) {
        let env = self.env();
        let replica = &mut self.clients[index].replica;
        match choice % 8 {
            0 => replica.set_mode(Mode::Both, env),
            1 => replica.set_mode(Mode::PushOnly, env),
            2 => replica.set_mode(Mode::PullOnly, env),
            3 => replica.set_trigger(Trigger::Immediate, env),
            4 => replica.set_trigger(Trigger::Manual, env),
            5 => replica.set_trigger(Trigger::Interval(150), env),
            6 => replica.set_trigger(Trigger::Threshold(2), env),
            _ => replica.sync(env),
        }
        self.settle(index);
    }

    fn connect(&mut self, index: usize) {
        self.random += 1;
        let id = self.random as usize;
        self.server.open(id);
        self.wires.insert(id, (index, VecDeque::new()));
        self.clients[index].conn = Some(id);
        let env = self.env();
        self.clients[index].replica.connected(env);
    }

    /// The client's side of a connection ends; what it has sent stays under way.
    fn hang_up(&mut self, index: usize) {
        self.clients[index].conn = None;
    }

    fn server_reads(&mut self, index: usize) {
        let wire = self
            .wires
            .iter_mut()
            .find(|(_, (owner, frames))| *owner == index && !frames.is_empty());
        if let Some((conn, frame)) =
            wire.and_then(|(conn, (_, frames))| Some((*conn, frames.pop_front()?)))
        {
            self.server.receive(conn, &frame);
        }
    }

    fn client_reads(&mut self, index: usize) {
        let Some(conn) = self.clients[index].conn else {
            return;
        };
        let env = self.env();
        match self.server.poll(conn) {
            Some(message) => self.clients[index].replica.receive(&message.encode(), env),
            None if !self.server.is_open(conn) => {
                self.clients[index].conn = None;
                self.clients[index].replica.disconnected("closed", env);
            }
            None => return,
        }
        self.settle(index);
    }

    fn tick(&mut self, ms: u64) {
        self.now += ms;
        for index in 0..self.clients.len() {
            let env = self.env();
            if self.clients[index]
                .replica
                .poll_timeout()
                .is_some_and(|at| at <= env.steady_ms)
            {
                self.clients[index].replica.tick(env);
            }
            self.settle(index);
        }
    }

    fn cut(&mut self, index: usize) {
        if self.clients[index].conn.take().is_some() {
            let env = self.env();
            self.clients[index].replica.disconnected("cut", env);
            self.settle(index);
        }
    }

    fn crash(&mut self, index: usize) {
        let env = self.env();
        let client = &mut self.clients[index];
        if let Some(message) = client.conn.and_then(|conn| self.server.poll(conn)) {
            client.replica.handle(message, env);
        }
        client.conn = None;
        client.replica = reopened(client, env);
        self.start(index);
    }

    fn copy(&mut self, from: usize, to: usize) {
        if from != to {
            self.copied = true;
            self.clients[to].conn = None;
            self.clients[to].stored = self.clients[from].stored.clone();
            self.clients[to].sent = self.clients[from].sent.clone();
            self.clients[to].version = self.clients[from].version;
            self.clients[to].written = self.clients[from].written.clone();
            self.clients[to].ended = self.clients[from].ended.clone();
            self.clients[to].given_up = self.clients[from].given_up.clone();
            self.clients[to].observed = self.clients[from].observed;
            self.clients[to].filters = self.clients[from].filters.clone();
            self.clients[to].filtered = self.clients[from].filtered;
            let env = self.env();
            self.clients[to].replica = reopened(&self.clients[to], env);
            self.start(to);
        }
    }

    fn long_sleep(&mut self) {
        self.slept = true;
        self.wires.clear();
        let conns: Vec<usize> = self
            .clients
            .iter()
            .filter_map(|client| client.conn)
            .collect();
        conns.into_iter().for_each(|conn| self.server.close(conn));
        self.server.forget_clients();
        (0..self.clients.len()).for_each(|index| self.cut(index));
        self.now += self.server.limits.client_ttl_ms + 1;
    }

    fn restore(&mut self) {
        if let Some(backup) = self.backup.clone() {
            self.wires.clear();
            self.server.restore(backup);
        }
    }

    /// Lets everything arrive until nothing happens any more.
    pub(crate) fn quiesce(&mut self) {
        for index in 0..self.clients.len() {
            self.steer(index, 0);
            self.steer(index, 3);
        }
        // Two minutes: after many failures in a row a replica waits up to thirty seconds for its next attempt.
        for _ in 0..2_000 {
            self.tick(60);
            for index in 0..self.clients.len() {
                (0..30).for_each(|_| self.server_reads(index));
                self.step(Step::Flush(index));
                (0..30).for_each(|_| self.client_reads(index));
                self.decide_doubts(index);
            }
            if self.clients.iter().all(|client| {
                client.replica.is_synced() && self.is_level(client) && self.is_seen(client)
            }) {
                return;
            }
        }
        let stuck: Vec<_> = self
            .clients
            .iter()
            .map(|client| {
                (
                    client.replica.status(),
                    client.replica.stored().outbox.clone(),
                )
            })
            .collect();
        panic!("never quiet: {stuck:#?}");
    }

    fn is_level(&self, client: &Client) -> bool {
        client
            .stored
            .shapes
            .values()
            .flatten()
            .all(|cursor| cursor.epoch == self.server.epoch && cursor.version == self.server.head())
    }

    /// The app applies every other mutation in doubt again, and drops the rest.
    fn decide_doubts(&mut self, index: usize) {
        let doubts: Vec<_> = self.clients[index]
            .stored
            .in_doubt
            .values()
            .cloned()
            .collect();
        for (turn, doubt) in doubts.into_iter().enumerate() {
            let env = self.env();
            let decision = if turn % 2 == 0 {
                Decision::Again
            } else {
                Decision::Drop
            };
            let again = self.clients[index]
                .replica
                .resolve_doubt(&doubt.op_id, decision, env)
                .unwrap();
            self.clients[index]
                .written
                .extend(again.map(|op_id| (op_id, doubt.ops)));
            self.settle(index);
        }
    }
}
