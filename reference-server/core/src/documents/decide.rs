//! What becomes of an op on a document: the procedure of the chapter, line by line.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_schemas::{Json, Limits, TableKind, errors};

use super::{Document, Documents, entry_bytes};
use crate::record::{Declared, DocumentEffect, Effect};
use crate::request::{Action, DocumentAsk, DocumentOp, Op, RowOp, Verdict, reject};
use crate::state::State;
use crate::table::Table;

/// Rejects an op on a table of the other kind (DOC-KIND). Declarations of the same mutation count, wherever they stand.
pub(crate) fn check_kinds(state: &State, ops: &[Op]) -> Verdict<()> {
    let said = ops.iter().filter_map(|op| match op {
        Op::Declare(op) => Some((&*op.table, op.kind?)),
        _ => None,
    });
    let said: BTreeMap<&str, TableKind> = said.collect();
    let holds_documents = |table: &str| {
        let declared = state.declared.get(table).and_then(|known| known.kind);
        declared.or_else(|| said.get(table).copied()) == Some(TableKind::Document)
    };
    for (index, op) in ops.iter().enumerate() {
        let fault = match op {
            Op::Row(op) if holds_documents(&op.table) => row_fault(op),
            Op::Document(op) if !holds_documents(&op.table) => {
                Some(("", "the table is not declared to be of documents"))
            }
            _ => None,
        };
        if let Some((member, why)) = fault {
            return reject(
                &errors::WRONG_KIND,
                Some(format!("/ops/{index}{member}")),
                why,
            );
        }
    }
    Ok(())
}

/// What is wrong with an op for rows on a table of documents: anything but a plain delete.
fn row_fault(op: &RowOp) -> Option<(&'static str, &'static str)> {
    match (&op.action, op.if_version) {
        (Action::Delete, None) => None,
        (Action::Delete, Some(_)) => Some(("/ifVersion", "a document takes no lock")),
        _ => Some((
            "",
            "the table is of documents: it takes append, compact, delete",
        )),
    }
}

/// What ops on documents are decided by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) state: &'a State,
    pub(crate) limits: &'a Limits,
    pub(crate) index: usize,
}

/// What an op does: how the document is left, and the bytes that come and go.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) effect: Effect,
    pub(crate) grows: u64,
    pub(crate) shrinks: u64,
}

impl Turn<'_> {
    /// Decides an `append` or a `compact`; nothing, if it changes nothing.
    pub(crate) fn decide(&self, op: &DocumentOp) -> Verdict<Option<Done>> {
        match op.ask {
            DocumentAsk::Append { base } => self.append(op, base).map(Some),
            DocumentAsk::Compact { covers } => self.compact(op, covers),
        }
    }

    /// Deletes a document; nothing, if it is not there.
    pub(crate) fn delete(&self, table: &Arc<str>, key: &Arc<str>) -> Option<Done> {
        let documents = self.documents(table)?;
        documents.document(key)?;
        let entries = documents.entries(key);
        let shrinks = entries.map(|(_, entry)| entry.bytes(key)).sum();
        Some(Done {
            effect: effect(table, key, None, DocumentEffect::Delete),
            grows: 0,
            shrinks,
        })
    }

    fn append(&self, op: &DocumentOp, base: Option<u64>) -> Verdict<Done> {
        let documents = self.documents(&op.table);
        let life = documents.and_then(|documents| documents.life(&op.key));
        let knows = base.filter(|base| *base > 0);
        if knows.is_some_and(|base| life.is_none_or(|life| base < life)) {
            let at = Some(format!("/ops/{}/base", self.index));
            let message = "the document that its writer knew was deleted";
            return reject(&errors::DOCUMENT_DELETED, at, message);
        }
        let document = documents.and_then(|documents| documents.document(&op.key));
        let entries = document.map_or(0, Document::len) + 1;
        let bytes = document.map_or(0, |document| document.bytes) + op.bytes();
        self.fits(entries, bytes)?;
        Ok(Done {
            effect: op.effect(DocumentEffect::Append),
            grows: entry_bytes(&op.key, &op.data),
            shrinks: 0,
        })
    }

    fn compact(&self, op: &DocumentOp, covers: u64) -> Verdict<Option<Done>> {
        if covers > self.state.head {
            let at = Some(format!("/ops/{}/covers", self.index));
            let message = "nothing is decided yet of what it covers";
            return reject(&errors::INVALID_OP, at, message);
        }
        let Some(documents) = self.documents(&op.table) else {
            return Ok(None);
        };
        let (mut merges, mut shrinks, mut left) = (false, 0, (1, op.bytes()));
        for (position, entry) in documents.entries(&op.key) {
            if entry.covers.unwrap_or(position.version) <= covers {
                merges |= entry.covers.is_none();
                shrinks += entry.bytes(&op.key);
            } else {
                left.0 += 1;
                left.1 += entry.data.get().len() as u64;
            }
        }
        if !merges {
            return Ok(None);
        }
        self.fits(left.0, left.1)?;
        Ok(Some(Done {
            effect: op.effect(DocumentEffect::Compact { covers }),
            grows: entry_bytes(&op.key, &op.data),
            shrinks,
        }))
    }

    /// Whether a document may have so many entries, of so many bytes (DOC-FULL).
    fn fits(&self, entries: u64, bytes: u64) -> Verdict<()> {
        let entries_max = self.limits.document_entries_max.unwrap_or(0);
        let bytes_max = self.limits.document_bytes_max.unwrap_or(0);
        let message = if entries > entries_max {
            format!("limits.documentEntriesMax is {entries_max}")
        } else if bytes > bytes_max {
            format!("limits.documentBytesMax is {bytes_max}")
        } else {
            return Ok(());
        };
        let at = Some(format!("/ops/{}", self.index));
        reject(&errors::DOCUMENT_FULL, at, &message)
    }

    fn documents(&self, table: &str) -> Option<&Documents> {
        self.state.documents.get(table)
    }
}

impl DocumentOp {
    /// Bytes of its data as JSON text.
    fn bytes(&self) -> u64 {
        self.data.get().len() as u64
    }

    fn effect(&self, document: DocumentEffect) -> Effect {
        effect(&self.table, &self.key, Some(self.data.clone()), document)
    }
}

fn effect(
    table: &Arc<str>,
    key: &Arc<str>,
    value: Option<Json>,
    document: DocumentEffect,
) -> Effect {
    Effect {
        table: table.clone(),
        key: key.clone(),
        value,
        trail: None,
        document: Some(document),
    }
}

/// Rejects a kind that does not go with what is there (DOC-DECLARE): a table of documents has no other setting, and no rows.
pub(crate) fn check_declares(state: &State, ops: &[Op], declares: &[Declared]) -> Verdict<()> {
    let becomes = |declared: &&Declared| declared.settings.kind == Some(TableKind::Document);
    for Declared { table, settings } in declares.iter().filter(becomes) {
        let why = if settings.has_more_than_kind() {
            "a table of documents has no other setting"
        } else if { state.tables.get(table) }.is_some_and(Table::has_rows) {
            "the table has rows"
        } else {
            continue;
        };
        let names = |op: &Op| matches!(op, Op::Declare(op) if op.table == *table);
        let index = ops.iter().position(names).unwrap_or(0);
        let at = Some(format!("/ops/{index}/kind"));
        return reject(&errors::SETTING_REFUSED, at, why);
    }
    Ok(())
}
