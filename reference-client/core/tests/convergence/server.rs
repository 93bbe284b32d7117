//! A model of a server: the spec's procedures over plain collections, written from the chapters and not from the reference engine.
//!
//! Beside serving, it holds each client to its duties: what it asserts of the frames it reads is what the chapter on the client demands of the
//! frames it sends.

use std::collections::{BTreeMap, VecDeque};

use syncline_schemas::{
    Ack, Change, ClientMessage, Cursor, Digested, ErrorMessage, Goaway, Hello, Json, Limits,
    Mutation, MutationResult, Outcome, Pong, Push, RowNumber, RowsDigest, ServerInfo,
    ServerMessage, SetChange, Subscribe, Subscribed, Update, Welcome, errors,
};

use super::decide::replay;
use super::documents;
use super::filters::{Shape, shape_of, takes_document, told};
use super::presence::{Seen, name};

pub(crate) type RowKey = (String, String);

/// One decided mutation.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) version: u64,
    pub(crate) op_id: String,
    pub(crate) applied: bool,
    pub(crate) changes: Vec<Change>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ServerRow {
    pub(crate) value: Option<Json>,
    pub(crate) version: u64,
    pub(crate) writer: String,
    pub(crate) others: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    pub(crate) last_seq: u64,
    pub(crate) last_op_id: Option<String>,
    pub(crate) retained: VecDeque<Outcome>,
}

/// What is kept: a backup is a copy of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) log: Vec<Commit>,
    pub(crate) rows: BTreeMap<RowKey, ServerRow>,
    pub(crate) clients: BTreeMap<String, Client>,
    /// The greatest id of each sequence that was allocated, observed or left out.
    pub(crate) highest: BTreeMap<String, u64>,
    /// The ids that every sequence has left out.
    pub(crate) left_out: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Conn {
    pub(crate) client_id: Option<String>,
    pub(crate) frames: u64,
    pub(crate) shapes: BTreeMap<String, (Shape, u64)>,
    /// The entries sent on this connection and neither deferred nor refused with `seq_gap`.
    pub(crate) sent: Vec<u64>,
    pub(crate) to_client: VecDeque<ServerMessage>,
    pub(crate) seen: Seen,
}

pub(crate) struct Server {
    pub(crate) epoch: String,
    pub(crate) history: History,
    pub(crate) past: BTreeMap<String, Vec<Commit>>,
    pub(crate) limits: Limits,
    pub(crate) now: u64,
    pub(crate) truncated: u64,
    pub(crate) defer_next: bool,
    /// How many changes go into one part of an update.
    pub(crate) part: usize,
    pub(crate) conns: BTreeMap<usize, Conn>,
}

impl Server {
    pub(crate) fn new(limits: Limits) -> Server {
        Server {
            epoch: "e1".into(),
            history: History::default(),
            past: BTreeMap::new(),
            limits,
            now: 0,
            truncated: 0,
            defer_next: false,
            part: 2,
            conns: BTreeMap::new(),
        }
    }

    pub(crate) fn head(&self) -> u64 {
        self.history.log.last().map_or(0, |commit| commit.version)
    }

    /// The log of an epoch, present or past.
    pub(crate) fn log_of(&self, epoch: &str) -> &[Commit] {
        if epoch == self.epoch {
            &self.history.log
        } else {
            &self.past[epoch]
        }
    }

    pub(crate) fn truncate(&mut self) {
        self.truncated = self.head();
    }

    pub(crate) fn defer_next(&mut self) {
        self.defer_next = true;
    }

    /// Forgets every client, as it may once none has written for `clientTtlMs`.
    pub(crate) fn forget_clients(&mut self) {
        self.history.clients.clear();
    }

    /// Goes back to a backup, under a new epoch. Every connection is closed.
    pub(crate) fn restore(&mut self, backup: History) {
        let old = std::mem::replace(&mut self.history, backup);
        let margin = self.limits.restore_margin.unwrap();
        self.history.left_out += margin;
        { self.history.highest.values_mut() }.for_each(|highest| *highest += margin);
        self.past.insert(self.epoch.clone(), old.log);
        self.epoch = format!("e{}", self.past.len() + 1);
        self.truncated = self.head();
        self.conns.clear();
    }

    pub(crate) fn open(&mut self, id: usize) {
        self.conns.insert(id, Conn::default());
    }

    pub(crate) fn close(&mut self, id: usize) {
        self.conns.remove(&id);
    }

    pub(crate) fn is_open(&self, id: usize) -> bool {
        self.conns.contains_key(&id)
    }

    pub(crate) fn poll(&mut self, id: usize) -> Option<ServerMessage> {
        self.conns.get_mut(&id)?.to_client.pop_front()
    }

