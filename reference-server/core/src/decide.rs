//! Deciding a mutation: applied with these effects, or rejected for this reason. The procedure of the chapter on mutations, line
//! by line, from where the state is needed; what comes before is in `request`.
//!
//! Nothing is changed here: the decision becomes a record, and only applying the record changes the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_schemas::errors;
use syncline_schemas::{
    CurrentRow, Json, OpResult, Outcome, Patch, Resolved, Strategy, Superseded, TableKind,
};

use crate::config::Config;
use crate::conflicts::{Fate, Trail, Write};
use crate::documents::{self, Done};
use crate::fields::{self, Entries, FieldWrite, FieldsFate};
use crate::record::{Decision, Declared, Effect};
use crate::request::{Action, Op, RowOp, Verdict, reject};
use crate::sequences;
use crate::state::{State, row_bytes, siblings};
use crate::table::Row;
use crate::tables::{self, Settings};

/// The most ops of one mutation of which a client is told that they were superseded or resolved (CFL-SUPERSEDED).
const TOLD_MAX: usize = 16;

/// What a mutation is decided by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) state: &'a State,
    pub(crate) config: &'a Config,
    pub(crate) client: &'a str,
    /// When it is decided, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// How long before that it was made, in milliseconds.
    pub(crate) age_ms: u64,
}

/// A decision, and what only the answer to it tells: what is remembered tells less.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) decision: Decision,
    pub(crate) fresh: Fresh,
}

/// What the answer to a decision tells beside what is remembered.
#[derive(Clone, Debug)]
pub(crate) enum Fresh {
    Nothing,
    /// What became of single ops, with the values that stand.
    Told(Vec<OpResult>),
    /// The row whose lock did not hold.
    Row(CurrentRow),
}

impl Judged {
    fn plain(decision: Decision) -> Judged {
        let fresh = Fresh::Nothing;
        Judged { decision, fresh }
    }
}

impl Fresh {
    /// Adds it to an outcome.
    pub(crate) fn add_to(self, outcome: &mut Outcome) {
        match (self, outcome) {
            (Fresh::Told(told), Outcome::Applied(applied)) => applied.ops = Some(told),
            (Fresh::Row(row), Outcome::Rejected(rejected)) => rejected.row = Some(row),
            _ => {}
        }
    }
}

/// Decides a mutation with these ops (PUSH-ATOMIC: wholly, one way or the other).
pub(crate) fn decide(turn: Turn<'_>, ops: &Verdict<Vec<Op>>) -> Judged {
    let ops = match ops {
        Err(rejection) => return Judged::plain(Decision::Rejected((**rejection).clone())),
        Ok(ops) => ops,
    };
    if let Err(rejection) = documents::check_kinds(turn.state, ops) {
        return Judged::plain(Decision::Rejected(*rejection));
    }
    if let Some(refused) = turn.broken_lock(ops) {
        return refused;
    }
    turn.take_effect(ops)
        .unwrap_or_else(|rejection| Judged::plain(Decision::Rejected(*rejection)))
}

/// What the ops of a mutation come to, as far as they were gone through.
#[derive(Clone, Debug, Default)]
struct Sum {
    effects: Vec<Effect>,
    untouched: BTreeSet<Arc<str>>,
    told: Vec<OpResult>,
    /// The first op that is superseded.
    superseded: Option<usize>,
    grows: u64,
    shrinks: u64,
}

