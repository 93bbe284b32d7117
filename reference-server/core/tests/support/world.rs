//! A workspace with several connections, several clients, and now and then another node: what a random run acts upon.

use std::collections::BTreeMap;

use syncline_schemas::{
    ClientMessage, Cursor, Hello, Json, JsonObject, Mutation, Ping, Push, Subscribe, Unsubscribe,
};
use syncline_server_core::{Config, Engine, Input, Output, Record, SessionKey};

use super::log::{self, Pushed};
use super::witness::Witness;
use super::{EPOCH, Node};

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Connect {
        client: Option<usize>,
        /// Bytes that its queue takes between two pumps.
        room: Option<usize>,
    },
    /// The next mutations of the session's client.
    Push {
        session: usize,
        mutations: Vec<Vec<OpPlan>>,
    },
    /// Mutations that were pushed before, from one on.
    Retry {
        session: usize,
        first: usize,
        count: usize,
    },
    /// Another mutation under a `seq`, following whatever.
    Fork {
        session: usize,
        seq: usize,
        follows: usize,
        ops: Vec<OpPlan>,
    },
    Subscribe {
        session: usize,
        tables: usize,
        cursor: CursorPlan,
    },
    Unsubscribe {
        session: usize,
        shape: usize,
    },
    Ping {
        session: usize,
    },
    Close {
        session: usize,
    },
    Room {
        session: usize,
        bytes: usize,
    },
    Truncate {
        keep_versions: u64,
    },
    Wait {
        ms: u64,
    },
    Step,
    /// Another node decides a mutation of a client first; this node's step meets it, or has nothing to decide.
    Elsewhere {
        client: usize,
        ops: Vec<OpPlan>,
        retry: bool,
    },
    Reopen {
        checkpoint: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct OpPlan {
    pub(crate) table: usize,
    pub(crate) key: usize,
    pub(crate) delete: bool,
    /// `Some(n)`: n versions before the head; beyond it, 0.
    pub(crate) if_version: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) enum CursorPlan {
    None,
    /// So many versions before the head.
    Behind(u64),
    Ahead,
    OtherEpoch,
}

const CLIENTS: [&str; 3] = ["ann", "bob", "cid"];
const TABLES: [&str; 3] = ["a", "b", "c"];
const TABLE_SETS: [&[&str]; 5] = [&["a"], &["b"], &["c"], &["a", "b"], &["a", "b", "c"]];

pub(crate) struct World {
    node: Node,
    witnesses: BTreeMap<SessionKey, Witness>,
    pushed: Pushed,
    /// Each client's chain, as far as it knows.
    chains: BTreeMap<usize, Vec<Mutation>>,
    /// Whether anything waits in the engine's queue.
    waiting: bool,
    made: u64,
}

impl World {
    pub(crate) fn new(config: Config) -> World {
        let node = Node::new(config);
        let (witnesses, pushed, chains) = Default::default();
        World {
            node,
            witnesses,
            pushed,
            chains,
            waiting: false,
            made: 0,
        }
    }

    /// Begins with all rows there.
    pub(crate) fn fill(&mut self) {
        let row = |number: usize| OpPlan {
            table: number % 3,
            key: number / 3,
            delete: false,
            if_version: None,
        };
        let mutations: Vec<_> = (0..12).map(|number| vec![row(number)]).collect();
        self.connect(Some(0), None);
        self.push_next(0, &mutations);
        self.step();
    }

    pub(crate) fn act(&mut self, action: &Action) {
        match action {
            Action::Connect { client, room } => self.connect(*client, *room),
            Action::Push { session, mutations } => self.push_next(*session, mutations),
            Action::Retry {
                session,
                first,
                count,
            } => self.push_again(*session, *first, *count),
            Action::Fork {
                session,
                seq,
                follows,
                ops,
            } => self.push_fork(*session, *seq, *follows, ops),
            Action::Subscribe {
                session,
                tables,
                cursor,
            } => self.subscribe(*session, *tables, cursor),
            Action::Unsubscribe { session, shape } => self.unsubscribe(*session, *shape),
            Action::Ping { session } => {
                if let Some(key) = self.session(*session) {
                    self.send(key, ClientMessage::Ping(Ping { t: 1 }));
                }
            }
            Action::Close { session } => self.close(*session),
            Action::Room { session, bytes } => self.set_room(*session, *bytes),
            Action::Truncate { keep_versions } => {
                self.node.engine.enqueue(Input::Truncate {
                    keep_versions: *keep_versions,
                });
                self.waiting = true;
            }
            Action::Wait { ms } => self.node.now_ms += ms,
            Action::Step => self.step(),
            Action::Elsewhere { client, ops, retry } => self.elsewhere(*client, ops, *retry),
            Action::Reopen { checkpoint } => self.reopen(*checkpoint),
        }
    }

    /// All queues are emptied, and all must be as the log says.
    pub(crate) fn finish(&mut self) {
        self.node.room.clear();
        self.step();
        for witness in self.witnesses.values().filter(|witness| !witness.closed) {
            witness.check_quiet(&self.node.log, &self.pushed);
        }
        log::check(&self.node.log, &self.pushed);
        assert_eq!(
            self.node.engine.checkpoint(),
            self.opened(None).checkpoint(),
            "a reopened engine is the same"
        );
    }

    fn opened(&self, behind: Option<&[Record]>) -> Engine {
        let records = self
            .node
            .log
            .iter()
            .chain(behind.into_iter().flatten())
            .cloned();
        Engine::open(self.node.config.clone(), EPOCH.into(), None, records)
            .expect("what was written")
    }

    fn step(&mut self) {
        let before = self.node.log.len();
        // Half-way: the log up to here as a checkpoint, and the rest as records, must come to the same.
        let checkpoint = self.node.engine.checkpoint();
        let outputs = self.node.step();
        self.waiting = false;
        self.deliver(outputs);
        let records = self.node.log[before..].iter().cloned();
        let again = Engine::open(
            self.node.config.clone(),
            EPOCH.into(),
            Some(&checkpoint),
            records,
        );
        assert_eq!(
            again.expect("what was written").checkpoint(),
            self.node.engine.checkpoint()
        );
    }

    fn deliver(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Frame { to, text } => {
                    for session in to {
                        let witness = self
                            .witnesses
                            .get_mut(&session)
                            .expect("a known connection");
                        witness.takes(&text, &self.node.log);
                    }
                }
                Output::Close { session, .. } => {
                    self.witnesses
                        .get_mut(&session)
                        .expect("a known connection")
                        .closed = true;
                }
                Output::Starved { session } => {
                    assert!(self.node.room.contains_key(&session), "it has room")
                }
            }
        }
    }

    /// One of the connections that are open, by number.
    fn session(&self, number: usize) -> Option<SessionKey> {
        let open: Vec<_> = self
            .witnesses
            .iter()
            .filter(|(_, witness)| !witness.closed)
            .map(|(key, _)| *key)
            .collect();
        if open.is_empty() {
            None
        } else {
            Some(open[number % open.len()])
        }
    }

    fn send(&mut self, session: SessionKey, message: ClientMessage) {
        let witness = self
            .witnesses
            .get_mut(&session)
            .expect("a known connection");
        match &message {
            ClientMessage::Subscribe(subscribe) => witness.subscribes(subscribe.clone()),
            ClientMessage::Push(push) => witness.pushes(push),
            message => witness.sends(!matches!(message, ClientMessage::Unsubscribe(_))),
        }
        self.node.receive(session, &message.encode());
        self.waiting = true;
    }

    fn connect(&mut self, client: Option<usize>, room: Option<usize>) {
        let session = SessionKey(self.witnesses.len() as u64);
        self.node.room.extend(room.map(|room| (session, room)));
        let client_id = client.map(|client| CLIENTS[client % CLIENTS.len()].to_owned());
        self.witnesses
            .insert(session, Witness::new(client_id.clone()));
        let hello = Hello {
            workspace: "w".into(),
            client_id,
            acked_seq: None,
            capabilities: None,
        };
        self.send(session, hello.into());
    }

    fn close(&mut self, session: usize) {
        let Some(session) = self.session(session) else {
            return;
        };
        self.witnesses.get_mut(&session).expect("open").closed = true;
        // What was decided of it before may still come out, and goes nowhere.
        self.step_closed(session);
    }

    fn step_closed(&mut self, session: SessionKey) {
        self.node.engine.enqueue(Input::Close { session });
        let outputs = self.node.step();
        self.waiting = false;
        let others = outputs.into_iter().filter_map(|output| match output {
            Output::Frame { mut to, text } => {
                to.retain(|to| *to != session);
                Some(Output::Frame { to, text })
            }
            Output::Close {
                session: closed, ..
            }
            | Output::Starved { session: closed }
                if closed == session =>
            {
                None
            }
            other => Some(other),
        });
        let others = others.collect();
        self.deliver(others);
    }

    fn set_room(&mut self, session: usize, bytes: usize) {
        let Some(session) = self.session(session) else {
            return;
        };
        self.node.room.insert(session, bytes);
        if bytes > 1000 {
            self.node.room.remove(&session);
        }
        let outputs = self.node.pump();
        self.deliver(outputs);
    }

    fn subscribe(&mut self, session: usize, tables: usize, cursor: &CursorPlan) {
        let Some(session) = self.session(session) else {
            return;
        };
        let head = self.node.engine.head();
        let cursor = match cursor {
            CursorPlan::None => None,
            CursorPlan::Behind(by) => Some((EPOCH, head.saturating_sub(*by))),
            CursorPlan::Ahead => Some((EPOCH, head + 100)),
            CursorPlan::OtherEpoch => Some(("other", head)),
        };
        self.made += 1;
        let tables = TABLE_SETS[tables % TABLE_SETS.len()]
            .iter()
            .map(|name| ((*name).to_owned(), JsonObject::new()));
        let subscribe = Subscribe {
            id: format!("sub{}", self.made),
            tables: tables.collect(),
            cursor: cursor.map(|(epoch, version)| Cursor {
                epoch: epoch.to_owned(),
                version,
            }),
        };
        self.send(session, subscribe.into());
    }

    fn unsubscribe(&mut self, session: usize, shape: usize) {
        let Some(session) = self.session(session) else {
            return;
        };
        let witness = self.witnesses.get_mut(&session).expect("open");
        let names: Vec<_> = witness.shapes.keys().cloned().collect();
        let shape = names
            .get(shape % names.len().max(1))
            .cloned()
            .unwrap_or_else(|| "none".to_owned());
        self.send(
            session,
            Unsubscribe {
                shape: shape.clone(),
            }
            .into(),
        );
        // Updates that come out of this step come after it.
        self.step_unsubscribed(session, &shape);
    }

    fn step_unsubscribed(&mut self, session: SessionKey, shape: &str) {
        self.step();
        if let Some(witness) = self.witnesses.get_mut(&session) {
            witness.shapes.remove(shape);
        }
    }

    fn client_of(&self, session: SessionKey) -> Option<usize> {
        let client = self.witnesses[&session].client.as_deref()?;
        CLIENTS.iter().position(|known| *known == client)
    }

    /// What the client's chain is: as the log says, once nothing is on its way.
    fn chain(&mut self, client: usize) -> &mut Vec<Mutation> {
        let chain = self.chains.entry(client).or_default();
        if !self.waiting {
            let own = log::outcomes(&self.node.log)
                .filter(|(_, decided)| &*decided.client == CLIENTS[client]);
            let name = |op_id: &str| (CLIENTS[client].to_owned(), op_id.to_owned());
            *chain = own
                .map(|(_, decided)| self.pushed[&name(&decided.op_id)].0.clone())
                .collect();
        }
        chain
    }

    fn mutation(&mut self, seq: u64, plans: &[OpPlan]) -> Mutation {
        self.made += 1;
        let head = self.node.engine.head();
        let mut ops: Vec<Json> = Vec::new();
        let mut named = Vec::new();
        for plan in plans {
            let (table, key) = (TABLES[plan.table % TABLES.len()], format!("k{}", plan.key));
            if named.contains(&(table, key.clone())) {
                continue;
            }
            let mut op = serde_json::json!({"op": "delete", "table": table, "key": key});
            if !plan.delete {
                op["op"] = "set".into();
                op["value"] = self.made.into();
            }
            if let Some(behind) = plan.if_version {
                op["ifVersion"] = head.saturating_sub(behind).into();
            }
            named.push((table, key));
            ops.push(op.into());
        }
        Mutation {
            seq,
            op_id: format!("op{}", self.made),
            ops,
            age_ms: None,
        }
    }

    fn push(&mut self, session: SessionKey, follows: Option<String>, mutations: Vec<Mutation>) {
        if mutations.is_empty() {
            return;
        }
        let client = self.witnesses[&session]
            .client
            .clone()
            .expect("only clients push");
        self.note_chain(&client, follows.clone(), &mutations);
        self.send(
            session,
            Push {
                epoch: EPOCH.into(),
                follows,
                mutations,
            }
            .into(),
        );
    }

    /// Notes what each mutation of a push is said to follow.
    fn note_chain(&mut self, client: &str, mut follows: Option<String>, mutations: &[Mutation]) {
        for mutation in mutations {
            let name = (client.to_owned(), mutation.op_id.clone());
            let noted = self
                .pushed
                .entry(name)
                .or_insert_with(|| (mutation.clone(), Default::default()));
            noted.1.insert(follows.replace(mutation.op_id.clone()));
        }
    }

    fn push_next(&mut self, session: usize, plans: &[Vec<OpPlan>]) {
        let Some(session) = self.session(session) else {
            return;
        };
        let Some(client) = self.client_of(session) else {
            return;
        };
        let follows = self.chain(client).last().map(|last| last.op_id.clone());
        let mut mutations = Vec::new();
        for plan in plans {
            let seq = self.chains[&client].len() as u64 + 1;
            let mutation = self.mutation(seq, plan);
            self.chains
                .entry(client)
                .or_default()
                .push(mutation.clone());
            mutations.push(mutation);
        }
        self.push(session, follows, mutations);
    }

    fn push_again(&mut self, session: usize, first: usize, count: usize) {
        let Some(session) = self.session(session) else {
            return;
        };
        let Some(client) = self.client_of(session) else {
            return;
        };
        let chain = self.chain(client).clone();
        let first = first % (chain.len() + 1);
        let follows = first.checked_sub(1).map(|index| chain[index].op_id.clone());
        self.push(
            session,
            follows,
            chain.into_iter().skip(first).take(count).collect(),
        );
    }

    fn push_fork(&mut self, session: usize, seq: usize, follows: usize, plans: &[OpPlan]) {
        let Some(session) = self.session(session) else {
            return;
        };
        let Some(client) = self.client_of(session) else {
            return;
        };
        let chain = self.chain(client).clone();
        let follows = chain
            .get(follows % (chain.len() + 1))
            .map(|mutation| mutation.op_id.clone());
        let seq = (seq % (chain.len() + 2)) as u64 + 1;
        let mutation = self.mutation(seq, plans);
        self.push(session, follows, vec![mutation]);
    }

    /// Another node, which has the log as it is, decides something of a client and appends it before this node does. As a retry, it is
    /// what that client has waiting here: an append whose answer was lost.
    fn elsewhere(&mut self, client: usize, plans: &[OpPlan], retry: bool) {
        let client = client % CLIENTS.len();
        let decided = log::outcomes(&self.node.log)
            .filter(|(_, decided)| &*decided.client == CLIENTS[client]);
        let last = decided
            .last()
            .map(|(_, decided)| (decided.seq, decided.op_id.to_string()));
        let (last_seq, follows) = last.map_or((0, None), |(seq, op_id)| (seq, Some(op_id)));
        let waiting = self
            .chain(client)
            .get(last_seq as usize)
            .filter(|_| retry)
            .cloned();
        let mutation = waiting.unwrap_or_else(|| self.mutation(last_seq + 1, plans));
        self.note_chain(
            CLIENTS[client],
            follows.clone(),
            std::slice::from_ref(&mutation),
        );
        let records = self.decide_elsewhere(client, follows, mutation);
        self.node.conflict(&records);
        assert_eq!(
            self.node.engine.checkpoint(),
            self.opened(None).checkpoint(),
            "the step is taken back without a trace"
        );
        if self.waiting {
            self.step();
        } else {
            let outputs = self.node.pump();
            self.deliver(outputs);
        }
    }

    fn decide_elsewhere(
        &self,
        client: usize,
        follows: Option<String>,
        mutation: Mutation,
    ) -> Vec<Record> {
        let mut other = self.opened(None);
        let session = SessionKey(0);
        let client_id = Some(CLIENTS[client].to_owned());
        let hello = Hello {
            workspace: "w".into(),
            client_id,
            acked_seq: None,
            capabilities: None,
        };
        other.enqueue(Input::Open {
            session,
            name: "other".into(),
            hello,
        });
        let push = Push {
            epoch: EPOCH.into(),
            follows,
            mutations: vec![mutation],
        };
        other.enqueue(Input::Frame {
            session,
            re: 2,
            message: push.into(),
        });
        other.decide(self.node.now_ms).to_vec()
    }

    fn reopen(&mut self, checkpoint: bool) {
        self.step();
        let checkpoint = checkpoint.then(|| self.node.engine.checkpoint());
        self.node.reopen(checkpoint.as_ref());
        for witness in self.witnesses.values_mut() {
            witness.closed = true;
        }
    }
}
