//! The shell of a client, and its app: what comes in is taken in, what follows is made durable, then it is said.

use std::collections::BTreeSet;

use syncline_client_core::{Decision, Env, Event, Replica, StoredState, Wish};

use crate::scope::{Scope, TABLE};
use crate::world::{Conn, ConnId, Item, NOW_MS, World};

/// A client that wants no connection after so many timers never will.
const WAITS_MAX: usize = 20;

/// A client with its store.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) replica: Replica,
    pub(crate) stored: StoredState,
    pub(crate) conn: Option<ConnId>,
    /// How many connections it has had.
    pub(crate) dials: u32,
    /// How often it was started.
    lives: u32,
    /// The clock that never goes back.
    clock_ms: u64,
    /// How many of its script's writes are done.
    pub(crate) writes: usize,
    pub(crate) known: Known,
}

/// What the app knows of its mutations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Those that are durable, by `opId`.
    pub(crate) written: BTreeSet<String>,
    /// Those that it was told are rejected.
    pub(crate) rejected: BTreeSet<String>,
    /// Those that it was told are in doubt; it drops them.
    pub(crate) doubted: BTreeSet<String>,
}

impl Client {
    pub(crate) fn new(index: usize) -> Client {
        let env = Env {
            wall_ms: NOW_MS,
            steady_ms: 0,
            random: index as u128,
        };
        let mut replica = load(StoredState::default(), env);
        let mut stored = StoredState::default();
        while let Some(transaction) = replica.poll_store() {
            stored.apply(transaction);
        }
        Client {
            replica,
            stored,
            conn: None,
            dials: 0,
            lives: 0,
            clock_ms: 0,
            writes: 0,
            known: Known::default(),
        }
    }

    /// Randomness of its own: the same wherever the same has happened to it.
    fn env(&self, index: usize) -> Env {
        let random = [
            index as u128,
            self.writes as u128,
            self.lives.into(),
            self.dials.into(),
        ];
        Env {
            wall_ms: NOW_MS,
            steady_ms: self.clock_ms,
            random: random.iter().fold(1, |all, part| all << 24 | part),
        }
    }
}

fn load(stored: StoredState, env: Env) -> Replica {
    Replica::load("w", stored, env).expect("a store of this workspace")
}

impl World {
    fn with(&mut self, client: usize, act: impl FnOnce(&mut Replica, Env)) {
        let env = self.clients[client].env(client);
        act(&mut self.clients[client].replica, env);
        self.settle(client);
    }

    /// The app starts, on what its store holds.
    pub(crate) fn start(&mut self, client: usize) {
        let known = &mut self.clients[client];
        known.lives += 1;
        known.clock_ms = 0;
        let env = known.env(client);
        known.replica = load(known.stored.clone(), env);
        // What it was not told of, because it died, it finds in its lists.
        let rejected = known.stored.rejected.values();
        { &mut known.known.rejected }.extend(rejected.map(|entry| entry.op_id.clone()));
        self.with(client, |replica, env| {
            { replica.subscribe([TABLE.to_owned()].into(), env) }.expect("a shape of one table");
            replica.go_online(env);
        });
    }

    /// The app writes what is next in its script.
    pub(crate) fn write(&mut self, client: usize, scope: &Scope) {
        let ops = scope.scripts[client][self.clients[client].writes].clone();
        self.clients[client].writes += 1;
        let env = self.clients[client].env(client);
        match self.clients[client].replica.mutate(ops, env) {
            Ok(op_id) => drop(self.clients[client].known.written.insert(op_id)),
            Err(refused) => self.breaks(format!("a write is refused: {refused:?}")),
        }
        self.settle(client);
    }

    /// Time passes until the client tries to connect again.
    pub(crate) fn wait(&mut self, client: usize) {
        for _ in 0..WAITS_MAX {
            let Some(at_ms) = self.clients[client].replica.poll_timeout() else {
                break;
            };
            let clock_ms = &mut self.clients[client].clock_ms;
            *clock_ms = at_ms.max(*clock_ms);
            self.with(client, |replica, env| replica.tick(env));
            if self.clients[client].conn.is_some() {
                return;
            }
        }
        self.breaks(format!("client {client} does not connect again"));
    }

    /// The client reads what comes first on its connection.
    pub(crate) fn client_reads(&mut self, id: ConnId) {
        let conn = self.conns.get_mut(&id);
        match conn.and_then(|conn| conn.down.pop_front()) {
            Some(Item::Frame(text)) => {
                self.with(id.client, |replica, env| replica.receive(&text, env))
            }
            Some(Item::End) => self.disconnect(id.client, "over"),
            None => {}
        }
    }

    /// The client finds out that its connection is over.
    pub(crate) fn disconnect(&mut self, client: usize, cause: &str) {
        self.hang_up(client);
        self.with(client, |replica, env| replica.disconnected(cause, env));
    }

    /// The client's end of its connection is closed.
    pub(crate) fn hang_up(&mut self, client: usize) {
        let id = self.clients[client].conn.take();
        if let Some(conn) = id.and_then(|id| self.conns.get_mut(&id)) {
            conn.client_open = false;
            conn.down.clear();
            if conn.server_open {
                conn.up.push_back(Item::End);
            }
        }
    }

    /// What has followed: first durable, then said.
    fn settle(&mut self, client: usize) {
        loop {
            let known = &mut self.clients[client];
            while let Some(transaction) = known.replica.poll_store() {
                known.stored.apply(transaction);
            }
            match known.replica.poll_wish() {
                Some(Wish::Close) => self.hang_up(client),
                Some(Wish::Connect) => self.dial(client),
                None => break,
            }
        }
        while let Some(frame) = self.clients[client].replica.poll_frame() {
            let id = self.clients[client].conn;
            let conn = id.and_then(|id| self.conns.get_mut(&id));
            if let Some(conn) = conn.filter(|conn| conn.server_open) {
                conn.up.push_back(Item::Frame(frame.into()));
            }
        }
        while let Some(event) = self.clients[client].replica.poll_event() {
            self.app_is_told(client, event);
        }
        self.drop_doubts(client);
    }

    fn dial(&mut self, client: usize) {
        let known = &mut self.clients[client];
        let id = ConnId {
            client,
            number: known.dials,
        };
        known.dials += 1;
        known.conn = Some(id);
        let conn = Conn {
            up: Default::default(),
            down: Default::default(),
            client_open: true,
            server_open: true,
            read: 0,
        };
        self.conns.insert(id, conn);
        let env = known.env(client);
        known.replica.connected(env);
    }

    fn app_is_told(&mut self, client: usize, event: Event) {
        let known = &mut self.clients[client].known;
        let first = match &event {
            Event::Rejected(entry) => known.rejected.insert(entry.op_id.clone()),
            Event::InDoubt(entry) => known.doubted.insert(entry.op_id.clone()),
            Event::Diverged { .. } => false,
            _ => true,
        };
        if !first {
            self.breaks(format!(
                "client {client} is told again, or wrongly: {event:?}"
            ));
        }
    }

    fn drop_doubts(&mut self, client: usize) {
        let doubts = self.clients[client].stored.in_doubt.values();
        let doubts: Vec<String> = doubts.map(|entry| entry.op_id.clone()).collect();
        for op_id in doubts {
            self.clients[client].known.doubted.insert(op_id.clone());
            self.with(client, |replica, env| {
                let dropped = replica.resolve_doubt(&op_id, Decision::Drop, env);
                assert!(dropped.is_ok(), "{dropped:?}");
            });
        }
    }
}
