//! The log as an oracle: what it says by itself, replayed from its beginning by the plainest code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use syncline_schemas::{Json, Limits, Mutation, Op};
use syncline_server_core::{Decided, Decision, Event, Record};

use super::world::DOCUMENTS;
use super::{documents, sequences};

/// The rows of a workspace or a shape, each with its version.
pub(crate) type Rows = BTreeMap<(String, String), (u64, Json)>;

/// All outcomes, with their versions.
pub(crate) fn outcomes(log: &[Record]) -> impl Iterator<Item = (u64, &Decided)> {
    log.iter().filter_map(|record| match &record.event {
        Event::Outcome(decided) => Some((record.version, decided)),
        Event::Truncated(_) => None,
    })
}

/// The rows after all records up to a version.
pub(crate) fn rows_at(log: &[Record], version: u64) -> Rows {
    let mut rows = Rows::new();
    for (at, decided) in outcomes(log).filter(|(at, _)| *at <= version) {
        let Decision::Applied { effects, .. } = &decided.decision else {
            continue;
        };
        for effect in effects.iter().filter(|effect| effect.document.is_none()) {
            let row = (effect.table.to_string(), effect.key.to_string());
            match &effect.value {
                Some(value) => rows.insert(row, (at, value.clone())),
                None => rows.remove(&row),
            };
        }
    }
    rows
}

/// Checks what a log must be, whoever wrote it: versions increase, each client's chain is one chain, and each mutation had the effect
/// that its ops say.
pub(crate) fn check(log: &[Record], pushed: &Pushed, limits: &Limits) {
    assert!(
        log.windows(2).all(|pair| pair[0].version < pair[1].version),
        "versions increase"
    );
    assert!(
        log.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms),
        "time does not run backwards"
    );
    let mut last: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for (version, decided) in outcomes(log) {
        let before = last.insert(&decided.client, (decided.seq, &decided.op_id));
        let (seq, op_id) = before.unzip();
        assert_eq!(
            decided.seq,
            seq.unwrap_or(0) + 1,
            "each client's mutations are decided in order, once"
        );
        let name = (decided.client.to_string(), decided.op_id.to_string());
        let (mutation, follows) = &pushed[&name];
        assert!(
            follows.contains(&op_id.map(str::to_owned)),
            "{name:?} does not follow {op_id:?}"
        );
        check_decision(log, version, decided, &ops_of(mutation), limits);
        check_sequences(log, version, decided, pushed, limits);
    }
}

/// What was pushed: each mutation by its client and `opId`, with all that it was ever said to follow.
pub(crate) type Pushed = BTreeMap<(String, String), (Mutation, BTreeSet<Option<String>>)>;

/// The ops of a mutation.
pub(crate) fn ops_of(mutation: &Mutation) -> Vec<Op> {
    let ops = mutation.ops.iter();
    ops.map(|op| Op::decode(op).expect("tests push known ops"))
        .collect()
}

/// What sequences give, or why they do not, is what the oracle says.
fn check_sequences(
    log: &[Record],
    version: u64,
    decided: &Decided,
    pushed: &Pushed,
    limits: &Limits,
) {
    let name = (decided.client.to_string(), decided.op_id.to_string());
    let ops = ops_of(&pushed[&name].0);
    let mut next = sequences::before(log, version, pushed);
    let (large, fault) = (
        sequences::passes_a_limit(&ops, limits),
        sequences::fault(&next, &ops, limits),
    );
    match &decided.decision {
        Decision::Applied { told, .. } => {
            assert_eq!((large, fault), (false, None), "v{version}");
            assert_eq!(*told, sequences::take(&mut next, &ops), "v{version}");
        }
        Decision::Rejected(rejection) => match &*rejection.code {
            "limit_exceeded" => assert!(large || fault == Some("limit_exceeded"), "v{version}"),
            "sequence_exhausted" => assert_eq!(fault, Some("sequence_exhausted"), "v{version}"),
            _ => {}
        },
    }
}

