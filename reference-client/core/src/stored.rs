//! What a replica keeps durably, and the changes that it is changed by.
//!
//! The state is, by construction, the fold of the transactions that the replica has handed out: the replica changes its own memory
//! by [`StoredState::apply`], and so may a store. So what a crash leaves is always the state after some transaction.

use std::collections::{BTreeMap, BTreeSet};

use crate::documents::{Document, DocumentEntry};
use serde::{Deserialize, Serialize};
use syncline_schemas::{Cursor, Json, Limits, Op, Sibling};

use crate::conflicts::ConflictEntry;

/// The tables of a shape: its name within a replica.
pub type Tables = BTreeSet<String>;

/// The filters of a shape, by table: each in canonical form, so that two are the same if their texts are. Most shapes have none.
pub type Filters = BTreeMap<String, Json>;

/// All that a replica keeps: the table at the head of the chapter on the client, as a type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredState {
    /// Who this replica is, and what it knows of the server. None in a new store.
    pub meta: Option<Meta>,
    /// The outbox, by the order in which the app wrote.
    pub outbox: BTreeMap<u64, Entry>,
    /// The base's rows: by table, then by key.
    pub base: BTreeMap<String, BTreeMap<String, Row>>,
    /// The base's documents: by table, then by key. None is empty.
    pub documents: BTreeMap<String, BTreeMap<String, Document>>,
    /// The shapes that the app wants, each with the cursor of what is held of it.
    pub shapes: BTreeMap<Tables, Option<Cursor>>,
    /// The filters of those shapes that have some: the cursor and the rows are of these.
    pub filters: BTreeMap<Tables, Filters>,
    /// The rejected entries that the app has not confirmed, by the order in which it wrote them.
    pub rejected: BTreeMap<u64, RejectedEntry>,
    /// The applied entries of which the server did not take an op as it was, and that the app has not confirmed, by the order in which it wrote them.
    pub conflicts: BTreeMap<u64, ConflictEntry>,
    /// The entries whose fate the app has to decide, by the order in which it wrote them.
    pub in_doubt: BTreeMap<u64, DoubtEntry>,
    /// The sequences that the app uses, by name.
    pub sequences: BTreeMap<String, Sequence>,
}

/// The identity, and what else is kept once for the whole replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The workspace that the store is of.
    pub workspace: String,
    /// The secret name under which this store writes.
    pub client_id: String,
    /// The `seq` of the last own mutation whose outcome is stored; 0 at first.
    pub acked_seq: u64,
    /// The `opId` of that mutation.
    pub acked_op_id: Option<String>,
    /// The history that the store follows; none before the first welcome.
    pub epoch: Option<String>,
    /// Server's clock less client's clock, as seen at the last welcome, in milliseconds.
    pub clock_correction_ms: i64,
    /// The limits of the last welcome.
    pub limits: Option<Limits>,
    /// Whether another store was seen to use this identity (`CLIENT-REPLACED`).
    pub replaced: bool,
    /// Up to which `seq` mutations are pushed one by one, because a push of several was refused whole (`CLIENT-PUSH-ERROR`).
    pub singly_through: u64,
    /// Up to which `seq` entries may have been sent, whatever they say themselves (`CLIENT-IMMUTABLE`).
    #[serde(default)]
    pub let_through_seq: u64,
    /// The versions that tables have been brought to (`TAB-CLIENT-ONCE`).
    #[serde(default)]
    pub migrated: BTreeMap<String, u64>,
}

/// One mutation of the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Where it stands among all that this store was ever told to write: its place in the overlay.
    pub ordinal: u64,
    /// Its number under the replica's `clientId`; without meaning once it is decided.
    pub seq: u64,
    /// Its name, for ever.
    pub op_id: String,
    /// While undecided: all its ops, immutable. Once applied: those that still stand in the overlay.
    pub ops: Vec<Op>,
    /// When the app wrote it, by the client's clock.
    pub written_at_ms: u64,
    /// Server's clock less client's clock, as known when the app wrote it (`CLIENT-TTL`).
    pub clock_correction_ms: i64,
    /// The history that the replica followed when the app wrote it: a `base` in its ops is a version of this one.
    #[serde(default)]
    pub epoch: Option<String>,
    /// Whether it may have been sent already under its number, because it was let through when it was written. Stores of before did not say: it may.
    #[serde(default = "perhaps")]
    pub let_through: bool,
    /// Whether it may go before or after others, as long as it was never sent: the app had urgent tables when it wrote (`CLIENT-URGENT`).
    #[serde(default)]
    pub movable: bool,
    /// Why it is given up (a code), if it is: it is sent with empty ops (`CLIENT-GIVE-UP`).
    pub given_up: Option<String>,
    /// Where it was applied. None: undecided. (A rejected entry leaves the outbox.)
    pub applied_at: Option<Cursor>,
}

