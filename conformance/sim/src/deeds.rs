//! What an app does with its replica, and what it makes of what it is told.

use std::collections::BTreeSet;

use syncline_client_core::{Decision, Env, Event, Mode, Replica, Trigger};
use syncline_schemas::{
    Allocate, AppendOp, CompactOp, Declare, DeleteOp, Granularity, History, HistoryOrder, Json,
    Observe, Op, Patch, SetOp, Strategy, TableKind,
};

use crate::app::SEQUENCE;
use crate::plan::{How, What, Write};
use crate::world::World;

impl World<'_> {
    pub(crate) fn app_does(&mut self, app: usize, doing: usize) {
        match &self.plan.doings[doing].what {
            What::Write { ops, .. } => {
                let ops = self.ops(app, ops);
                self.app_writes(app, ops);
            }
            What::TakeId(_) => self.app_takes_id(app),
            What::Present(_, number) => {
                let state = number.map(|number| json(&number.to_string()));
                self.with(app, |replica, env| drop(replica.present(state, env)));
            }
            What::Past {
                table, key, limit, ..
            } => self.app_asks_past(app, *table, *key, *limit),
            What::Again(_) => self.hears_again(app),
            What::Steer(_, choice) => {
                let choice = *choice;
                self.with(app, |replica, env| steer(replica, choice, env));
            }
            _ => {}
        }
    }

    fn app_asks_past(&mut self, app: usize, table: u8, key: Option<u8>, limit: u8) {
        let history = History {
            table: table_name(table),
            key: key.map(key_name),
            order: match limit % 2 {
                0 => HistoryOrder::Newest,
                _ => HistoryOrder::Oldest,
            },
            after: None,
            before: None,
            limit: Some(u64::from(limit.max(1))),
        };
        // Who is in no session is told so.
        self.with(app, |replica, env| replica.history(history, None, env).ok());
    }

    fn app_writes(&mut self, app: usize, ops: Vec<Op>) {
        let observed = ops.iter().filter_map(|op| match op {
            Op::Observe(op) => Some(op.value),
            _ => None,
        });
        let observed = observed.max().unwrap_or(0);
        let env = self.env(app);
        let Some(replica) = &mut self.apps[app].replica else {
            return;
        };
        if let Ok(op_id) = replica.mutate(ops.clone(), env) {
            let known = &mut self.apps[app].known;
            known.observed = known.observed.max(observed);
            known.ops.insert(op_id.clone(), ops);
            known.written.insert(op_id);
        }
    }

    /// SEQN-ONCE, SEQN-OBSERVED: where no store is copied, nobody hands out what somebody has.
    fn app_takes_id(&mut self, app: usize) {
        let env = self.env(app);
        let Some(replica) = &mut self.apps[app].replica else {
            return;
        };
        let Ok(id) = replica.next_id(SEQUENCE, env) else {
            return;
        };
        let mut stale = self.apps[app].known.stale.iter();
        if stale.any(|block| (block.first..=block.last).contains(&id)) {
            self.violation(format!(
                "SEQN-EPOCH: c{app} hands out {id}, which it held when the epoch changed"
            ));
        }
        let observed = self.apps[app].known.observed;
        if id <= observed && !self.copied {
            self.violation(format!(
                "SEQN-OBSERVED: {id} was handed out after {observed} was observed"
            ));
        }
        if let Some(before) = self.ids.insert(id, app)
            && !self.copied
        {
            self.violation(format!(
                "SEQN-ONCE: {id} was handed out by c{before} and by c{app}"
            ));
        }
    }

    pub(crate) fn app_is_told(&mut self, app: usize, event: Event) {
        match event {
            Event::Rejected(entry) => {
                let known = &mut self.apps[app].known;
                if !known.rejected.insert(entry.op_id.clone()) {
                    self.violation(format!(
                        "c{app} is told twice that {} is rejected",
                        entry.op_id
                    ));
                }
            }
            Event::InDoubt(entry) => {
                let known = &mut self.apps[app].known;
                if !known.doubted.insert(entry.op_id.clone()) {
                    self.violation(format!(
                        "c{app} is told twice that {} is in doubt",
                        entry.op_id
                    ));
                }
            }
            Event::Diverged { tables } => {
                self.violation(format!(
                    "DIG-COMPARE: c{app} finds {tables:?} other than the server's"
                ));
            }
            _ => {}
        }
    }

    /// The app applies every other mutation in doubt again, and drops the rest.
    pub(crate) fn app_decides_doubts(&mut self, app: usize) {
        let doubts = self.apps[app].stored.in_doubt.values();
        let doubts: Vec<String> = doubts.map(|entry| entry.op_id.clone()).collect();
        if doubts.is_empty() {
            return;
        }
        for op_id in doubts {
            self.apps[app].known.doubted.insert(op_id.clone());
            let decision = match self.apps[app].dice.chance(50) {
                true => Decision::Again,
                false => Decision::Drop,
            };
            let again = self.with(app, |replica, env| {
                replica.resolve_doubt(&op_id, decision, env).ok().flatten()
            });
            self.apps[app].known.written.extend(again);
        }
        self.settle(app);
    }

    fn ops(&mut self, app: usize, writes: &[Write]) -> Vec<Op> {
        let mut rows = BTreeSet::new();
        let mut ops = Vec::new();
        for write in writes {
            let row = (write.table, write.key);
            let names_row = !matches!(
                write.how,
                How::Declare(_) | How::DeclareDocuments | How::Allocate(_) | How::Observe(_)
            );
            if !names_row || rows.insert(row) {
                ops.push(self.op(app, *write));
            }
        }
        ops
    }

    /// The last entry of a document that an app holds: 0 where there is none.
    fn last_entry(&self, app: usize, table: &str, key: &str) -> u64 {
        let held = self.apps[app].stored.document(table, key);
        let last = held.and_then(|document| document.keys().next_back());
        last.copied().unwrap_or(0)
    }

    fn op(&mut self, app: usize, write: Write) -> Op {
        self.written += 1;
        let number = self.written;
        let (table, key) = (table_name(write.table), key_name(write.key));
        let set = |text: &str| SetOp::new(&table, &key, json(text));
        match write.how {
            How::Set => Op::Set(set(&number.to_string())),
            How::SetFields => Op::Set(set(&format!(r#"{{"a":{number},"b":0}}"#))),
            How::SetLong => {
                let long = "x".repeat(200 + number as usize % 700);
                Op::Set(set(&format!(r#"{{"n":{number},"long":"{long}"}}"#)))
            }
            How::Patch => Op::Patch(patch(&table, &key, number)),
            How::Delete => Op::Delete(DeleteOp::new(&table, &key)),
            How::SetIf => {
                let held = { &self.apps[app].replica }.as_ref();
                let held = held.and_then(|replica| replica.base_row(&table, &key));
                let if_version = Some(held.map_or(0, |row| row.version));
                Op::Set(SetOp {
                    if_version,
                    ..set(&number.to_string())
                })
            }
            How::Create => Op::Set(SetOp {
                if_version: Some(0),
                ..set(&number.to_string())
            }),
            How::Declare(strategy) => Op::Declare(Declare {
                strategy: Some(strategy_of(strategy).word().to_owned()),
                granularity: (strategy >= 4).then(|| Granularity::Field.word().to_owned()),
                ..nothing(table)
            }),
            How::DeclareDocuments => Op::Declare(Declare {
                kind: Some(TableKind::Document.word().to_owned()),
                ..nothing(table)
            }),
            How::Append => Op::Append(AppendOp {
                base: None,
                data: bytes(number),
                key,
                table,
            }),
            How::Compact => match self.last_entry(app, &table, &key) {
                0 => Op::Delete(DeleteOp::new(&table, &key)),
                covers => Op::Compact(CompactOp {
                    covers,
                    data: bytes(number),
                    key,
                    table,
                }),
            },
            How::Allocate(count) => Op::Allocate(Allocate {
                sequence: "m".to_owned(),
                count: u64::from(count.max(1)),
            }),
            How::Observe(above) => Op::Observe(Observe {
                sequence: SEQUENCE.to_owned(),
                value: number * 2 + u64::from(above),
            }),
        }
    }
}

/// A declaration of nothing.
fn nothing(table: String) -> Declare {
    Declare {
        table,
        strategy: None,
        granularity: None,
        kind: None,
        resolver: None,
        schema: None,
    }
}

/// Three bytes in base64 that nobody wrote before.
fn bytes(number: u64) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |at: u64| char::from(DIGITS[(number >> (6 * at)) as usize % 64]);
    (0..4).rev().map(digit).collect()
}

fn key_name(number: u8) -> String {
    format!("k{number}")
}

/// The name of a table, by number.
pub(crate) fn table_name(number: u8) -> String {
    char::from(b'a' + number % 26).to_string()
}

fn strategy_of(number: u8) -> Strategy {
    let all = [
        Strategy::ClientWins,
        Strategy::ServerWins,
        Strategy::LastWriteWins,
        Strategy::KeepBoth,
    ];
    match number {
        // There is no field by field where both are kept.
        4.. => all[usize::from(number) % 3],
        _ => all[usize::from(number)],
    }
}

fn patch(table: &str, key: &str, number: u64) -> Patch {
    let names = ["a", "b", "c"];
    let name = names[number as usize % 3];
    let gone = names[(number / 3) as usize % 3];
    let fields = [(name.to_owned(), json(&number.to_string()))];
    Patch {
        fields: Some(fields.into()),
        remove: (gone != name).then(|| vec![gone.to_owned()]),
        ..Patch::new(table, key)
    }
}

fn steer(replica: &mut Replica, choice: u8, env: Env) {
    match choice % 8 {
        0 => replica.set_mode(Mode::Both, env),
        1 => replica.set_mode(Mode::PushOnly, env),
        2 => replica.set_mode(Mode::PullOnly, env),
        3 => replica.set_trigger(Trigger::Immediate, env),
        4 => replica.set_trigger(Trigger::Manual, env),
        5 => replica.set_trigger(Trigger::Interval(150), env),
        6 => replica.set_trigger(Trigger::Threshold(2), env),
        _ => replica.sync(env),
    }
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("what is made here is JSON")
}