fn check_decision(log: &[Record], version: u64, decided: &Decided, ops: &[Op], limits: &Limits) {
    let before = rows_at(log, version - 1);
    let failed = ops
        .iter()
        .find(|op| !version_holds(log, version, &decided.client, op));
    match &decided.decision {
        Decision::Applied { effects, .. } => {
            assert!(
                failed.is_none(),
                "v{version} was applied, but {failed:?} does not hold"
            );
            let kept = documents::at(log, version - 1);
            let faulty = ops
                .iter()
                .filter_map(|op| documents::fault(log, version, ops, op));
            assert_eq!(faulty.collect::<Vec<_>>(), Vec::<&str>::new(), "v{version}");
            let done = ops
                .iter()
                .filter_map(|op| Some((op.row()?, documents::effect_of(&kept, op)?)));
            let told = effects.iter().filter_map(|effect| {
                let data = effect
                    .value
                    .as_ref()
                    .map(|data| tree(data).as_str().map(str::to_owned));
                let name = (&*effect.table, &*effect.key);
                Some((name, (data.flatten(), effect.document?)))
            });
            assert_eq!(
                told.collect::<Vec<_>>(),
                done.collect::<Vec<_>>(),
                "v{version}"
            );
            let rows = ops
                .iter()
                .filter(|op| !matches!(op, Op::Append(_) | Op::Compact(_)))
                .filter_map(|op| Some((op.row()?, held(&before, op), op)));
            let changing =
                rows.filter(|(_, held, op)| !matches!(op, Op::Delete(_)) || held.is_some());
            let expected: Vec<_> = changing
                .map(|((table, key), held, op)| (table, key, value_of(op, held)))
                .collect();
            let effects = effects.iter().filter(|effect| effect.document.is_none());
            let effects = effects.map(|effect| {
                (
                    &*effect.table,
                    &*effect.key,
                    effect.value.as_ref().map(tree),
                )
            });
            assert_eq!(effects.collect::<Vec<_>>(), expected, "v{version}");
        }
        Decision::Rejected(rejection) if &*rejection.code == "version_conflict" => {
            assert!(
                failed.is_some() || forgotten_before(log, version) > 0,
                "v{version} was rejected, but holds"
            );
        }
        Decision::Rejected(rejection) if &*rejection.code == "not_an_object" => {
            let fieldless = |op: &Op| {
                matches!(op, Op::Patch(_)) && held(&before, op).is_some_and(|row| !row.is_object())
            };
            assert!(
                ops.iter().any(fieldless),
                "v{version} was rejected, but has fields"
            );
        }
        Decision::Rejected(rejection) => match &*rejection.code {
            "limit_exceeded" | "sequence_exhausted" => {}
            "document_full" => {
                let full = |op: &&Op| {
                    matches!(op, Op::Append(_)) && documents::is_full(log, version, op, limits)
                };
                assert!(
                    ops.iter().any(|op| full(&op)),
                    "v{version} was rejected: not full"
                );
            }
            "setting_refused" => {
                let rows = before.keys().any(|(table, _)| table == DOCUMENTS);
                assert!(rows, "v{version} was rejected, but there are no rows");
            }
            code @ ("wrong_kind" | "document_deleted" | "invalid_op") => {
                let faulty = |op| documents::fault(log, version, ops, op) == Some(code);
                assert!(ops.iter().any(faulty), "v{version} was rejected: {code}");
            }
            code => assert_eq!((code, ops.len()), ("no_ops", 0), "v{version}"),
        },
    }
}

fn held<'a>(rows: &'a Rows, op: &Op) -> Option<&'a Json> {
    let (table, key) = op.row()?;
    let row = rows.get(&(table.to_owned(), key.to_owned()));
    row.map(|(_, value)| value)
}

/// What an op makes of its row.
fn value_of(op: &Op, held: Option<&Json>) -> Option<Value> {
    match op {
        Op::Set(set) => Some(tree(&set.value)),
        Op::Delete(_) | Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => None,
        Op::Append(_) | Op::Compact(_) => None,
        Op::Patch(patch) => {
            let mut value = held.map_or_else(|| Value::Object(Map::new()), tree);
            let fields = value.as_object_mut().expect("what is patched is an object");
            fields.retain(|name, _| !patch.remove.iter().flatten().any(|gone| gone == name));
            let set = patch.fields.iter().flatten();
            fields.extend(set.map(|(name, value)| (name.clone(), tree(value))));
            Some(value)
        }
    }
}

fn tree(value: &Json) -> Value {
    value.to_value().expect("a checked value")
}

/// `ifVersion` by the whole history of the row.
fn version_holds(log: &[Record], version: u64, client: &str, op: &Op) -> bool {
    let (Some(expected), Some((table, key))) = (op.if_version(), op.row()) else {
        return true;
    };
    let before = outcomes(log).filter(|(at, _)| *at < version);
    let row = rows_at(log, version - 1)
        .get(&(table.to_owned(), key.to_owned()))
        .map(|(at, _)| *at);
    let foreign_since = before
        .filter(|(at, decided)| *at > expected && &*decided.client != client)
        .any(|(_, decided)| {
            let Decision::Applied { effects, .. } = &decided.decision else {
                return false;
            };
            effects
                .iter()
                .any(|effect| &*effect.table == table && &*effect.key == key)
        });
    match row {
        None => expected == 0,
        Some(at) => expected > 0 && at >= expected && !foreign_since,
    }
}

/// Up to which version deletes were forgotten before this one was decided.
pub(crate) fn forgotten_before(log: &[Record], version: u64) -> u64 {
    let truncations = log
        .iter()
        .filter(|record| record.version < version)
        .filter_map(|record| match &record.event {
            Event::Truncated(truncated) => Some(truncated.to),
            Event::Outcome(_) => None,
        });
    truncations.max().unwrap_or(0)
}
