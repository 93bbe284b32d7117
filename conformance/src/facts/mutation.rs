//! The mutations that were sent, and what became of each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use syncline_schemas::errors;

use super::Conn;
use super::names::Names;
use super::replica::{RowKey, RowName};
use crate::history::{ConnIx, Frame, whole};
use crate::matcher::equal;

/// All mutations of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// In the order in which they were first seen.
    pub mutations: Vec<Mutation>,
    names: Names,
    /// Up to which `seq` all outcomes of each client were told.
    acked: Vec<u64>,
    /// The mutations of each push, by connection and number: which of their sends.
    pushes: BTreeMap<(ConnIx, u64), Vec<(usize, usize)>>,
    of_workspace: BTreeMap<String, Vec<usize>>,
}

/// One mutation, named by workspace, client, `seq` and `opId`.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The workspace.
    pub workspace: String,
    /// The client.
    pub client: String,
    /// Its number.
    pub seq: u64,
    /// Its name.
    pub op_id: String,
    /// Each time that it was sent.
    pub sends: Vec<Send>,
    /// Each time that an outcome was told.
    pub outcomes: Vec<Outcome>,
}

/// One time that a mutation was sent.
#[derive(Clone, Debug)]
pub struct Send {
    /// The entry of the push.
    pub at: usize,
    /// The connection.
    pub conn: ConnIx,
    /// The number of the push on it.
    pub ordinal: u64,
    /// The epoch that the push named.
    pub epoch: String,
    /// The ops.
    pub ops: Value,
    /// How old the client said that it is, in milliseconds.
    pub age_ms: u64,
    /// What the server said of this time.
    pub answer: Answer,
}

/// What the server said of a mutation that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: it may or may not be decided.
    Pending,
    /// An outcome.
    Decided,
    /// Definitely not decided this time: the code, or that the push ended before it.
    Not(String),
}

/// One time that an outcome was told.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The entry of the ack or welcome.
    pub at: usize,
    /// The connection.
    pub conn: ConnIx,
    /// The session's epoch.
    pub epoch: String,
    /// `applied` or `rejected`.
    pub status: String,
    /// The version that it took.
    pub version: u64,
    /// Why it was rejected.
    pub code: Option<String>,
    /// What became of single ops.
    pub told: Option<Value>,
}

impl Mutation {
    /// The outcome as first told in this epoch.
    #[must_use]
    pub fn outcome(&self, epoch: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.epoch == epoch)
    }

    /// The outcome as last told.
    #[must_use]
    pub fn latest(&self) -> Option<&Outcome> {
        self.outcomes.last()
    }

    /// Whether it may be decided, as far as was told.
    #[must_use]
    pub fn possible(&self) -> bool {
        !self.outcomes.is_empty() || self.sends.iter().any(|send| send.answer == Answer::Pending)
    }

    /// The ops that were decided first; none if several were on their way, or the mutation was never sent.
    #[must_use]
    pub fn ops(&self) -> Option<&Value> {
        self.ops_by(self.outcomes.first())
    }

    /// The ops that were decided with this outcome. With another epoch a mutation may be sent with others: without what spoke of the epoch before.
    #[must_use]
    pub fn ops_of(&self, outcome: &Outcome) -> Option<&Value> {
        self.ops_by(Some(outcome))
    }

    fn ops_by(&self, outcome: Option<&Outcome>) -> Option<&Value> {
        let decided_at = outcome.map_or(usize::MAX, |outcome| outcome.at);
        let of_epoch = |send: &Send| outcome.is_some_and(|outcome| outcome.epoch == send.epoch);
        let may = |send: &&Send| send.at < decided_at && !matches!(send.answer, Answer::Not(_));
        let any = self.sends.iter().filter(may).any(of_epoch);
        let sends = self.sends.iter().filter(may);
        let mut before = sends.filter(|send| !any || of_epoch(send));
        let first = before.next()?;
        before
            .all(|send| equal(&send.ops, &first.ops))
            .then_some(&first.ops)
    }

    /// Every row that it names, in whatever ops it was sent with.
    #[must_use]
    pub fn rows(&self) -> BTreeSet<RowKey> {
        let owned = |(table, key): RowName<'_>| (table.to_owned(), key.to_owned());
        self.row_names().map(owned).collect()
    }

    /// Whether it names a row of these tables, in whatever ops it was sent with.
    #[must_use]
    pub fn touches(&self, tables: &BTreeSet<String>) -> bool {
        self.row_names().any(|(table, _)| tables.contains(table))
    }

    /// The rows that it names, as often as it names them.
    pub fn row_names(&self) -> impl Iterator<Item = RowName<'_>> {
        let ops = self.sends.iter().filter_map(|send| send.ops.as_array());
        ops.flatten().filter_map(row_named)
    }

    /// The tables that it declares, in whatever ops it was sent with.
    pub fn declared(&self) -> impl Iterator<Item = &str> {
        let ops = self.sends.iter().filter_map(|send| send.ops.as_array());
        let declares = ops.flatten().filter(|op| op["op"] == "declare");
        declares.filter_map(|op| op["table"].as_str())
    }

    /// How people are told of it.
    #[must_use]
    pub fn label(&self) -> String {
        format!("seq {} ({}) of {}", self.seq, self.op_id, self.client)
    }
}

