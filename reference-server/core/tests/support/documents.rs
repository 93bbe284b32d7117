//! Documents as an oracle: what the log's effects come to, and what each op must do, by the plainest rules.

use std::collections::BTreeMap;

use syncline_schemas::{Change, Json, Limits, Op, TableKind};
use syncline_server_core::{Decision, DocumentEffect, Effect, Record};

use super::log;

/// A document: its entries by version, each with what it covers and its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) entries: BTreeMap<u64, (Option<u64>, String)>,
}

/// By table and key; none is empty.
pub(crate) type Documents = BTreeMap<(String, String), Document>;

impl Document {
    fn put(&mut self, version: u64, covers: Option<u64>, data: &str) {
        let covered = covers.unwrap_or(0);
        self.entries
            .retain(|version, (covers, _)| covers.unwrap_or(*version) > covered);
        self.entries.insert(version, (covers, data.to_owned()));
    }
}

/// Does what a change says, if it is one of documents.
pub(crate) fn take(documents: &mut Documents, change: &Change) {
    let name = (change.table().to_owned(), change.key().to_owned());
    let document = documents.entry(name.clone()).or_default();
    match change {
        Change::Append(append) => document.put(append.version, None, &append.data),
        Change::Compact(compact) => {
            document.put(compact.version, Some(compact.covers), &compact.data)
        }
        Change::Delete(delete) => document
            .entries
            .retain(|version, _| *version > delete.version),
        Change::Set(_) | Change::Remove(_) => {}
    }
    if document.entries.is_empty() {
        documents.remove(&name);
    }
}

/// The documents after all records up to a version, by what the records say.
pub(crate) fn at(log: &[Record], version: u64) -> Documents {
    let mut documents = Documents::new();
    for (at, effect) in effects(log, version) {
        let name = (effect.table.to_string(), effect.key.to_string());
        let data = effect.value.as_ref().map_or("", |data| text(data));
        match &effect.document {
            Some(DocumentEffect::Delete) => drop(documents.remove(&name)),
            Some(DocumentEffect::Append) => documents.entry(name).or_default().put(at, None, data),
            Some(DocumentEffect::Compact { covers }) => {
                { documents.entry(name).or_default() }.put(at, Some(*covers), data)
            }
            None => {}
        }
    }
    documents
}

fn effects(log: &[Record], version: u64) -> impl Iterator<Item = (u64, &Effect)> {
    let outcomes = log::outcomes(log).filter(move |(at, _)| *at <= version);
    outcomes.flat_map(|(at, decided)| match &decided.decision {
        Decision::Applied { effects, .. } => effects.iter().map(|effect| (at, effect)).collect(),
        Decision::Rejected(_) => Vec::new(),
    })
}

/// The text of a JSON string without escapes.
fn text(data: &Json) -> &str {
    data.get().trim_matches('"')
}

/// When the document began that is there before a version.
fn life(log: &[Record], version: u64, op: &Op) -> Option<u64> {
    let of = |effect: &Effect| op.row() == Some((&*effect.table, &*effect.key));
    let changes = effects(log, version - 1).filter(|(_, effect)| of(effect));
    changes.fold(None, |life, (at, effect)| match effect.document {
        Some(DocumentEffect::Delete) => None,
        _ => life.or(Some(at)),
    })
}

/// The tables of documents before a version.
fn declared(log: &[Record], version: u64, table: &str) -> bool {
    log::outcomes(log)
        .filter(|(at, _)| *at < version)
        .any(|(_, decided)| match &decided.decision {
            Decision::Applied { declares, .. } => declares.iter().any(|declared| {
                &*declared.table == table && declared.settings.kind == Some(TableKind::Document)
            }),
            Decision::Rejected(_) => false,
        })
}

/// Why the op must be rejected as the log is before a version, if it must: a code.
pub(crate) fn fault(log: &[Record], version: u64, ops: &[Op], op: &Op) -> Option<&'static str> {
    let (table, _) = op.row()?;
    let declares = |op: &Op| matches!(op, Op::Declare(op) if op.table == table && op.kind.as_deref() == Some(TableKind::Document.word()));
    let holds = declared(log, version, table) || ops.iter().any(declares);
    match op {
        Op::Append(_) | Op::Compact(_) if !holds => Some("wrong_kind"),
        Op::Set(_) | Op::Patch(_) if holds => Some("wrong_kind"),
        Op::Delete(op) if holds && op.if_version.is_some() => Some("wrong_kind"),
        Op::Append(append) => {
            let base = append.base.filter(|base| *base > 0)?;
            let life = life(log, version, op);
            life.is_none_or(|life| base < life)
                .then_some("document_deleted")
        }
        Op::Compact(compact) => (compact.covers >= version).then_some("invalid_op"),
        _ => None,
    }
}

/// What the op must do with its document: the data, if it puts an entry; nothing, if it changes nothing.
pub(crate) fn effect_of(before: &Documents, op: &Op) -> Option<(Option<String>, DocumentEffect)> {
    let (table, key) = op.row()?;
    let document = before.get(&(table.to_owned(), key.to_owned()));
    match op {
        Op::Append(append) => Some((Some(append.data.clone()), DocumentEffect::Append)),
        Op::Compact(compact) => {
            let covers = compact.covers;
            let entries = &document?.entries;
            let merges = entries
                .iter()
                .any(|(version, (own, _))| own.is_none() && *version <= covers);
            merges.then(|| {
                (
                    Some(compact.data.clone()),
                    DocumentEffect::Compact { covers },
                )
            })
        }
        Op::Delete(_) => document.map(|_| (None, DocumentEffect::Delete)),
        _ => None,
    }
}

/// Whether the document can take no more entries before a version.
pub(crate) fn is_full(log: &[Record], version: u64, op: &Op, limits: &Limits) -> bool {
    let documents = at(log, version - 1);
    let name = op
        .row()
        .map(|(table, key)| (table.to_owned(), key.to_owned()));
    let document = name.and_then(|name| documents.get(&name).cloned());
    let entries = document.map_or(0, |document| document.entries.len() as u64);
    Some(entries) >= limits.document_entries_max
}
