//! A model of a server: the spec's procedures over plain collections, written from the chapters and not from the reference engine.
//!
//! Beside serving, it holds each client to its duties: what it asserts of the frames it reads is what the chapter on the client demands of the
//! frames it sends.

use std::collections::{BTreeMap, VecDeque};

use syncline_schemas::{
    Ack, Applied, Change, ClientMessage, Cursor, Deferred, DeleteChange, ErrorMessage, Goaway,
    Hello, Json, Limits, Mutation, MutationResult, Op, Outcome, Pong, Push, Refused, Rejected,
    ServerInfo, ServerMessage, SetChange, Subscribe, Subscribed, Update, Welcome, errors,
};

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
struct ServerRow {
    value: Option<Json>,
    version: u64,
    writer: String,
    others: u64,
}

#[derive(Clone, Debug, Default)]
struct Client {
    last_seq: u64,
    last_op_id: Option<String>,
    retained: VecDeque<Outcome>,
}

/// What is kept: a backup is a copy of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) log: Vec<Commit>,
    rows: BTreeMap<RowKey, ServerRow>,
    clients: BTreeMap<String, Client>,
}

#[derive(Debug, Default)]
struct Conn {
    client_id: Option<String>,
    frames: u64,
    shapes: BTreeMap<String, (Vec<String>, u64)>,
    /// The entries sent on this connection and neither deferred nor refused with `seq_gap`.
    sent: Vec<u64>,
    pub(crate) to_client: VecDeque<ServerMessage>,
}

pub(crate) struct Server {
    pub(crate) epoch: String,
    pub(crate) history: History,
    pub(crate) past: BTreeMap<String, Vec<Commit>>,
    pub(crate) limits: Limits,
    pub(crate) now: u64,
    truncated: u64,
    defer_next: bool,
    /// How many changes go into one part of an update.
    pub(crate) part: usize,
    conns: BTreeMap<usize, Conn>,
    /// Each mutation ever pushed, as it was pushed first.
    pushed: BTreeMap<(String, String), (u64, Vec<Json>)>,
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
            pushed: BTreeMap::new(),
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