    pub(crate) fn receive(&mut self, id: usize, frame: &str) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.frames += 1;
        let (frame_no, greeted) = (conn.frames, conn.client_id.is_some());
        match ClientMessage::decode(frame, self.limits.depth_max)
            .expect("a client sends valid frames")
        {
            ClientMessage::Hello(hello) => self.hello(id, hello),
            _ if !greeted => panic!("CLIENT-AFTER-WELCOME: {frame}"),
            ClientMessage::Subscribe(subscribe) => self.subscribe(id, subscribe),
            ClientMessage::Unsubscribe(unsubscribe) => {
                drop(self.conn(id).shapes.remove(&unsubscribe.shape))
            }
            ClientMessage::Push(push) => self.push(id, frame_no, &push),
            ClientMessage::Present(present) => self.present(id, present),
            ClientMessage::Digest(digest) => self.digest(id, frame_no, &digest.shape),
            ClientMessage::History(_) => panic!("HIST-OFFERED: {frame}"),
            ClientMessage::Ping(ping) => {
                let server_time = self.now;
                self.send(
                    id,
                    ServerMessage::Pong(Pong {
                        t: ping.t,
                        server_time,
                    }),
                );
            }
        }
    }

    pub(crate) fn conn(&mut self, id: usize) -> &mut Conn {
        self.conns.get_mut(&id).expect("the connection is open")
    }

    fn send(&mut self, id: usize, message: ServerMessage) {
        self.conn(id).to_client.push_back(message);
    }

    fn hello(&mut self, id: usize, hello: Hello) {
        let client_id = hello.client_id.expect("this client writes");
        let older = self
            .conns
            .iter()
            .filter(|(other, conn)| **other != id && conn.client_id.as_ref() == Some(&client_id));
        for older in older.map(|(other, _)| *other).collect::<Vec<_>>() {
            let reason = errors::SESSION_REPLACED.code.to_owned();
            self.send(
                older,
                ServerMessage::Goaway(Goaway {
                    reason,
                    retry_after_ms: 0,
                }),
            );
            self.conn(older).shapes.clear();
            self.conn(older).seen.replaced = true;
        }
        let client = self
            .history
            .clients
            .get(&client_id)
            .cloned()
            .unwrap_or_default();
        let acked = hello.acked_seq.unwrap_or(0);
        let named = hello.capabilities.unwrap_or_default();
        self.conn(id).seen.watches = named.iter().any(|name| name == "presence");
        self.conn(id).client_id = Some(client_id);
        let welcome = Welcome {
            epoch: self.epoch.clone(),
            version: self.head(),
            last_seq: client.last_seq,
            results: client
                .retained
                .into_iter()
                .filter(|outcome| outcome.seq() > acked)
                .collect(),
            session: name(id),
            capabilities: ["digests", "filters", "presence", "sequences"]
                .map(Into::into)
                .into(),
            limits: self.limits.clone(),
            server_time: self.now,
            server: ServerInfo {
                name: "model".into(),
                version: "1".into(),
            },
        };
        self.send(id, ServerMessage::Welcome(welcome));
    }

    fn subscribe(&mut self, id: usize, subscribe: Subscribe) {
        let tables = shape_of(&subscribe.tables);
        let names: Vec<&str> = tables.keys().map(String::as_str).collect();
        let shape = names.join("-");
        self.conn(id).shapes.remove(&shape);
        let subscribed = Subscribed {
            id: subscribe.id,
            shape: shape.clone(),
            tables: subscribe.tables,
        };
        self.send(id, ServerMessage::Subscribed(subscribed));
        match subscribe.cursor.filter(|cursor| self.reaches(cursor)) {
            Some(cursor) => self.bring(id, &shape, &tables, cursor.version),
            None => self.replace(id, &shape, &tables),
        }
        let head = self.head();
        self.conn(id).shapes.insert(shape, (tables, head));
    }

    fn reaches(&self, cursor: &Cursor) -> bool {
        cursor.epoch == self.epoch
            && cursor.version <= self.head()
            && cursor.version >= self.truncated
    }

    /// Brings the live shapes of a connection up to the head.
    pub(crate) fn flush(&mut self, id: usize) {
        let head = self.head();
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let behind: Vec<_> = conn
            .shapes
            .iter()
            .filter(|(_, (_, at))| *at < head)
            .map(|(name, (tables, at))| (name.clone(), tables.clone(), *at))
            .collect();
        for (shape, tables, at) in behind {
            self.bring(id, &shape, &tables, at);
            self.conn(id).shapes.insert(shape, (tables, head));
        }
        self.tell_presence(id);
    }

    fn bring(&mut self, id: usize, shape: &str, tables: &Shape, from: u64) {
        let news = self
            .history
            .log
            .iter()
            .filter(|commit| commit.version > from)
            .flat_map(|commit| commit.changes.iter());
        let changes = news
            .filter(|change| tables.contains_key(change.table()))
            .filter_map(|change| told(tables, change))
            .collect();
        self.send_parts(id, shape, from, false, changes);
    }

    fn replace(&mut self, id: usize, shape: &str, tables: &Shape) {
        let rows = replay(&self.history.log, u64::MAX, tables);
        let set = |((table, key), (version, value)): (RowKey, (u64, Json))| {
            Change::Set(SetChange {
                table,
                key,
                version,
                value,
                siblings: None,
            })
        };
        let documents = documents::replay(&self.history.log, u64::MAX).into_iter();
        let documents = documents.filter(|((table, key), _)| takes_document(tables, table, key));
        let rows = rows.into_iter().map(set);
        let changes = rows.chain(documents.flat_map(documents::told)).collect();
        self.send_parts(id, shape, 0, true, changes);
        self.send_digest(id, None, shape, tables);
    }

    fn digest(&mut self, id: usize, frame: u64, shape: &str) {
        self.flush(id);
        match self.conn(id).shapes.get(shape).cloned() {
            Some((tables, _)) => self.send_digest(id, Some(frame), shape, &tables),
            None => {
                let mut error = ErrorMessage::new(&errors::UNKNOWN_SHAPE, "it is not live");
                error.re = Some(frame);
                self.send(id, ServerMessage::Error(error));
            }
        }
    }

    /// Says what a shape has at the head.
    fn send_digest(&mut self, id: usize, re: Option<u64>, shape: &str, tables: &Shape) {
        let mut digest = RowsDigest::default();
        for ((table, key), (version, value)) in replay(&self.history.log, u64::MAX, tables) {
            digest.add(RowNumber::of(&table, &key, version, &value).expect("values are JSON"));
        }
        let digested = Digested {
            re,
            shape: shape.to_owned(),
            at: self.head(),
            count: digest.count,
            sum: digest.sum(),
        };
        self.send(id, ServerMessage::Digested(digested));
    }

    fn send_parts(
        &mut self,
        id: usize,
        shape: &str,
        from: u64,
        replace: bool,
        changes: Vec<Change>,
    ) {
        let mut parts: Vec<Vec<Change>> =
            changes.chunks(self.part).map(<[Change]>::to_vec).collect();
        let last = parts.pop().unwrap_or_default();
        let count = parts.len();
        for (index, changes) in parts.into_iter().chain([last]).enumerate() {
            let more = index < count;
            let to = (!more).then(|| self.head());
            let update = Update {
                shape: shape.to_owned(),
                from,
                to,
                changes,
                more,
                replace: replace && index == 0,
            };
            self.send(id, ServerMessage::Update(update));
        }
    }

    fn push(&mut self, id: usize, frame: u64, push: &Push) {
        self.check_push(id, push);
        let poisoned =
            |mutation: &Mutation| mutation.ops.iter().any(|op| op.get().contains("poison"));
        if push.mutations.iter().any(poisoned) {
            let mut error = ErrorMessage::new(&errors::INVALID_MESSAGE, "poison");
            error.re = Some(frame);
            for mutation in &push.mutations {
                self.conn(id).sent.retain(|seq| *seq != mutation.seq);
            }
            return self.send(id, ServerMessage::Error(error));
        }
        let client_id = self
            .conn(id)
            .client_id
            .clone()
            .expect("checked when it was received");
        let mut results = Vec::new();
        let mut previous = push.follows.clone();
        for mutation in &push.mutations {
            let before = self.head();
            let result = self.judge(&client_id, &push.epoch, previous.as_deref(), mutation);
            previous = Some(mutation.op_id.clone());
            if self.head() > before {
                self.tell_others(id, &client_id, result.clone());
            }
            let over = matches!(
                result,
                MutationResult::Deferred(_) | MutationResult::Refused(_)
            );
            if over {
                // From here on the client may send again.
                self.conn(id).sent.retain(|seq| *seq < mutation.seq);
            }
            results.push(result);
            if over {
                break;
            }
        }
        self.send(
            id,
            ServerMessage::Ack(Ack {
                re: Some(frame),
                results,
            }),
        );
    }

    fn tell_others(&mut self, id: usize, client_id: &str, result: MutationResult) {
        let others = self
            .conns
            .iter()
            .filter(|(other, conn)| **other != id && conn.client_id.as_deref() == Some(client_id));
        for other in others.map(|(other, _)| *other).collect::<Vec<_>>() {
            self.send(
                other,
                ServerMessage::Ack(Ack {
                    re: None,
                    results: vec![result.clone()],
                }),
            );
        }
    }
}
