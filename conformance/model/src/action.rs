//! What may happen next.

use std::fmt;

use crate::scope::Scope;
use crate::world::{ConnId, Item, World};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client's app writes what is next in its script.
    Write(usize),
    /// Time passes until a client tries to connect again.
    Wait(usize),
    /// The server reads the next frame of a connection, decides, makes that durable and answers.
    Up(ConnId),
    /// A client reads the next frame of a connection.
    Down(ConnId),
    /// A client's connection breaks: the client knows at once, the server when it reads so.
    Cut {
        /// The client.
        client: usize,
        /// What the client has sent, and the server has not read, is lost.
        lost: bool,
    },
    /// A client dies, and starts on what its store holds.
    Crash {
        /// The client.
        client: usize,
        /// What it has sent, and the server has not read, is lost.
        lost: bool,
    },
    /// The store of one client is put over that of another, as a backup of one device is on a second one.
    Copy {
        /// The store.
        from: usize,
        /// Where it is put.
        to: usize,
    },
    /// The server dies and starts again.
    Kill {
        /// What it has sent, and the clients have not read, is lost.
        lost: bool,
    },
    /// The server reads the next frame of a connection, decides, makes that durable, and dies before it answers.
    KillAmid(ConnId),
    /// Deletes are forgotten.
    Truncate,
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = |lost: &bool| {
            if *lost {
                ", and what was under way is lost"
            } else {
                ""
            }
        };
        match self {
            Action::Write(client) => write!(out, "client {client} writes"),
            Action::Wait(client) => write!(out, "client {client} connects again"),
            Action::Up(id) => write!(out, "the server reads client {}'s frame", id.client),
            Action::Down(id) => write!(out, "client {} reads a frame", id.client),
            Action::Cut { client, lost: gone } => {
                write!(out, "client {client} is cut off{}", lost(gone))
            }
            Action::Crash { client, lost: gone } => {
                write!(out, "client {client} dies and starts again{}", lost(gone))
            }
            Action::Copy { from, to } => {
                write!(out, "client {from}'s store is copied over client {to}'s")
            }
            Action::Kill { lost: gone } => {
                write!(out, "the server dies and starts again{}", lost(gone))
            }
            Action::KillAmid(id) => write!(
                out,
                "the server makes durable what it decided of client {}'s frame, dies and starts again",
                id.client
            ),
            Action::Truncate => write!(out, "deletes are forgotten"),
        }
    }
}

impl World {
    /// What may happen next without anything going wrong. Nothing: all is quiet.
    pub(crate) fn progress(&self, scope: &Scope) -> Vec<Action> {
        let clients = self.clients.iter().enumerate();
        let of_clients = clients.flat_map(|(index, client)| {
            let writes = client.writes < scope.scripts[index].len();
            let waits = client.conn.is_none();
            [
                writes.then_some(Action::Write(index)),
                waits.then_some(Action::Wait(index)),
            ]
        });
        let of_conns = self.conns.iter().flat_map(|(id, conn)| {
            let up = conn.server_open && !conn.up.is_empty();
            let down = conn.client_open && !conn.down.is_empty();
            [
                up.then_some(Action::Up(*id)),
                down.then_some(Action::Down(*id)),
            ]
        });
        of_clients.chain(of_conns).flatten().collect()
    }

    /// What may go wrong next.
    pub(crate) fn faults(&self) -> Vec<Action> {
        let mut faults = Vec::new();
        let left = &self.left;
        for (client, known) in self.clients.iter().enumerate() {
            let losses = known
                .conn
                .map_or(vec![], |id| match self.conns[&id].up.is_empty() {
                    true => vec![false],
                    false => vec![false, true],
                });
            if left.cuts > 0 {
                faults.extend(losses.iter().map(|&lost| Action::Cut { client, lost }));
            }
            if left.crashes > 0 {
                let losses = if losses.is_empty() {
                    vec![false]
                } else {
                    losses
                };
                faults.extend(losses.iter().map(|&lost| Action::Crash { client, lost }));
            }
            if left.copies > 0 {
                let others = (0..self.clients.len()).filter(|from| *from != client);
                faults.extend(others.map(|from| Action::Copy { from, to: client }));
            }
        }
        if left.kills > 0 {
            let lost = self.conns.values().any(|conn| !conn.down.is_empty());
            faults.push(Action::Kill { lost: false });
            faults.extend(lost.then_some(Action::Kill { lost: true }));
            let pushes = |item: &Item| matches!(item, Item::Frame(text) if text.contains(r#""type":"push""#));
            let amid = self.conns.iter();
            let amid =
                amid.filter(|(_, conn)| conn.server_open && conn.up.front().is_some_and(pushes));
            faults.extend(amid.map(|(id, _)| Action::KillAmid(*id)));
        }
        if left.truncations > 0 && !self.log.is_empty() {
            faults.push(Action::Truncate);
        }
        faults
    }

    /// Does it. False: it cannot be done here.
    pub(crate) fn act(&mut self, action: Action, scope: &Scope) -> bool {
        match action {
            Action::Write(client) => self.write(client, scope),
            Action::Wait(client) => self.wait(client),
            Action::Up(id) => drop(self.server_reads(id, false, scope)),
            Action::Down(id) => self.client_reads(id),
            Action::Cut { client, lost } => {
                self.left.cuts -= 1;
                self.lose(client, lost);
                self.disconnect(client, "cut");
            }
            Action::Crash { client, lost } => {
                self.left.crashes -= 1;
                self.lose(client, lost);
                self.hang_up(client);
                self.start(client);
            }
            Action::Copy { from, to } => {
                self.left.copies -= 1;
                self.hang_up(to);
                self.clients[to].stored = self.clients[from].stored.clone();
                self.clients[to].known = self.clients[from].known.clone();
                self.start(to);
            }
            Action::Kill { lost } => {
                self.left.kills -= 1;
                self.kill(lost, scope);
            }
            Action::KillAmid(id) => {
                self.left.kills -= 1;
                if !self.server_reads(id, true, scope) {
                    return false;
                }
            }
            Action::Truncate => {
                self.left.truncations -= 1;
                self.truncate();
            }
        }
        self.sweep();
        true
    }

    fn lose(&mut self, client: usize, lost: bool) {
        let id = self.clients[client].conn.filter(|_| lost);
        if let Some(conn) = id.and_then(|id| self.conns.get_mut(&id)) {
            conn.up.clear();
        }
    }
}
