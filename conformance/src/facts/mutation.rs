//! The mutations that were sent, and what became of each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use syncline_schemas::errors;

use super::Conn;
use super::replica::RowKey;
use crate::history::{ConnIx, Frame, whole};
use crate::matcher::equal;

/// All mutations of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// In the order in which they were first seen.
    pub mutations: Vec<Mutation>,
    by_name: BTreeMap<(String, String, u64, String), usize>,
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
    /// All that was told.
    pub result: Value,
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

    /// The ops that were decided; none if several were on their way, or the mutation was never sent.
    #[must_use]
    pub fn ops(&self) -> Option<&Value> {
        let decided_at = self
            .outcomes
            .first()
            .map_or(usize::MAX, |outcome| outcome.at);
        let mut before = self
            .sends
            .iter()
            .filter(|send| send.at < decided_at && !matches!(send.answer, Answer::Not(_)));
        let first = before.next()?;
        before
            .all(|send| equal(&send.ops, &first.ops))
            .then_some(&first.ops)
    }

    /// Every row that it names, in whatever ops it was sent with.
    #[must_use]
    pub fn rows(&self) -> BTreeSet<RowKey> {
        let ops = self
            .sends
            .iter()
            .filter_map(|send| send.ops.as_array())
            .flatten();
        ops.filter_map(row_of).collect()
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
    Some((
        op.get("table")?.as_str()?.to_owned(),
        op.get("key")?.as_str()?.to_owned(),
    ))
}

impl Ledger {
    /// The mutation of this name.
    #[must_use]
    pub fn find(&self, workspace: &str, client: &str, seq: u64, op_id: &str) -> Option<&Mutation> {
        let name = (
            workspace.to_owned(),
            client.to_owned(),
            seq,
            op_id.to_owned(),
        );
        self.by_name.get(&name).map(|index| &self.mutations[*index])
    }

    /// The mutations of one client.
    pub fn of_client<'a>(
        &'a self,
        workspace: &'a str,
        client: &'a str,
    ) -> impl Iterator<Item = &'a Mutation> {
        self.mutations
            .iter()
            .filter(move |mutation| mutation.workspace == workspace && mutation.client == client)
    }

    /// The `seq` of the client's next new mutation.
    #[must_use]
    pub fn next(&self, workspace: &str, client: &str) -> u64 {
        let last = self
            .of_client(workspace, client)
            .filter(|mutation| mutation.possible())
            .max_by_key(|mutation| mutation.seq);
        last.map_or(1, |mutation| mutation.seq + 1)
    }

    /// The `opId` of the client's mutation with this `seq`: the decided one, else one that may be.
    #[must_use]
    pub fn op_id<'a>(&'a self, workspace: &'a str, client: &'a str, seq: u64) -> Option<&'a str> {
        let of_seq = || {
            self.of_client(workspace, client)
                .filter(|mutation| mutation.seq == seq)
        };
        let decided = of_seq().find(|mutation| !mutation.outcomes.is_empty());
        decided
            .or_else(|| of_seq().filter(|mutation| mutation.possible()).last())
            .map(|mutation| mutation.op_id.as_str())
    }

    /// Up to which `seq` all outcomes of a client were told.
    #[must_use]
    pub fn acked_seq(&self, workspace: &str, client: &str) -> u64 {
        let known: BTreeSet<u64> = self
            .of_client(workspace, client)
            .filter(|mutation| !mutation.outcomes.is_empty())
            .map(|mutation| mutation.seq)
            .collect();
        (1..)
            .take_while(|seq| known.contains(seq))
            .last()
            .unwrap_or(0)
    }

    fn named(&mut self, session: &Conn, seq: u64, op_id: &str) -> Option<&mut Mutation> {
        let (workspace, client) = (session.workspace().to_owned(), session.client()?.to_owned());
        let name = (workspace.clone(), client.clone(), seq, op_id.to_owned());
        let index = *self.by_name.entry(name).or_insert(self.mutations.len());
        if index == self.mutations.len() {
            let (sends, outcomes) = (Vec::new(), Vec::new());
            self.mutations.push(Mutation {
                workspace,
                client,
                seq,
                op_id: op_id.to_owned(),
                sends,
                outcomes,
            });
        }
        Some(&mut self.mutations[index])
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
            if let Some(known) = self.named(session, seq, op_id) {
                let (epoch, ops) = (epoch.to_owned(), ops.clone());
                known.sends.push(Send {
                    at,
                    conn,
                    ordinal,
                    epoch,
                    ops,
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
        for mutation in &mut self.mutations {
            for send in mutation
                .sends
                .iter_mut()
                .filter(|send| send.conn == conn && send.ordinal == ordinal)
            {
                let result = results
                    .iter()
                    .find(|result| link(result) == Some((mutation.seq, &mutation.op_id)));
                match (result, ends) {
                    (Some(result), _) if is_outcome(result) => send.answer = Answer::Decided,
                    (Some(result), _) => send.answer = Answer::Not(code(result)),
                    (None, Some(_)) => send.answer = Answer::Not("behind".to_owned()),
                    (None, None) => {}
                }
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
            let sends = self
                .mutations
                .iter_mut()
                .flat_map(|mutation| &mut mutation.sends);
            for send in sends.filter(|send| send.conn == conn && send.ordinal == ordinal) {
                send.answer = Answer::Not(code.to_owned());
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
        let Some(known) = self.named(session, seq, op_id) else {
            return;
        };
        let status = result["status"].as_str().unwrap_or_default().to_owned();
        let code = result
            .get("code")
            .and_then(Value::as_str)
            .map(ToOwned::to_owned);
        known.outcomes.push(Outcome {
            at,
            conn,
            epoch,
            status,
            version,
            code,
            result: result.clone(),
        });
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