impl Turn<'_> {
    /// The rejection, if a lock does not hold.
    fn broken_lock(&self, ops: &[Op]) -> Option<Judged> {
        let broken = ops.iter().enumerate().find_map(|(index, op)| match op {
            Op::Row(op) => {
                let row = self.state.row(&op.table, &op.key);
                let expected = op.if_version?;
                (!Row::is_at(row, expected, self.client)).then_some((index, row))
            }
            _ => None,
        });
        let (index, row) = broken?;
        let at = Some(format!("/ops/{index}/ifVersion"));
        let message = "the row is not at this version";
        let rejection = reject::<()>(&errors::VERSION_CONFLICT, at, message).err()?;
        let row = row.filter(|row| row.value.is_some());
        let current = CurrentRow {
            version: row.map(|row| row.position.version),
            value: row.and_then(|row| row.value.clone()),
        };
        Some(Judged {
            decision: Decision::Rejected(*rejection),
            fresh: Fresh::Row(current),
        })
    }

    /// What the ops do, if there is room for it.
    fn take_effect(&self, ops: &[Op]) -> Verdict<Judged> {
        let (state, config) = (self.state, self.config);
        let raised = sequences::decide(&state.sequences, &config.limits, ops)?;
        let declares = tables::decide(&state.declared, config, self.at_ms, ops)?;
        documents::check_declares(state, ops, &declares)?;
        let declared: BTreeMap<&str, &Settings> = { declares.iter() }
            .map(|declared: &Declared| (&*declared.table, &declared.settings))
            .collect();
        let mut sum = Sum::default();
        for (index, op) in ops.iter().enumerate() {
            match op {
                Op::Row(op) if self.holds_documents(&op.table) => {
                    let done = self.documents(index).delete(&op.table, &op.key);
                    sum.take_document(&op.table, done);
                }
                Op::Row(op) => self.row_op(index, op, &declared, &mut sum)?,
                Op::Document(op) => {
                    let done = self.documents(index).decide(op)?;
                    sum.take_document(&op.table, done);
                }
                Op::Declare(op) => drop(sum.untouched.insert(op.table.clone())),
                Op::Sequence(_) => {}
            }
        }
        self.check(ops, &sum)?;
        let mut told = raised.told;
        told.extend(sum.told.iter().take(TOLD_MAX).cloned());
        told.sort_by_key(OpResult::at);
        let fresh = match sum.told.is_empty() {
            true => Fresh::Nothing,
            false => Fresh::Told(told.clone()),
        };
        let decision = Decision::Applied {
            effects: sum.effects,
            untouched: sum.untouched.into_iter().collect(),
            raises: raised.raises,
            declares,
            told: told.into_iter().map(remembered).collect(),
        };
        Ok(Judged { decision, fresh })
    }

    /// What is wrong with all together (CFL-WITH-LOCKS, `limits.workspaceBytesMax`).
    fn check(&self, ops: &[Op], sum: &Sum) -> Verdict<()> {
        let has_lock = |op: &Op| matches!(op, Op::Row(op) if op.if_version.is_some());
        if let Some(index) = sum.superseded.filter(|_| ops.iter().any(has_lock)) {
            let message = "superseded, in a mutation with a lock";
            return reject(&errors::SUPERSEDED, Some(format!("/ops/{index}")), message);
        }
        let most = self.config.limits.workspace_bytes_max;
        if sum.grows > sum.shrinks && self.state.bytes + sum.grows - sum.shrinks > most {
            let message = format!("limits.workspaceBytesMax is {most}");
            return reject(&errors::LIMIT_EXCEEDED, Some("/ops".to_owned()), &message);
        }
        Ok(())
    }

    /// Adds what becomes of a row.
    fn row_op(
        &self,
        index: usize,
        op: &RowOp,
        declared: &BTreeMap<&str, &Settings>,
        sum: &mut Sum,
    ) -> Verdict<()> {
        let known = { self.state.tables.get(&op.table) }.and_then(|table| table.row(&op.key));
        let row = known.map(|(_, row)| row);
        let held = row.and_then(|row| row.value.as_ref());
        if op.action == Action::Delete && held.is_none() {
            sum.untouched.insert(op.table.clone());
            return Ok(());
        }
        let settings = { declared.get(&*op.table).copied() }.or_else(|| self.declared(&op.table));
        let asks = settings.filter(|settings| settings.strategy() != Strategy::ClientWins);
        let (value, trail) = match asks {
            None => (self.value(index, op, held)?, None),
            Some(settings) => match self.fate(index, op, row, settings, sum)? {
                Some((value, trail)) => (value, Some(Box::new(trail))),
                None => {
                    sum.untouched.insert(op.table.clone());
                    return Ok(());
                }
            },
        };
        let schema = settings.and_then(|settings| settings.schema.as_ref());
        if let (Some(schema), Some(value)) = (schema, value.as_ref()) {
            schema.judge(index, op, value, sum.has_resolved(index))?;
        }
        sum.grows += row_bytes(&op.key, value.as_ref(), siblings(&trail));
        self.leaves_not_too_much(index, sum.grows)?;
        sum.shrinks += row.map_or(0, |row| row.bytes(&op.key));
        sum.effects.push(Effect {
            table: op.table.clone(),
            // As the table holds it, if it does, so that its text is shared.
            key: known.map_or(&op.key, |(key, _)| key).clone(),
            value,
            trail,
            document: None,
        });
        Ok(())
    }

    /// Whether a table is known to be of documents: what a mutation declares of that kind has none yet.
    fn holds_documents(&self, table: &str) -> bool {
        let settings = self.declared(table);
        settings.is_some_and(|settings| settings.kind == Some(TableKind::Document))
    }

    fn documents(&self, index: usize) -> documents::Turn<'_> {
        documents::Turn {
            state: self.state,
            limits: &self.config.limits,
            index,
        }
    }

    /// Whether the rows that the ops up to this one leave may stand together (PUSH-ROWS-LIMIT).
    fn leaves_not_too_much(&self, index: usize, bytes: u64) -> Verdict<()> {
        let most = self.config.limits.mutation_rows_bytes_max;
        match most.filter(|most| bytes > *most) {
            None => Ok(()),
            Some(most) => {
                let message = format!("limits.mutationRowsBytesMax is {most}");
                let at = Some(format!("/ops/{index}"));
                reject(&errors::LIMIT_EXCEEDED, at, &message)
            }
        }
    }

    /// What was declared of a table before.
    fn declared(&self, table: &str) -> Option<&Settings> {
        let settings = self.state.declared.get(table);
        settings.map(|settings| &**settings)
    }

    /// What the op would make of the row.
    fn value(&self, index: usize, op: &RowOp, held: Option<&Json>) -> Verdict<Option<Json>> {
        match &op.action {
            Action::Set(value) => Ok(Some(value.clone())),
            Action::Delete => Ok(None),
            Action::Patch(patch) => self.patched(patch, held, index).map(Some),
        }
    }

    /// What becomes of the row in a table whose strategy asks; nothing, if the op is superseded.
    fn fate(
        &self,
        index: usize,
        op: &RowOp,
        row: Option<&Row>,
        settings: &Settings,
        sum: &mut Sum,
    ) -> Verdict<Option<(Option<Json>, Trail)>> {
        let at = || Some(format!("/ops/{index}"));
        let held = row.and_then(|row| row.value.as_ref());
        if let Action::Patch(_) = op.action {
            if settings.strategy() == Strategy::KeepBoth {
                let message = "a row with several values cannot be patched";
                return reject(&errors::SETTING_REFUSED, at(), message);
            }
            let own = row.is_some_and(|row| *row.writer == *self.client);
            if held.is_none() && !own && op.base.is_some_and(|base| base > 0) {
                sum.supersede(index, row);
                return Ok(None);
            }
        }
        let mut write = Write {
            table: &op.table,
            key: &op.key,
            value: None,
            client: self.client,
            version: self.state.head + 1,
            base: op.base,
            locked: op.if_version.is_some(),
            moment: self.at_ms.saturating_sub(self.age_ms),
            forgotten: self.state.truncated_to,
        };
        if settings.by_field()
            && let Some(fate) = self.fields_fate(index, op, row, settings, write, sum)
        {
            return self.in_fields(index, fate, sum);
        }
        let value = self.value(index, op, held)?;
        write.value = value.as_ref();
        let (resolvers, limits) = (&self.config.resolvers, &self.config.limits);
        match write.fate(row, settings, resolvers, limits) {
            Fate::Applies(mut trail) => {
                if settings.by_field() && held.is_none() {
                    let writer = self.state.clients.id(self.client);
                    trail.fields = Entries::of_new(row, &write, &writer, settings);
                }
                Ok(Some((value, trail)))
            }
            Fate::Superseded => {
                sum.supersede(index, row);
                Ok(None)
            }
            Fate::Resolved(value, trail) => {
                self.fits(value.as_ref(), index)?;
                let at = index as u64;
                let (told, gone) = (value.clone(), value.is_none());
                let resolved = Resolved {
                    at,
                    value: told,
                    gone,
                };
                sum.told.push(OpResult::Resolved(resolved));
                Ok(Some((value, trail)))
            }
            Fate::TooMany => {
                let message = "the row would have too many values at once";
                reject(&errors::TOO_MANY_SIBLINGS, at(), message)
            }
        }
    }

    /// What becomes of an op field by field; nothing, if it is decided whole (FLD-WHOLE).
    fn fields_fate(
        &self,
        index: usize,
        op: &RowOp,
        row: Option<&Row>,
        settings: &Settings,
        write: Write<'_>,
        sum: &Sum,
    ) -> Option<FieldsFate> {
        let by_field = FieldWrite {
            write,
            writer: self.state.clients.id(self.client),
            row: row.filter(|row| row.value.is_some())?,
            settings,
            named_max: sum.fields_to_name(),
        };
        by_field.fate(index, &op.action)
    }

    /// What becomes of a row that is decided field by field (FLD-TOLD, FLD-ALL-SUPERSEDED).
    fn in_fields(
        &self,
        index: usize,
        fate: FieldsFate,
        sum: &mut Sum,
    ) -> Verdict<Option<(Option<Json>, Trail)>> {
        let (stands, told) = match fate {
            FieldsFate::Applies(left, trail) => {
                self.fits(Some(&left), index)?;
                return Ok(Some((Some(left), trail)));
            }
            FieldsFate::InPart(value, trail, told) => (Some((Some(value), trail)), told),
            FieldsFate::Superseded(told) => (None, told),
        };
        let left = stands.as_ref().and_then(|(value, _)| value.as_ref());
        self.fits(left, index)?;
        sum.superseded.get_or_insert(index);
        sum.told.push(OpResult::SupersededInFields(told));
        Ok(stands)
    }

    /// What a patch makes of a row (FLD-PATCH, FLD-ABSENT, FLD-NOT-AN-OBJECT, FLD-LIMIT).
    fn patched(&self, patch: &Patch, held: Option<&Json>, index: usize) -> Verdict<Json> {
        let at = Some(format!("/ops/{index}"));
        let Some(value) = patch.applied_to(held) else {
            let message = "the row's value is no object, and so has no fields";
            return reject(&errors::NOT_AN_OBJECT, at, message);
        };
        self.fits(Some(&value), index)?;
        Ok(value)
    }

    /// Whether a value that the server made may stand (FLD-LIMIT, CFL-RESOLVED).
    fn fits(&self, value: Option<&Json>, index: usize) -> Verdict<()> {
        let bytes = value.map_or(0, |value| value.get().len() as u64);
        let most = self.config.limits.value_bytes_max;
        if bytes <= most {
            return Ok(());
        }
        let message = format!("leaves a value of {bytes} bytes, limits.valueBytesMax is {most}");
        reject(
            &errors::LIMIT_EXCEEDED,
            Some(format!("/ops/{index}")),
            &message,
        )
    }
}