fn perhaps() -> bool {
    true
}

impl Entry {
    /// Whether its outcome is not known.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.applied_at.is_none()
    }

    /// The ops that are seen in the view.
    #[must_use]
    pub fn standing_ops(&self) -> &[Op] {
        if self.given_up.is_some() {
            &[]
        } else {
            &self.ops
        }
    }
}

/// A row of the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The version that last changed it.
    pub version: u64,
    /// Its value; of several, the one that was written last.
    pub value: Json,
    /// Its other values, where it has several, in the order of their versions (`CFL-SIBLINGS`).
    pub siblings: Vec<Sibling>,
}

/// A mutation that was rejected (`CLIENT-REJECTED-KEPT`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectedEntry {
    /// Where it stood among all writes.
    pub ordinal: u64,
    /// The mutation's name: confirm by it.
    pub op_id: String,
    /// What the app wrote.
    pub ops: Vec<Op>,
    /// When the app wrote it, by the client's clock.
    pub written_at_ms: u64,
    /// Why: a code of the registry.
    pub code: String,
    /// For people: why.
    pub message: Option<String>,
    /// JSON Pointer, within the mutation, to what was wrong.
    pub at: Option<String>,
}

/// A mutation of which nobody can say whether it was applied (`CLIENT-DOUBT`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DoubtEntry {
    /// Where it stood among all writes.
    pub ordinal: u64,
    /// The mutation's name: resolve by it.
    pub op_id: String,
    /// What the app wrote.
    pub ops: Vec<Op>,
    /// When the app wrote it, by the client's clock.
    pub written_at_ms: u64,
}

/// A sequence that the app uses: the ids that may be handed out, and what is asked of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sequence {
    /// How many ids are asked for at once.
    pub block_size: u64,
    /// The ids that were allocated under the replica's epoch and `clientId` and not taken out yet, in the order in which they are to be.
    pub blocks: Vec<Block>,
    /// The mutation that asks for the next block, while it is undecided.
    pub asked: Option<String>,
    /// Why the server allocates no more, if it said so: a code.
    pub refused: Option<String>,
    /// The greatest value that the app has observed: no id up to it is handed out.
    pub above: u64,
}

/// Ids of a sequence, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Sequence {
    /// How many ids its blocks have.
    pub(crate) fn left(&self) -> u64 {
        let ids = self.blocks.iter();
        ids.map(|block| block.last + 1 - block.first).sum()
    }

    /// Takes the ids out of the blocks that are not above what was observed.
    pub(crate) fn skip_observed(&mut self) {
        for block in &mut self.blocks {
            block.first = block.first.max(self.above.saturating_add(1));
        }
        self.blocks.retain(|block| block.first <= block.last);
    }
}

/// One durable change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "the large ones are rare; rows are small"
)]
pub enum StoreChange {
    /// The meta record is this one.
    MetaPut(Meta),
    /// The outbox has this entry, in the place of any with its ordinal.
    EntryPut(Entry),
    /// The outbox has no entry of this ordinal.
    EntryDropped(u64),
    /// The base has this row.
    RowPut {
        /// The row's table.
        table: String,
        /// The row's key.
        key: String,
        /// The row.
        row: Row,
    },
    /// The base has no such row.
    RowDropped {
        /// The row's table.
        table: String,
        /// The row's key.
        key: String,
    },
    /// The base's document has this entry.
    DocumentPut {
        /// The document's table.
        table: String,
        /// The document's key.
        key: String,
        /// The entry.
        entry: DocumentEntry,
    },
    /// The base's document has no entry of this place.
    DocumentDropped {
        /// The document's table.
        table: String,
        /// The document's key.
        key: String,
        /// The entry's place.
        place: u64,
    },
    /// The shape is wanted, and held up to this cursor.
    ShapePut(Tables, Option<Cursor>),
    /// The shape is wanted with these filters; with none, if it is empty.
    ShapeFiltered(Tables, Filters),
    /// The shape is not wanted. (Its rows are dropped one by one.)
    ShapeDropped(Tables),
    /// The list of rejected entries has this one.
    RejectedPut(RejectedEntry),
    /// The list of rejected entries has none of this ordinal.
    RejectedDropped(u64),
    /// The list of conflicts has this one.
    ConflictPut(ConflictEntry),
    /// The list of conflicts has none of this ordinal.
    ConflictDropped(u64),
    /// The list of entries in doubt has this one.
    DoubtPut(DoubtEntry),
    /// The list of entries in doubt has none of this ordinal.
    DoubtDropped(u64),
    /// The app uses this sequence, which stands so.
    SequencePut {
        /// Its name.
        name: String,
        /// How it stands.
        sequence: Sequence,
    },
}

