//! The writers of a random run: chains that go on, retries, forks, and another node that was first.

use serde_json::{Value, json};
use syncline_schemas::{ClientMessage, Hello, Json, Mutation, Push};
use syncline_server_core::{Input, Record, SessionKey, read_frame};

use super::EPOCH;
use super::log;
use super::plan::{DocumentWhat, OpPlan, What};
use super::world::{CLIENTS, DOCUMENTS, TABLES, World};

impl World {
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
            let (name, op) = self.op(plan, head);
            if !named.contains(&name) {
                named.push(name);
                ops.push(op.into());
            }
        }
        Mutation {
            seq,
            op_id: format!("op{}", self.made),
            ops,
            age_ms: None,
        }
    }

    fn row_op(&self, what: What) -> Value {
        let made = self.made;
        match what {
            What::SetWord => json!({"op": "set", "value": made}),
            What::SetObject => json!({"op": "set", "value": {"a": made, "b": 0, "n": made % 3}}),
            What::Delete => json!({"op": "delete"}),
            What::Patch(field) => {
                let names = ["a", "b", "c"];
                let (set, gone) = (names[usize::from(field % 3)], names[usize::from(field % 2)]);
                let remove: Vec<&str> = [gone].into_iter().filter(|gone| *gone != set).collect();
                json!({"op": "patch", "fields": {set: made}, "remove": remove})
            }
        }
    }

    fn document_op(&self, what: DocumentWhat, head: u64) -> Value {
        let data = syncline_schemas::base64::encode(&self.made.to_be_bytes());
        match what {
            DocumentWhat::Append { base: None } => json!({"op": "append", "data": data}),
            DocumentWhat::Append { base: Some(behind) } => {
                json!({"op": "append", "data": data, "base": head.saturating_sub(behind)})
            }
            DocumentWhat::Compact { covers } => {
                // Now and then what is not decided yet.
                json!({"op": "compact", "data": data, "covers": (head + 1).saturating_sub(covers)})
            }
            DocumentWhat::Delete => json!({"op": "delete"}),
            DocumentWhat::Set => json!({"op": "set", "value": 1}),
        }
    }

    /// An op, and what it names.
    fn op(&self, plan: &OpPlan, head: u64) -> ((&'static str, String), Value) {
        match plan {
            OpPlan::Row {
                table,
                key,
                what,
                if_version,
            } => {
                let (table, key) = (TABLES[table % TABLES.len()], format!("k{key}"));
                let mut op = self.row_op(*what);
                op["table"] = table.into();
                op["key"] = key.clone().into();
                if let Some(behind) = if_version {
                    op["ifVersion"] = head.saturating_sub(*behind).into();
                }
                ((table, key), op)
            }
            OpPlan::Document { key, what } => {
                let key = format!("k{key}");
                let mut op = self.document_op(*what, head);
                op["table"] = DOCUMENTS.into();
                op["key"] = key.clone().into();
                ((DOCUMENTS, key), op)
            }
            OpPlan::Declare => {
                let op = json!({"op": "declare", "table": DOCUMENTS, "kind": "document"});
                (("declare", String::new()), op)
            }
            OpPlan::Allocate { sequence, count } => {
                let name = format!("s{sequence}");
                let op = json!({"op": "allocate", "sequence": name, "count": count});
                (("", name), op)
            }
            OpPlan::Observe { sequence, value } => {
                let name = format!("s{sequence}");
                let op = json!({"op": "observe", "sequence": name, "value": value});
                (("", name), op)
            }
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

    pub(super) fn push_next(&mut self, session: usize, plans: &[Vec<OpPlan>]) {
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

    pub(super) fn push_again(&mut self, session: usize, first: usize, count: usize) {
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

    pub(super) fn push_fork(
        &mut self,
        session: usize,
        seq: usize,
        follows: usize,
        plans: &[OpPlan],
    ) {
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
    pub(super) fn elsewhere(&mut self, client: usize, plans: &[OpPlan], retry: bool) {
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
        let push = ClientMessage::Push(Push {
            epoch: EPOCH.into(),
            follows,
            mutations: vec![mutation],
        });
        let offered = &self.node.config.capabilities;
        other.enqueue(Input::Frame {
            session,
            re: 2,
            request: read_frame(&push.encode(), self.node.limits(), offered).expect("valid"),
        });
        other.decide(self.node.now_ms).to_vec()
    }
}
