//! A state: everything that there is at a moment.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use syncline_server_core::{Engine, Record, SessionKey};

use crate::action::Action;
use crate::client::Client;
use crate::scope::{Faults, Scope};
use crate::server;

/// When everything happens, in milliseconds since 1970.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

/// Everything that there is at a moment.
#[derive(Clone)]
pub struct World {
    pub(crate) engine: Engine,
    /// Every record that is durable.
    pub(crate) log: Vec<Record>,
    /// What the engine has read on each connection since it was opened, and at which head; of one that is over the `hello` alone, which says what need not be remembered.
    pub(crate) heard: BTreeMap<ConnId, Vec<(u64, Item)>>,
    pub(crate) clients: Vec<Client>,
    pub(crate) conns: BTreeMap<ConnId, Conn>,
    /// What may still go wrong.
    pub(crate) left: Faults,
    /// What a core has done that it may not.
    pub(crate) broken: Vec<String>,
}

/// A connection: whose it is, and which of its.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// The client.
    pub client: usize,
    /// How many it has had before.
    pub number: u32,
}

/// A connection, and what is under way on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conn {
    pub(crate) up: VecDeque<Item>,
    pub(crate) down: VecDeque<Item>,
    pub(crate) client_open: bool,
    pub(crate) server_open: bool,
    /// How many frames the server has read.
    pub(crate) read: u64,
}

/// What comes over a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    Frame(Arc<str>),
    End,
}

impl ConnId {
    /// The engine's name of it.
    pub(crate) fn session(self) -> SessionKey {
        SessionKey((self.client as u64) << 32 | u64::from(self.number))
    }

    pub(crate) fn of(session: SessionKey) -> ConnId {
        ConnId {
            client: (session.0 >> 32) as usize,
            number: session.0 as u32,
        }
    }
}

impl World {
    /// The beginning: an empty log; every client just installed, or connected and level.
    pub(crate) fn new(scope: &Scope) -> World {
        let mut world = World {
            engine: server::open(scope, &[]),
            log: Vec::new(),
            heard: BTreeMap::new(),
            clients: (0..scope.scripts.len()).map(Client::new).collect(),
            conns: BTreeMap::new(),
            left: scope.faults,
            broken: Vec::new(),
        };
        for client in 0..world.clients.len() {
            world.start(client);
        }
        let connects = |action: &Action| !matches!(action, Action::Write(_));
        while scope.connected
            && let Some(action) = { world.progress(scope) }.into_iter().find(connects)
        {
            world.act(action, scope);
        }
        world
    }

    /// A core has done what it may not.
    pub(crate) fn breaks(&mut self, what: impl Into<String>) {
        self.broken.push(what.into());
    }

    /// Forgets connections that are over on both sides, and what was heard on those that are over for the server.
    pub(crate) fn sweep(&mut self) {
        for (id, heard) in &mut self.heard {
            if !self.conns.get(id).is_some_and(|conn| conn.server_open) {
                heard.truncate(1);
                heard.iter_mut().for_each(|(head, _)| *head = 0);
            }
        }
        self.conns.retain(|_, conn| {
            let up = conn.server_open && (conn.client_open || !conn.up.is_empty());
            let down = conn.client_open && (conn.server_open || !conn.down.is_empty());
            up || down
        });
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut text = Text(state);
        for record in &self.log {
            text.debug(record);
        }
        for client in &self.clients {
            text.debug(client);
        }
        self.heard.hash(state);
        self.conns.hash(state);
        self.left.hash(state);
        self.broken.hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &World) -> bool {
        let all = |world: &World| format!("{world:?}");
        all(self) == all(other)
    }
}

impl fmt::Debug for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("World")
            .field("log", &self.log)
            .field("clients", &self.clients)
            .field("conns", &self.conns)
            .field("heard", &self.heard)
            .field("left", &self.left)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

/// Takes what is written into a hash.
struct Text<'a, H>(&'a mut H);

impl<H: Hasher> Text<'_, H> {
    fn debug(&mut self, what: &impl fmt::Debug) {
        fmt::Write::write_fmt(self, format_args!("{what:?}")).expect("a hash takes every write");
    }
}

impl<H: Hasher> fmt::Write for Text<'_, H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