    fn conn(&mut self, id: usize) -> &mut Conn {
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
        }
        let client = self
            .history
            .clients
            .get(&client_id)
            .cloned()
            .unwrap_or_default();
        let acked = hello.acked_seq.unwrap_or(0);
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
            session: format!("session-{id}"),
            capabilities: vec![],
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
        let tables: Vec<String> = subscribe.tables.keys().cloned().collect();
        let shape = tables.join("-");
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
    }

    fn bring(&mut self, id: usize, shape: &str, tables: &[String], from: u64) {
        let news = self
            .history
            .log
            .iter()
            .filter(|commit| commit.version > from)
            .flat_map(|commit| commit.changes.iter());
        let changes = news
            .filter(|change| tables.iter().any(|table| table == change.table()))
            .cloned()
            .collect();
        self.send_parts(id, shape, from, false, changes);
    }

    fn replace(&mut self, id: usize, shape: &str, tables: &[String]) {
        let rows = replay(&self.history.log, u64::MAX, tables);
        let set = |((table, key), (version, value)): (RowKey, (u64, Json))| {
            Change::Set(SetChange {
                table,
                key,
                version,
                value,
            })
        };
        self.send_parts(id, shape, 0, true, rows.into_iter().map(set).collect());
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

    fn judge(
        &mut self,
        client_id: &str,
        epoch: &str,
        previous: Option<&str>,
        mutation: &Mutation,
    ) -> MutationResult {
        let (seq, op_id) = (mutation.seq, mutation.op_id.clone());
        let client = self
            .history
            .clients
            .entry(client_id.to_owned())
            .or_default()
            .clone();
        let refused = |code: &str, expected: Option<u64>| {
            MutationResult::Refused(Refused {
                seq,
                op_id: op_id.clone(),
                code: code.into(),
                expected,
                epoch: None,
            })
        };
        if epoch != self.epoch {
            return refused("epoch_changed", None);
        }
        if seq <= client.last_seq {
            return match client.retained.iter().find(|outcome| outcome.seq() == seq) {
                None => refused("seq_expired", None),
                Some(outcome) if outcome.op_id() != op_id => refused("chain_broken", None),
                Some(outcome) => outcome.clone().into(),
            };
        }
        if seq != client.last_seq + 1 {
            return refused("seq_gap", Some(client.last_seq + 1));
        }
        if previous != client.last_op_id.as_deref() {
            return refused("chain_broken", None);
        }
        if std::mem::take(&mut self.defer_next) {
            return MutationResult::Deferred(Deferred {
                seq,
                op_id,
                code: "server_busy".into(),
                retry_after_ms: Some(40),
            });
        }
        let outcome = self.decide(client_id, mutation);
        let window = self.limits.in_flight_max as usize;
        let client = self
            .history
            .clients
            .entry(client_id.to_owned())
            .or_default();
        client.last_seq = seq;
        client.last_op_id = Some(op_id);
        client.retained.push_back(outcome.clone());
        while client.retained.len() > window {
            client.retained.pop_front();
        }
        outcome.into()
    }

    fn decide(&mut self, client_id: &str, mutation: &Mutation) -> Outcome {
        let (seq, op_id, version) = (mutation.seq, mutation.op_id.clone(), self.head() + 1);
        let ops: Vec<Op> = mutation
            .ops
            .iter()
            .map(|op| Op::decode(op).expect("a client sends valid ops"))
            .collect();
        let fault = if ops.is_empty() {
            Some("no_ops")
        } else if ops.iter().any(|op| !self.holds(client_id, op)) {
            Some("version_conflict")
        } else {
            None
        };
        let mut changes = Vec::new();
        if fault.is_none() {
            ops.iter()
                .for_each(|op| changes.extend(self.apply(client_id, op, version)));
        }
        self.history.log.push(Commit {
            version,
            op_id: op_id.clone(),
            applied: fault.is_none(),
            changes,
        });
        match fault {
            None => Outcome::Applied(Applied {
                seq,
                op_id,
                version,
            }),
            Some(code) => Outcome::Rejected(Rejected {
                seq,
                op_id,
                version,
                code: code.into(),
                message: None,
                at: None,
            }),
        }
    }

    fn holds(&self, client_id: &str, op: &Op) -> bool {
        let Some(expected) = op.if_version() else {
            return true;
        };
        match self
            .history
            .rows
            .get(&(op.table().to_owned(), op.key().to_owned()))
        {
            Some(row) if row.value.is_some() => {
                let others = if row.writer == client_id {
                    row.others
                } else {
                    row.version
                };
                expected > 0 && (row.version == expected || others <= expected)
            }
            _ => expected == 0,
        }
    }

    fn apply(&mut self, client_id: &str, op: &Op, version: u64) -> Option<Change> {
        let (table, key) = (op.table().to_owned(), op.key().to_owned());
        let row = self
            .history
            .rows
            .entry((table.clone(), key.clone()))
            .or_default();
        let existed = row.value.is_some();
        if row.writer != client_id {
            row.others = row.version;
        }
        (row.writer, row.version) = (client_id.to_owned(), version);
        match op {
            Op::Set(op) => {
                row.value = Some(op.value.clone());
                Some(Change::Set(SetChange {
                    table,
                    key,
                    version,
                    value: op.value.clone(),
                }))
            }
            Op::Delete(_) => {
                row.value = None;
                existed.then_some(Change::Delete(DeleteChange {
                    table,
                    key,
                    version,
                }))
            }
        }
    }

    /// The duties of a client that its pushes show.
    fn check_push(&mut self, id: usize, push: &Push) {
        let client_id = self
            .conn(id)
            .client_id
            .clone()
            .expect("checked when it was received");
        let first = push.mutations[0].seq;
        assert!(
            push.mutations.len() as u64 <= self.limits.push_mutations_max,
            "LIMIT-KEPT"
        );
        assert_eq!(push.follows.is_none(), first == 1, "CLIENT-FOLLOWS");
        for (seq, mutation) in (first..).zip(&push.mutations) {
            assert_eq!(mutation.seq, seq, "CLIENT-ORDER: within a push");
            let sent = &mut self.conn(id).sent;
            assert!(!sent.contains(&seq), "CLIENT-ORDER: {seq} sent twice");
            sent.push(seq);
            let (seq_before, ops_before) = self
                .pushed
                .entry((client_id.clone(), mutation.op_id.clone()))
                .or_insert((seq, mutation.ops.clone()));
            assert_eq!(
                *seq_before, seq,
                "CLIENT-IMMUTABLE: seq of {}",
                mutation.op_id
            );
            assert!(
                mutation.ops.is_empty() || *ops_before == mutation.ops,
                "CLIENT-IMMUTABLE: ops of {}",
                mutation.op_id
            );
        }
        let decided = self
            .history
            .clients
            .get(&client_id)
            .map_or(0, |client| client.last_seq);
        let undecided = self
            .conn(id)
            .sent
            .iter()
            .filter(|seq| **seq > decided)
            .count();
        assert!(
            undecided as u64 <= self.limits.in_flight_max,
            "CLIENT-WINDOW"
        );
    }
}

/// The rows of some tables as a log left them at a version.
pub(crate) fn replay(log: &[Commit], to: u64, tables: &[String]) -> BTreeMap<RowKey, (u64, Json)> {
    let mut rows = BTreeMap::new();
    let until = log.iter().take_while(|commit| commit.version <= to);
    for change in until
        .flat_map(|commit| &commit.changes)
        .filter(|change| tables.iter().any(|table| table == change.table()))
    {
        let row = (change.table().to_owned(), change.key().to_owned());
        match change {
            Change::Set(set) => drop(rows.insert(row, (set.version, set.value.clone()))),
            Change::Delete(_) => drop(rows.remove(&row)),
        }
    }
    rows
}
