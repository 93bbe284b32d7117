//! A workspace with several connections, several clients, and now and then another node: what a random run acts upon.

use std::collections::BTreeMap;

use syncline_schemas::{
    ClientMessage, Cursor, Digest, Hello, Mutation, Ping, ServerMessage, Subscribe, Unsubscribe,
};
use syncline_server_core::{Config, Engine, Input, Output, Record, SessionKey};

use super::filters;
use super::log::{self, Pushed};
use super::plan::{Action, CursorPlan, OpPlan, What};
use super::presence::Known;
use super::witness::Witness;
use super::{EPOCH, Node};

pub(super) const CLIENTS: [&str; 3] = ["ann", "bob", "cid"];
pub(super) const TABLES: [&str; 3] = ["a", "b", "c"];
/// The table that holds documents, once it is declared.
pub(super) const DOCUMENTS: &str = "d";
const TABLE_SETS: [&[&str]; 7] = [
    &["a"],
    &["b"],
    &["c"],
    &["a", "b"],
    &["a", "b", "c"],
    &["d"],
    &["a", "b", "c", "d"],
];

pub(crate) struct World {
    pub(super) node: Node,
    pub(super) witnesses: BTreeMap<SessionKey, Witness>,
    pub(super) pushed: Pushed,
    pub(super) presence: BTreeMap<SessionKey, Known>,
    /// Each client's chain, as far as it knows.
    pub(super) chains: BTreeMap<usize, Vec<Mutation>>,
    /// Whether anything waits in the engine's queue.
    pub(super) waiting: bool,
    pub(super) made: u64,
}

impl World {
    pub(crate) fn new(config: Config) -> World {
        let node = Node::new(config);
        let (witnesses, pushed, chains) = Default::default();
        World {
            node,
            witnesses,
            pushed,
            presence: BTreeMap::new(),
            chains,
            waiting: false,
            made: 0,
        }
    }

    /// Begins with all rows there.
    pub(crate) fn fill(&mut self) {
        let row = |number: usize| OpPlan::Row {
            table: number % 3,
            key: number / 3,
            what: What::SetObject,
            if_version: None,
        };
        let mut mutations: Vec<_> = (0..12).map(|number| vec![row(number)]).collect();
        mutations.push(vec![OpPlan::Declare]);
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
                filter,
                cursor,
            } => self.subscribe(*session, *tables, *filter, cursor),
            Action::Unsubscribe { session, shape } => self.unsubscribe(*session, *shape),
            Action::Ping { session } => {
                if let Some(key) = self.session(*session) {
                    self.send(key, ClientMessage::Ping(Ping { t: 1 }));
                }
            }
            Action::Digest { session, shape } => self.digest(*session, *shape),
            Action::Present { session, withdraw } => self.present(*session, *withdraw),
            Action::History {
                session,
                table,
                key,
                newest,
                limit,
                places,
            } => self.history(*session, (*table, *key), *newest, *limit, *places),
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
        self.node.now_ms += self.node.limits().presence_interval_ms.expect("offered");
        self.step();
        assert_eq!(self.node.engine.due_in_ms(self.node.now_ms), None);
        self.check_presence();
        for witness in self.witnesses.values().filter(|witness| !witness.closed) {
            witness.check_quiet(&self.node.log, &self.pushed);
        }
        log::check(&self.node.log, &self.pushed, self.node.limits());
        assert_eq!(
            self.node.engine.checkpoint(),
            self.opened(None).checkpoint(),
            "a reopened engine is the same"
        );
    }

    pub(super) fn opened(&self, behind: Option<&[Record]>) -> Engine {
        let records = self
            .node
            .log
            .iter()
            .chain(behind.into_iter().flatten())
            .cloned();
        Engine::open(self.node.config.clone(), EPOCH.into(), None, records)
            .expect("what was written")
    }

    pub(super) fn step(&mut self) {
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

    pub(super) fn deliver(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Frame { to, text } => {
                    for session in to {
                        self.hear(session, &text);
                        let witness = self
                            .witnesses
                            .get_mut(&session)
                            .expect("a known connection");
                        witness.takes(&text, &self.node.log, &self.node.config.limits);
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

    /// What concerns presence in a frame that came.
    fn hear(&mut self, session: SessionKey, text: &str) {
        if let Ok(ServerMessage::Presence(word)) = ServerMessage::decode(text, 64) {
            self.told(session, &word);
        }
    }

    /// One of the connections that are open, by number.
    pub(super) fn session(&self, number: usize) -> Option<SessionKey> {
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

    pub(super) fn send(&mut self, session: SessionKey, message: ClientMessage) {
        let witness = self
            .witnesses
            .get_mut(&session)
            .expect("a known connection");
        match &message {
            ClientMessage::Subscribe(subscribe) => witness.subscribes(subscribe.clone()),
            ClientMessage::Push(push) => witness.pushes(push),
            ClientMessage::Digest(_) => witness.asks_digest(),
            ClientMessage::History(history) => witness.asks_history(history.clone()),
            ClientMessage::Unsubscribe(_) | ClientMessage::Present(_) => witness.sends(false),
            _ => witness.sends(true),
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
        // Every third one does not watch.
        let watches = !session.0.is_multiple_of(3);
        let capabilities = ["documents", "digests", "presence"].into_iter();
        let capabilities = capabilities.take(2 + usize::from(watches));
        let hello = Hello {
            workspace: "w".into(),
            client_id,
            acked_seq: None,
            capabilities: Some(capabilities.map(ToOwned::to_owned).collect()),
        };
        self.presence.entry(session).or_default().watches = watches;
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

    fn subscribe(&mut self, session: usize, tables: usize, filter: usize, cursor: &CursorPlan) {
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
            .map(|name| ((*name).to_owned(), filters::settings(filter, name)));
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

    /// One of a session's shapes, by number; if it has none, one that nobody has.
    fn shape(&self, session: SessionKey, number: usize) -> String {
        let names: Vec<_> = self.witnesses[&session].shapes.keys().collect();
        let found = names.get(number % names.len().max(1));
        found.map_or_else(|| "none".to_owned(), ToString::to_string)
    }

    fn digest(&mut self, session: usize, shape: usize) {
        if let Some(session) = self.session(session) {
            let shape = self.shape(session, shape);
            self.send(session, Digest { shape }.into());
        }
    }

    fn unsubscribe(&mut self, session: usize, shape: usize) {
        let Some(session) = self.session(session) else {
            return;
        };
        let shape = self.shape(session, shape);
        let unsubscribe = Unsubscribe {
            shape: shape.clone(),
        };
        self.send(session, unsubscribe.into());
        // Updates that come out of this step come after it.
        self.step_unsubscribed(session, &shape);
    }

    fn step_unsubscribed(&mut self, session: SessionKey, shape: &str) {
        self.step();
        if let Some(witness) = self.witnesses.get_mut(&session) {
            witness.shapes.remove(shape);
        }
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
