//! A plan: what one run is of, as data. It can be made by a seed, written to a file, made smaller, and run again.

use serde::{Deserialize, Serialize};

/// What one run is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Plan {
    /// Decides what the plan leaves to chance: delays, identifiers, how much of what is under way survives a cut.
    pub seed: u64,
    /// How many apps there are.
    pub clients: usize,
    /// How many servers share the log.
    pub nodes: usize,
    /// How the world is set up.
    pub settings: Settings,
    /// What happens, in order.
    pub doings: Vec<Doing>,
}

/// How the world is set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// The tables that are one shape, for each shape.
    pub shapes: Vec<Vec<String>>,
    /// Least and most microseconds that a frame is under way.
    pub latency_us: (u64, u64),
    /// Least and most microseconds of an append to the log.
    pub append_us: (u64, u64),
    /// Most microseconds of a client's own store.
    pub store_us: u64,
    /// Bytes up to which an update's part is filled.
    pub part_bytes: usize,
    /// Bytes that wait for a connection before no more updates are made for it.
    pub outbox_bytes: usize,
    /// Bytes of rows that one step may leave.
    pub step_bytes: u64,
    /// `limits.inFlightMax`.
    pub in_flight: u64,
    /// `limits.pushMutationsMax`.
    pub push_mutations: u64,
    /// `limits.mutationBurst`.
    pub burst: u64,
    /// `limits.mutationsPerSecond`.
    pub rate: u64,
    /// The versions whose deletes are kept.
    pub versions: u64,
    /// What the servers do not offer.
    pub without: Vec<String>,
    /// Whether apps watch who is present.
    pub presence: bool,
    /// How many ids of the common sequence are asked for at once; 0: nobody uses it.
    pub block: u64,
    /// The tables that are urgent to all apps, the most urgent first.
    #[serde(default)]
    pub urgent: Vec<String>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Doing {
    /// Milliseconds after the beginning.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What can happen. Numbers of clients and nodes are taken modulo how many there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum What {
    /// An app writes one mutation.
    Write {
        /// The app.
        client: usize,
        /// Its ops.
        ops: Vec<Write>,
    },
    /// An app hands out an id of the common sequence.
    TakeId(usize),
    /// An app says what others see of it; without a number, nothing any more.
    Present(usize, Option<u32>),
    /// An app asks what a table's rows were before.
    Past {
        /// The app.
        client: usize,
        /// The table, by number.
        table: u8,
        /// The key, by number; none: of all rows.
        key: Option<u8>,
        /// At most so many changes.
        limit: u8,
    },
    /// An app chooses a direction or a trigger, or asks for a sync.
    Steer(usize, u8),
    /// A client that is not the reference pushes to a row; if it is in no session, it begins one.
    Stray {
        /// What is odd about it.
        how: Odd,
        /// The table, by number.
        table: u8,
        /// The key, by number.
        key: u8,
    },
    /// A connection breaks.
    Cut(usize),
    /// The next ack that reaches an app is lost there: the replica never hears of it.
    Miss(usize),
    /// The replica is handed an update once more that it has long had.
    Again(usize),
    /// Nothing passes on a connection any more, and nobody is told.
    Silence(usize),
    /// Nothing passes on a connection for so many milliseconds; nothing is lost.
    Stall(usize, u64),
    /// An app dies, and is started again after so many milliseconds. `stored`: right after its next transaction, of which nobody was told.
    Crash {
        /// The app.
        client: usize,
        /// Whether it dies behind its next transaction, instead of at once.
        stored: bool,
        /// How long it is away.
        away_ms: u64,
    },
    /// An app's store is copied over another's; both are started anew.
    Copy {
        /// Whose store.
        from: usize,
        /// Over whose.
        to: usize,
    },
    /// An app's clock jumps by so many milliseconds.
    Jump(usize, i64),
    /// A server's clock jumps by so many milliseconds.
    JumpServer(usize, i64),
    /// The next append of the log fails: nothing is appended.
    AppendFails,
    /// The next append succeeds, and is said to have failed.
    AppendLost,
    /// The next append takes so many milliseconds more.
    AppendSlow(u64),
    /// A server writes a checkpoint, and the log forgets what it covers.
    Checkpoint(usize),
    /// A server dies, and is started again after so many milliseconds. `torn`: what it was appending is there in part.
    Kill {
        /// The server.
        node: usize,
        /// Whether the last batch is torn, rather than there or not.
        torn: bool,
        /// How long it is away.
        away_ms: u64,
    },
    /// A server is stopped in order, and started again after so many milliseconds.
    Restart {
        /// The server.
        node: usize,
        /// How long it is away.
        away_ms: u64,
    },
    /// A server drops the deletes that it need not remember.
    Truncate(usize),
    /// The workspace is backed up by a server.
    Backup(usize),
    /// The workspace is put back to the last backup by a server.
    Restore(usize),
    /// The log loses its last append, which it had said was durable. No log that is right does so, and no plan that is made by chance has it: it is the wrong world by
    /// which the judges are judged.
    LoseLast,
    /// Nobody does anything for longer than `limits.clientTtlMs`.
    Sleep,
    /// Nobody does anything for longer than a server must remember its clients.
    SleepLong,
}

impl What {
    /// Whether it declares a table.
    pub(crate) fn declares(&self) -> bool {
        let declares = |write: &Write| matches!(write.how, How::Declare(_));
        matches!(self, What::Write { ops, .. } if ops.iter().any(declares))
    }
}

/// What is odd about a push of the stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Odd {
    /// Nothing.
    Next,
    /// It pushes nothing: it says hello anew.
    Anew,
    /// Two pushes of one `seq`, at once, of which one can be decided.
    Twice,
    /// Something that was sent before, as it was.
    Old,
    /// A `seq` that was sent before, with another `opId`.
    OtherName,
    /// A `seq` too far.
    Gap,
    /// It follows what never was.
    Follows,
    /// It names an epoch that never was.
    OtherEpoch,
}

/// One op of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Write {
    /// The table, by number.
    pub table: u8,
    /// The key, by number.
    pub key: u8,
    /// What is written.
    pub how: How,
}

/// What an op does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum How {
    /// Sets a number that nobody wrote before.
    Set,
    /// Sets an object of several fields.
    SetFields,
    /// Sets a long value.
    SetLong,
    /// Sets one field and may remove another.
    Patch,
    /// Deletes.
    Delete,
    /// Sets, if the row is as the app holds it.
    SetIf,
    /// Sets, if there is no such row.
    Create,
    /// Declares the table's strategy, by number; from 4 on for each field by itself.
    Declare(u8),
    /// Declares that the table holds documents.
    DeclareDocuments,
    /// Adds an entry to a document.
    Append,
    /// Puts one entry in the place of all of a document that the app holds.
    Compact,
    /// Takes so many ids of a sequence.
    Allocate(u8),
    /// Says that an id of a sequence came from elsewhere.
    Observe(u8),
}