/// The row that an op names.
#[must_use]
pub fn row_of(op: &Value) -> Option<RowKey> {
    row_named(op).map(|(table, key)| (table.to_owned(), key.to_owned()))
}

/// The row that an op or a change names: table and key.
#[must_use]
pub fn row_named(op: &Value) -> Option<RowName<'_>> {
    Some((op.get("table")?.as_str()?, op.get("key")?.as_str()?))
}

impl Ledger {
    /// The mutation of this name.
    #[must_use]
    pub fn find(&self, workspace: &str, client: &str, seq: u64, op_id: &str) -> Option<&Mutation> {
        let index = self.names.find(workspace, client, seq, op_id)?;
        Some(&self.mutations[index])
    }

    /// The mutations of one client, by `seq`.
    pub fn of_client<'a>(
        &'a self,
        workspace: &str,
        client: &str,
    ) -> impl DoubleEndedIterator<Item = &'a Mutation> + use<'a> {
        let client = self.names.client(workspace, client);
        let of_client = client.map(|client| self.names.of_client(client, 0..=u64::MAX));
        { of_client.into_iter().flatten() }.map(|index| &self.mutations[index])
    }

    /// The mutations of one client with this `seq`, as they were first seen.
    fn of_seq(&self, workspace: &str, client: &str, seq: u64) -> Vec<&Mutation> {
        let client = self.names.client(workspace, client);
        let of_seq = client.map(|client| self.names.of_client(client, seq..=seq));
        let mut of_seq: Vec<usize> = of_seq.into_iter().flatten().collect();
        of_seq.sort_unstable();
        of_seq
            .into_iter()
            .map(|index| &self.mutations[index])
            .collect()
    }

    /// The mutations of one workspace, as they were first seen: their indices.
    #[must_use]
    pub fn of_workspace(&self, workspace: &str) -> &[usize] {
        self.of_workspace.get(workspace).map_or(&[], Vec::as_slice)
    }

    /// The `seq` of the client's next new mutation.
    #[must_use]
    pub fn next(&self, workspace: &str, client: &str) -> u64 {
        let last = self
            .of_client(workspace, client)
            .rfind(|mutation| mutation.possible());
        last.map_or(1, |mutation| mutation.seq + 1)
    }

    /// The `opId` of the client's mutation with this `seq`: the decided one, else one that may be.
    #[must_use]
    pub fn op_id<'a>(&'a self, workspace: &'a str, client: &'a str, seq: u64) -> Option<&'a str> {
        let of_seq = self.of_seq(workspace, client, seq);
        let decided = of_seq.iter().find(|mutation| !mutation.outcomes.is_empty());
        decided
            .or_else(|| of_seq.iter().rfind(|mutation| mutation.possible()))
            .map(|mutation| mutation.op_id.as_str())
    }

    /// Up to which `seq` all outcomes of a client were told.
    #[must_use]
    pub fn acked_seq(&self, workspace: &str, client: &str) -> u64 {
        let client = self.names.client(workspace, client);
        client.map_or(0, |client| self.acked.get(client).copied().unwrap_or(0))
    }

    /// The index of the mutation of this name, which is new if it was never seen.
    fn named(&mut self, session: &Conn, seq: u64, op_id: &str) -> Option<usize> {
        let (workspace, client) = (session.workspace(), session.client()?);
        let next = self.mutations.len();
        let index = self.names.find_or_add(workspace, client, seq, op_id, next);
        if index == next {
            let (sends, outcomes) = (Vec::new(), Vec::new());
            self.mutations.push(Mutation {
                workspace: workspace.to_owned(),
                client: client.to_owned(),
                seq,
                op_id: op_id.to_owned(),
                sends,
                outcomes,
            });
            match self.of_workspace.get_mut(workspace) {
                Some(of_workspace) => of_workspace.push(index),
                None => {
                    self.of_workspace.insert(workspace.to_owned(), vec![index]);
                }
            }
        }
        Some(index)
    }

    /// An outcome was told: the chain up to which all are known may have grown.
    fn advance(&mut self, session: &Conn) {
        let Some(client) = session
            .client()
            .and_then(|client| self.names.client(session.workspace(), client))
        else {
            return;
        };
        if self.acked.len() <= client {
            self.acked.resize(client + 1, 0);
        }
        let acked = &mut self.acked[client];
        let told = |seq: u64| {
            let mut of_seq = self.names.of_client(client, seq..=seq);
            of_seq.any(|index| !self.mutations[index].outcomes.is_empty())
        };
        while told(*acked + 1) {
            *acked += 1;
        }
    }

    pub(super) fn pushed(&mut self, at: usize, conn: ConnIx, session: &Conn, push: &Frame) {
        let epoch = push.string("epoch").unwrap_or_default();
        let ordinal = session.sent.len() as u64;
        for mutation in push
            .member("mutations")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Some((seq, op_id)) = link(mutation) else {
                continue;
            };
            let Some(ops) = mutation.get("ops").filter(|ops| ops.is_array()) else {
                continue;
            };
            if let Some(index) = self.named(session, seq, op_id) {
                let (epoch, ops) = (epoch.to_owned(), ops.clone());
                let sends = &mut self.mutations[index].sends;
                let of_push = self.pushes.entry((conn, ordinal)).or_default();
                of_push.push((index, sends.len()));
                sends.push(Send {
                    at,
                    conn,
                    ordinal,
                    epoch,
                    ops,
                    age_ms: mutation.get("ageMs").and_then(whole).unwrap_or(0),
                    answer: Answer::Pending,
                });
            }
        }
    }

    pub(super) fn acked(&mut self, at: usize, conn: ConnIx, session: &Conn, ack: &Frame) {
        let results = ack
            .member("results")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        for result in results {
            self.told(at, conn, session, result);
        }
        let Some(ordinal) = ack.number("re") else {
            return;
        };
        let ends = results.last().filter(|last| !is_outcome(last));
        // Of two results of one mutation the first counts.
        let by_link: BTreeMap<(u64, &str), &Value> = { results.iter().rev() }
            .filter_map(|result| Some((link(result)?, result)))
            .collect();
        for (index, send) in self.pushes.get(&(conn, ordinal)).into_iter().flatten() {
            let mutation = &mut self.mutations[*index];
            let result = by_link.get(&(mutation.seq, mutation.op_id.as_str()));
            let send = &mut mutation.sends[*send];
            match (result, ends) {
                (Some(result), _) if is_outcome(result) => send.answer = Answer::Decided,
                (Some(result), _) => send.answer = Answer::Not(code(result)),
                (None, Some(_)) => send.answer = Answer::Not("behind".to_owned()),
                (None, None) => {}
            }
        }
    }

    pub(super) fn learned(&mut self, at: usize, conn: ConnIx, session: &Conn, welcome: &Frame) {
        for result in welcome
            .member("results")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.told(at, conn, session, result);
        }
    }

    /// An error that surely had no effect answers a push.
    pub(super) fn errored(&mut self, conn: ConnIx, ordinal: u64, error: &Frame) {
        let code = error.string("code").unwrap_or_default();
        if errors::find(code).is_some_and(|def| def.definite) {
            for (index, send) in self.pushes.get(&(conn, ordinal)).into_iter().flatten() {
                self.mutations[*index].sends[*send].answer = Answer::Not(code.to_owned());
            }
        }
    }

    fn told(&mut self, at: usize, conn: ConnIx, session: &Conn, result: &Value) {
        let (true, Some((seq, op_id)), Some(version)) = (
            is_outcome(result),
            link(result),
            result.get("version").and_then(whole),
        ) else {
            return;
        };
        let epoch = session.epoch.clone().unwrap_or_default();
        let Some(index) = self.named(session, seq, op_id) else {
            return;
        };
        let status = result["status"].as_str().unwrap_or_default().to_owned();
        let code = result
            .get("code")
            .and_then(Value::as_str)
            .map(ToOwned::to_owned);
        self.mutations[index].outcomes.push(Outcome {
            at,
            conn,
            epoch,
            status,
            version,
            code,
            told: result.get("ops").cloned(),
        });
        self.advance(session);
    }
}

fn link(of: &Value) -> Option<(u64, &str)> {
    Some((of.get("seq").and_then(whole)?, of.get("opId")?.as_str()?))
}

/// Whether a result is an outcome.
#[must_use]
fn is_outcome(result: &Value) -> bool {
    matches!(
        result.get("status").and_then(Value::as_str),
        Some("applied" | "rejected")
    )
}

fn code(result: &Value) -> String {
    result
        .get("code")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
