//! What the replica tells the app.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use syncline_schemas::{Cursor, Json};

use crate::conflicts::Conflict;
use crate::documents::SeenEntry;
use crate::history::{HistoryPage, NoHistory};
use crate::presence::Other;
use crate::stored::{DoubtEntry, RejectedEntry, Tables};

/// Something that the app may want to know, told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Rows of the view have changed, all at once.
    Rows {
        /// Whose doing it is.
        origin: Origin,
        /// The rows as they are now, each once.
        changes: Vec<RowChange>,
    },
    /// A mutation was rejected; its effect has left the view (`CLIENT-REJECTED-KEPT`).
    Rejected(RejectedEntry),
    /// Whether a mutation was applied cannot be known; its effect has left the view, and the app decides (`CLIENT-DOUBT`).
    InDoubt(DoubtEntry),
    /// The server does not serve a shape.
    ShapeRefused {
        /// The shape.
        tables: Tables,
        /// Why.
        trouble: Trouble,
    },
    /// An op of the app's own changed nothing: what another has written stands (`CFL-CLIENT-TOLD`).
    Superseded(Conflict),
    /// The server made another value of an op of the app's own and what was there (`CFL-CLIENT-TOLD`).
    Resolved(Conflict),
    /// A field of an op of the app's own changed nothing: what another has written of it stands (`FLD-CLIENT-TOLD`).
    FieldConflict(FieldConflict),
    /// More fields of an op of the app's own changed nothing; the server did not say which (`FLD-CLIENT-TOLD`).
    FieldConflictsUntold {
        /// The mutation.
        op_id: String,
        /// The row's table.
        table: String,
        /// The row's key.
        key: String,
        /// How many fields.
        count: u64,
    },
    /// A row has several values now, until a write resolves them: [`Row::siblings`](crate::Row) has the others.
    Siblings {
        /// The row's table.
        table: String,
        /// The row's key.
        key: String,
    },
    /// An own mutation was given ids: the sequence has some to hand out.
    Allocated {
        /// The sequence's name.
        sequence: String,
    },
    /// What is held of a shape is not what the server has, by its digest: one of the two is at fault. It is asked for anew, once on each
    /// connection; undecided writes stay as they are (`DIG-REPAIR`).
    Diverged {
        /// The shape.
        tables: Tables,
    },
    /// A document has new entries, or is to be read anew (`DOC-CLIENT-ONCE`).
    Document(DocumentNews),
    /// How far a sync has come: told to who [watches](crate::Replica::watch_progress) it, and its end also to who asked for it.
    Sync(Progress),
    /// What became of the app's [question](crate::Replica::history) about the past (`HIST-TOLD`).
    Past {
        /// The request's number.
        request: u64,
        /// The page, or why there is none.
        page: Result<HistoryPage, NoHistory>,
    },
    /// Another session is present with this state, or is not any more (`PRES-BY-SESSION`, `PRES-LOST`).
    Presence {
        /// The session's name, which no other ever has.
        session: String,
        /// What is known of it; none: it is gone.
        other: Option<Arc<Other>>,
    },
}

/// What has changed in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentNews {
    /// The document's table.
    pub table: String,
    /// The document's key.
    pub key: String,
    /// Whose doing it is.
    pub origin: Origin,
    /// The entries that are new, each told once. A compaction stands for what it covers, which the app may have already.
    pub entries: Vec<SeenEntry>,
    /// Entries that were told are gone, other than by a compaction: the document was deleted, an own write of it was rejected, or the server has gone back
    /// to a backup. What the app has made of them does not hold: [`Replica::document`](crate::Replica::document) has what does.
    pub anew: bool,
}

/// How far a sync has come (`CLIENT-PROGRESS`): a start, parts, an end, and what went wrong in between, which does not end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It begins.
    Start {
        /// How many mutations it is of.
        pending: u64,
    },
    /// It has come so far.
    Part {
        /// How many of its mutations are decided.
        done: u64,
        /// How many it is of: more than at its start, if the app has asked for another meanwhile.
        total: u64,
        /// How many rows have come from the server since its start, those included that are not yet shown, because their update is not complete. How many will
        /// come nobody knows before the end.
        rows: u64,
    },
    /// All its mutations are decided, and each shape has reached the server.
    End(SyncCounts),
    /// Something went wrong. The client tries again by itself, and the sync goes on.
    Error(Trouble),
}

/// What a sync did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncCounts {
    /// Its mutations: those that were pending at its start. The sum of the three that follow.
    pub pushed: u64,
    /// Those of them that were applied.
    pub applied: u64,
    /// Those that were rejected.
    pub rejected: u64,
    /// Those that were put before the app, because nobody can say what became of them.
    pub in_doubt: u64,
    /// How many rows were changed or removed by updates from the server, among them those that the app has written itself.
    pub rows: u64,
}

/// A field of an own write in which another's stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldConflict {
    /// The mutation.
    pub op_id: String,
    /// The row's table.
    pub table: String,
    /// The row's key.
    pub key: String,
    /// The field's name.
    pub field: String,
    /// What the app wrote; none: it removed the field, or set the row whole without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "said")]
    pub mine: Option<Json>,
    /// What stands, if the server said it. The base has it, once it has passed the mutation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "said")]
    pub theirs: Option<Json>,
    /// Whether the server said that the row has no such field.
    pub gone: bool,
    /// The version at which that was written, if the server said it.
    pub version: Option<u64>,
}

/// A value that is there, `null` too.
fn said<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(source).map(Some)
}

/// A row of the view that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The row's table.
    pub table: String,
    /// The row's key.
    pub key: String,
    /// Its value; none: there is no such row.
    pub value: Option<Json>,
}

/// Whose doing a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The app's own write.
    Local,
    /// What the server said: others' writes, and rejections of one's own.
    Server,
}

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// A code of the registry, if the server said one.
    pub code: Option<String>,
    /// For people.
    pub message: String,
}

/// How the replica stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether there is a session with the server.
    pub online: bool,
    /// Whether everything written is decided and in the base, and the base has what the server had at its welcome.
    pub synced: bool,
    /// How many mutations have no known outcome.
    pub pending: u64,
    /// The shapes, each with how far it has followed the server.
    pub cursors: BTreeMap<Tables, Option<Cursor>>,
    /// How many rejections the app has not confirmed.
    pub rejected: usize,
    /// How many mutations that met others' the app has not confirmed.
    pub conflicts: usize,
    /// How many mutations the app has to decide about.
    pub in_doubt: usize,
    /// What went wrong last, since the last welcome.
    pub last_error: Option<Trouble>,
}
