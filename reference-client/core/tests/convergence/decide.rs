//! The model of a server: how a pushed mutation is judged and decided, and what the log then says.

use std::collections::BTreeMap;

use syncline_schemas::{
    Allocated, Applied, Change, Deferred, DeleteChange, Json, Mutation, MutationResult, Op,
    OpResult, Outcome, Refused, Rejected, SetChange,
};

use super::documents::DOCUMENTS;
use super::filters::{Shape, takes};
use super::server::{Commit, RowKey, Server};

impl Server {
    /// The procedure for a push, for one of its mutations.
    pub(crate) fn judge(
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
        } else if ops.iter().any(|op| !self.has_fields(op)) {
            Some("not_an_object")
        } else {
            ops.iter().find_map(|op| self.document_fault(op))
        };
        let (mut changes, mut told) = (Vec::new(), Vec::new());
        if fault.is_none() {
            ops.iter()
                .for_each(|op| changes.extend(self.apply(client_id, op, version)));
            let ops = (0..).zip(&ops);
            told.extend(ops.filter_map(|(at, op)| self.allocate(at, op)));
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
                ops: (!told.is_empty()).then_some(told),
            }),
            Some(code) => Outcome::Rejected(Rejected {
                seq,
                op_id,
                version,
                code: code.into(),
                message: None,
                at: None,
                row: None,
            }),
        }
    }

    fn holds(&self, client_id: &str, op: &Op) -> bool {
        let (Some(expected), Some((table, key))) = (op.if_version(), op.row()) else {
            return true;
        };
        match self.history.rows.get(&(table.to_owned(), key.to_owned())) {
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

    /// Whether what is to be patched can be.
    fn has_fields(&self, op: &Op) -> bool {
        let Some((table, key)) = op.row() else {
            return true;
        };
        let row = self.history.rows.get(&(table.to_owned(), key.to_owned()));
        let value = row.and_then(|row| row.value.as_ref());
        !matches!(op, Op::Patch(_)) || value.is_none_or(Json::is_object)
    }

    /// What an op asks of a sequence.
    fn allocate(&mut self, at: u64, op: &Op) -> Option<OpResult> {
        let highest = self.history.highest.entry(op.sequence()?.to_owned());
        let highest = highest.or_insert(self.history.left_out);
        match op {
            Op::Allocate(op) => {
                let (first, count) = (*highest + 1, op.count);
                *highest += count;
                Some(OpResult::Allocated(Allocated { at, first, count }))
            }
            Op::Observe(op) => {
                *highest = op.value.max(*highest);
                None
            }
            _ => None,
        }
    }

    fn apply(&mut self, client_id: &str, op: &Op, version: u64) -> Option<Change> {
        let (table, key) = op.row()?;
        if table == DOCUMENTS {
            return self.apply_to_document(op, version);
        }
        let (table, key) = (table.to_owned(), key.to_owned());
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
        row.value = match op {
            Op::Set(op) => Some(op.value.clone()),
            Op::Patch(patch) => patch.applied_to(row.value.as_ref()),
            Op::Delete(_) | Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => None,
            Op::Append(_) | Op::Compact(_) => None,
        };
        match row.value.clone() {
            Some(value) => Some(Change::Set(SetChange {
                table,
                key,
                version,
                value,
                siblings: None,
            })),
            None => existed.then_some(Change::Delete(DeleteChange {
                table,
                key,
                version,
            })),
        }
    }
}

/// The rows of a shape as a log left them at a version.
pub(crate) fn replay(log: &[Commit], to: u64, tables: &Shape) -> BTreeMap<RowKey, (u64, Json)> {
    let mut rows = BTreeMap::new();
    let until = log.iter().take_while(|commit| commit.version <= to);
    for change in until
        .flat_map(|commit| &commit.changes)
        .filter(|change| tables.contains_key(change.table()))
    {
        let row = (change.table().to_owned(), change.key().to_owned());
        match change {
            Change::Set(set) => drop(rows.insert(row, (set.version, set.value.clone()))),
            Change::Append(_) | Change::Compact(_) => {}
            Change::Delete(_) | Change::Remove(_) => drop(rows.remove(&row)),
        }
    }
    rows.retain(|(table, key): &RowKey, (_, value)| takes(tables, (table, key), value));
    rows
}