/// Changes that become durable together, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The changes, in order.
    pub changes: Vec<StoreChange>,
}

impl StoredState {
    /// Applies a transaction.
    pub fn apply(&mut self, transaction: Transaction) {
        transaction
            .changes
            .into_iter()
            .for_each(|change| self.apply_change(change));
    }

    /// Applies one change.
    pub(crate) fn apply_change(&mut self, change: StoreChange) {
        match change {
            StoreChange::MetaPut(meta) => self.meta = Some(meta),
            StoreChange::EntryPut(entry) => drop(self.outbox.insert(entry.ordinal, entry)),
            StoreChange::EntryDropped(ordinal) => drop(self.outbox.remove(&ordinal)),
            StoreChange::RowPut { table, key, row } => {
                drop(self.base.entry(table).or_default().insert(key, row))
            }
            StoreChange::RowDropped { table, key } => self.drop_row(&table, &key),
            StoreChange::DocumentPut { table, key, entry } => {
                let document = { self.documents.entry(table).or_default() }.entry(key);
                drop(document.or_default().insert(entry.place(), entry));
            }
            StoreChange::DocumentDropped { table, key, place } => {
                self.drop_entry(&table, &key, place);
            }
            StoreChange::ShapePut(tables, cursor) => drop(self.shapes.insert(tables, cursor)),
            StoreChange::ShapeFiltered(tables, filters) if filters.is_empty() => {
                drop(self.filters.remove(&tables))
            }
            StoreChange::ShapeFiltered(tables, filters) => {
                drop(self.filters.insert(tables, filters))
            }
            StoreChange::ShapeDropped(tables) => {
                self.shapes.remove(&tables);
                self.filters.remove(&tables);
            }
            StoreChange::RejectedPut(entry) => drop(self.rejected.insert(entry.ordinal, entry)),
            StoreChange::RejectedDropped(ordinal) => drop(self.rejected.remove(&ordinal)),
            StoreChange::ConflictPut(entry) => drop(self.conflicts.insert(entry.ordinal, entry)),
            StoreChange::ConflictDropped(ordinal) => drop(self.conflicts.remove(&ordinal)),
            StoreChange::DoubtPut(entry) => drop(self.in_doubt.insert(entry.ordinal, entry)),
            StoreChange::DoubtDropped(ordinal) => drop(self.in_doubt.remove(&ordinal)),
            StoreChange::SequencePut { name, sequence } => {
                drop(self.sequences.insert(name, sequence))
            }
        }
    }

    /// Leaves no empty table behind: it would differ from one that was never named.
    fn drop_row(&mut self, table: &str, key: &str) {
        if let Some(rows) = self.base.get_mut(table) {
            rows.remove(key);
            if rows.is_empty() {
                self.base.remove(table);
            }
        }
    }

    fn drop_entry(&mut self, table: &str, key: &str, place: u64) {
        let Some(documents) = self.documents.get_mut(table) else {
            return;
        };
        if let Some(document) = documents.get_mut(key) {
            document.remove(&place);
            if document.is_empty() {
                documents.remove(key);
            }
        }
        if documents.is_empty() {
            self.documents.remove(table);
        }
    }

    /// The base's row of this table and key.
    #[must_use]
    pub fn base_row(&self, table: &str, key: &str) -> Option<&Row> {
        self.base.get(table)?.get(key)
    }

    /// The value of the base's row of this table and key.
    pub(crate) fn base_value(&self, table: &str, key: &str) -> Option<&Json> {
        self.base_row(table, key).map(|row| &row.value)
    }

    /// The value of the base's row that an op names.
    pub(crate) fn base_of(&self, op: &Op) -> Option<&Json> {
        let (table, key) = op.row()?;
        self.base_value(table, key)
    }

    /// The shape that has this table, with its cursor.
    #[must_use]
    pub fn shape_of(&self, table: &str) -> Option<(&Tables, &Option<Cursor>)> {
        self.shapes
            .iter()
            .find(|(tables, _)| tables.contains(table))
    }

    /// A place after all that are taken.
    pub(crate) fn next_ordinal(&self) -> u64 {
        let last = [
            self.outbox.keys().last(),
            self.rejected.keys().last(),
            self.conflicts.keys().last(),
            self.in_doubt.keys().last(),
        ];
        last.into_iter().flatten().max().map_or(1, |last| last + 1)
    }
}

impl Meta {
    /// The meta record of a new store.
    pub(crate) fn new(workspace: String, client_id: String) -> Meta {
        Meta {
            workspace,
            client_id,
            acked_seq: 0,
            acked_op_id: None,
            epoch: None,
            clock_correction_ms: 0,
            limits: None,
            replaced: false,
            singly_through: 0,
            let_through_seq: 0,
            migrated: BTreeMap::new(),
        }
    }
}