impl Sum {
    /// Whether the server made the value that the op of this index, the last so far, leaves.
    fn has_resolved(&self, index: usize) -> bool {
        let made = |told: &&OpResult| !matches!(told, OpResult::Superseded(_));
        let last = self.told.last().filter(made);
        last.is_some_and(|told| told.at() == index as u64)
    }

    /// How many more fields may be told by their names (FLD-TOLD).
    fn fields_to_name(&self) -> usize {
        if self.told.len() >= TOLD_MAX {
            return 0;
        }
        let named = self.told.iter().map(|told| match told {
            OpResult::SupersededInFields(told) => told.conflicts.iter().flatten().count(),
            _ => 0,
        });
        fields::NAMED_MAX.saturating_sub(named.sum())
    }

    /// Takes what an op does with a document, if it does anything.
    fn take_document(&mut self, table: &Arc<str>, done: Option<Done>) {
        match done {
            Some(done) => {
                self.grows += done.grows;
                self.shrinks += done.shrinks;
                self.effects.push(done.effect);
            }
            None => drop(self.untouched.insert(table.clone())),
        }
    }

    /// An op changes nothing: this row stands (CFL-SUPERSEDED).
    fn supersede(&mut self, index: usize, row: Option<&Row>) {
        self.superseded.get_or_insert(index);
        self.told.push(OpResult::Superseded(Superseded {
            at: index as u64,
            version: row.map(|row| row.position.version),
            gone: row.is_none_or(|row| row.value.is_none()),
            value: row.and_then(|row| row.value.clone()),
        }));
    }
}

