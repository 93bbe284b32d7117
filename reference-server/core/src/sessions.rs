//! The open connections: who they are, what they subscribe to, and which of them wait for updates.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::digests::Digests;
use crate::history::Asked;
use crate::io::SessionKey;
use crate::shapes::ShapeId;
use crate::table::Position;

/// One subscription of one session.
///
/// ```text
/// subscribe --> Staging --last part--> Live --no room for an update--> Staging (catch-up) --> ...
///                  |  ^
///                  +--+ truncated past what was sent: again, as a replacement
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subscription {
    /// It gets the updates that all live subscribers of the shape get. Its cursor is the greater of `at` and the shape's.
    Live {
        /// The `to` of the last complete update that it got for itself.
        at: u64,
    },
    /// An update of its own is being sent in parts.
    Staging(Staging),
}

/// An update in parts, as far as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Staging {
    /// The `from` of all parts.
    pub(crate) from: u64,
    /// Whether it replaces what the subscriber has.
    pub(crate) replace: bool,
    /// Whether a part has been sent.
    pub(crate) started: bool,
    /// All changes up to here are sent, as far as they are still changes.
    pub(crate) sent: Position,
    /// Deletes up to this version are of no interest: the subscriber knows them, or never had their rows.
    pub(crate) base: u64,
}

impl Staging {
    /// What changed after a version; up to `clean_to`, nothing did.
    pub(crate) fn catch_up(from: u64, clean_to: u64) -> Staging {
        let base = from.max(clean_to);
        Staging {
            from,
            replace: false,
            started: false,
            sent: Position::after(base),
            base,
        }
    }

    /// Everything there is. It begins with the state at `head`, of which only rows matter; what is
    /// deleted behind that is told, for its row may have been sent.
    pub(crate) fn replacement(head: u64) -> Staging {
        Staging {
            from: 0,
            replace: true,
            started: false,
            sent: Position::after(0),
            base: head,
        }
    }

    /// Whether deletes that are still to be sent have been forgotten.
    pub(crate) fn has_lost(&self, truncated_to: u64) -> bool {
        self.sent.max(Position::after(self.base)) < Position::after(truncated_to)
    }
}

/// An open connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// Its name in `welcome`.
    pub(crate) name: String,
    /// `None`: it only reads.
    pub(crate) client: Option<Arc<str>>,
    pub(crate) shapes: BTreeMap<ShapeId, Subscription>,
    /// Which of its shapes has a table: no two of them (SUB-OVERLAP).
    pub(crate) tables: BTreeMap<Arc<str>, ShapeId>,
    /// Its stagings, each once, in the order in which their next parts go: a shape that is written all the time shall not keep
    /// others waiting.
    pub(crate) turns: VecDeque<ShapeId>,
    /// The digests that it waits for.
    pub(crate) digests: Digests,
    /// Whether it has named the capability documents.
    pub(crate) reads_documents: bool,
    /// The history that it waits for.
    pub(crate) history: Option<Asked>,
    /// Bytes of updates in the outbox, and how often the outbox had been emptied when they were counted.
    queued: (u64, usize),
}

impl Session {
    /// The bytes that the connection can still take, if its queue has this room.
    pub(crate) fn room_left(&self, room: usize, emptied: u64) -> usize {
        let queued = if self.queued.0 == emptied {
            self.queued.1
        } else {
            0
        };
        room.saturating_sub(queued)
    }

    pub(crate) fn count_queued(&mut self, bytes: usize, emptied: u64) {
        if self.queued.0 != emptied {
            self.queued = (emptied, 0);
        }
        self.queued.1 = self.queued.1.saturating_add(bytes);
    }
}

/// All open connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    open: BTreeMap<SessionKey, Session>,
    by_client: BTreeMap<Arc<str>, SessionKey>,
    /// Those with a [`Staging`].
    pub(crate) staging: BTreeSet<SessionKey>,
    /// Those that wait for a digest.
    pub(crate) digesting: BTreeSet<SessionKey>,
    /// Those that wait for a history.
    pub(crate) recalling: BTreeSet<SessionKey>,
}

impl Sessions {
    pub(crate) fn find(&self, key: SessionKey) -> Option<&Session> {
        self.open.get(&key)
    }

    pub(crate) fn find_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.open.get_mut(&key)
    }

    /// The session of a client: there is one at most (CONN-REPLACED).
    pub(crate) fn of_client(&self, client: &str) -> Option<SessionKey> {
        self.by_client.get(client).copied()
    }

    pub(crate) fn insert(&mut self, key: SessionKey, name: String, client: Option<Arc<str>>) {
        if let Some(client) = &client {
            self.by_client.insert(client.clone(), key);
        }
        self.open.insert(
            key,
            Session {
                name,
                client,
                ..Session::default()
            },
        );
    }

    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.open.remove(&key)?;
        self.staging.remove(&key);
        self.digesting.remove(&key);
        self.recalling.remove(&key);
        if let Some(client) = &session.client {
            self.by_client.remove(client);
        }
        Some(session)
    }

    /// Those who subscribe to a table that holds documents now, and cannot read them.
    pub(crate) fn unable_to_read(&self, table: &str) -> Vec<SessionKey> {
        let unable = self
            .open
            .iter()
            .filter(|(_, session)| !session.reads_documents && session.tables.contains_key(table));
        unable.map(|(key, _)| *key).collect()
    }

    /// Begins an update in parts on one of a session's shapes.
    pub(crate) fn stage(&mut self, key: SessionKey, shape: ShapeId, staging: Staging) {
        let Some(session) = self.open.get_mut(&key) else {
            return;
        };
        session.shapes.insert(shape, Subscription::Staging(staging));
        if !session.turns.contains(&shape) {
            session.turns.push_back(shape);
        }
        self.staging.insert(key);
    }
}
