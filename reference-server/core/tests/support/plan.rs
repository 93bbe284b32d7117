//! What can happen in a random run, as data that shrinks well: numbers choose among what there is when it happens.

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Connect {
        client: Option<usize>,
        /// Bytes that its queue takes between two pumps.
        room: Option<usize>,
    },
    /// The next mutations of the session's client.
    Push {
        session: usize,
        mutations: Vec<Vec<OpPlan>>,
    },
    /// Mutations that were pushed before, from one on.
    Retry {
        session: usize,
        first: usize,
        count: usize,
    },
    /// Another mutation under a `seq`, following whatever.
    Fork {
        session: usize,
        seq: usize,
        follows: usize,
        ops: Vec<OpPlan>,
    },
    Subscribe {
        session: usize,
        tables: usize,
        /// Which filter; beyond those that there are, none.
        filter: usize,
        cursor: CursorPlan,
    },
    Unsubscribe {
        session: usize,
        shape: usize,
    },
    Ping {
        session: usize,
    },
    Digest {
        session: usize,
        shape: usize,
    },
    Present {
        session: usize,
        withdraw: bool,
    },
    History {
        session: usize,
        table: usize,
        key: Option<usize>,
        newest: bool,
        limit: Option<u64>,
        /// `after` and `before`.
        places: [PlacePlan; 2],
    },
    Close {
        session: usize,
    },
    Room {
        session: usize,
        bytes: usize,
    },
    Truncate {
        keep_versions: u64,
    },
    Wait {
        ms: u64,
    },
    Step,
    /// Another node decides a mutation of a client first; this node's step meets it, or has nothing to decide.
    Elsewhere {
        client: usize,
        ops: Vec<OpPlan>,
        retry: bool,
    },
    Reopen {
        checkpoint: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum OpPlan {
    Row {
        table: usize,
        key: usize,
        what: What,
        /// `Some(n)`: n versions before the head; beyond it, 0.
        if_version: Option<u64>,
    },
    Document {
        key: usize,
        what: DocumentWhat,
    },
    /// That the table of documents is one.
    Declare,
    Allocate {
        sequence: usize,
        count: u64,
    },
    Observe {
        sequence: usize,
        value: u64,
    },
}

/// What an op does with a document. Numbers are versions before the head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DocumentWhat {
    Append {
        base: Option<u64>,
    },
    Compact {
        covers: u64,
    },
    Delete,
    /// What is not for documents.
    Set,
}

/// What an op does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    SetWord,
    SetObject,
    Delete,
    /// Sets a field, and takes another out.
    Patch(u8),
}

#[derive(Clone, Debug)]
pub(crate) enum CursorPlan {
    None,
    /// So many versions before the head.
    Behind(u64),
    Ahead,
    OtherEpoch,
}

/// A place, if any is named: so many versions before the head, and which of its changes.
pub(crate) type PlacePlan = Option<(u64, Option<u64>)>;