/// Leaves out of an outcome what makes a frame too large and need not be told: messages for people, rows that stand, and at last which ops were
/// superseded (FRAME-SIZE-SENT, CFL-SUPERSEDED). Ids that were allocated stay.
pub(crate) fn lean(outcome: &mut Outcome, leaves_ops: bool) {
    match outcome {
        Outcome::Rejected(rejected) => {
            rejected.message = None;
            rejected.at = None;
            rejected.row = None;
        }
        Outcome::Applied(applied) => {
            let told = applied.ops.take().into_iter().flatten().map(remembered);
            let stays = |told: &OpResult| leaves_ops || matches!(told, OpResult::Allocated(_));
            let told: Vec<OpResult> = told.filter(stays).collect();
            applied.ops = (!told.is_empty()).then_some(told);
        }
    }
}

/// What is kept of it for later answers: they leave values out, so that what is remembered of a client stays small.
pub(crate) fn remembered(told: OpResult) -> OpResult {
    match told {
        OpResult::Superseded(Superseded { at, .. }) => OpResult::Superseded(Superseded {
            at,
            version: None,
            value: None,
            gone: false,
        }),
        OpResult::Resolved(Resolved { at, .. }) => OpResult::Resolved(Resolved {
            at,
            value: None,
            gone: false,
        }),
        OpResult::SupersededInFields(told) => {
            OpResult::SupersededInFields(fields::remembered(told))
        }
        other => other,
    }
}
