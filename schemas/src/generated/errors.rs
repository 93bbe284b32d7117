//! The codes of `errors.json`.
//!
//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.

use crate::errors::{Carrier, ErrorDef, Fault, Scope};

/// The first frame was not a valid hello.
pub const HELLO_REQUIRED: ErrorDef = ErrorDef {
    code: "hello_required",
    carrier: Carrier::Error,
    scope: Scope::Connection,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "The first frame was not a valid hello.",
};

/// No hello came within limits.helloTimeoutMs.
pub const HELLO_TIMEOUT: ErrorDef = ErrorDef {
    code: "hello_timeout",
    carrier: Carrier::Error,
    scope: Scope::Connection,
    retryable: true,
    definite: true,
    fault: Fault::Client,
    members: &[],
    summary: "No hello came within limits.helloTimeoutMs.",
};

/// The server does not open a workspace of this name.
pub const WORKSPACE_REFUSED: ErrorDef = ErrorDef {
    code: "workspace_refused",
    carrier: Carrier::Error,
    scope: Scope::Connection,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "The server does not open a workspace of this name.",
};

/// A frame was larger than limits.frameBytesMax.
pub const FRAME_TOO_LARGE: ErrorDef = ErrorDef {
    code: "frame_too_large",
    carrier: Carrier::Error,
    scope: Scope::Connection,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "A frame was larger than limits.frameBytesMax.",
};

/// The server has no room for this connection now.
pub const OVERLOADED: ErrorDef = ErrorDef {
    code: "overloaded",
    carrier: Carrier::Error,
    scope: Scope::Connection,
    retryable: true,
    definite: true,
    fault: Fault::Server,
    members: &["retryAfterMs"],
    summary: "The server has no room for this connection now.",
};

/// The server failed; what was in flight may or may not have been decided.
pub const INTERNAL: ErrorDef = ErrorDef {
    code: "internal",
    carrier: Carrier::Error,
    scope: Scope::Connection,
    retryable: true,
    definite: false,
    fault: Fault::Server,
    members: &[],
    summary: "The server failed; what was in flight may or may not have been decided.",
};

/// The frame is not one JSON text within the rules: syntax, duplicate member, nesting, number range, lone surrogate.
pub const INVALID_JSON: ErrorDef = ErrorDef {
    code: "invalid_json",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re", "at"],
    summary: "The frame is not one JSON text within the rules: syntax, duplicate member, nesting, number range, lone surrogate.",
};

/// The frame does not fit the schema of its type, or passes a limit on its form.
pub const INVALID_MESSAGE: ErrorDef = ErrorDef {
    code: "invalid_message",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re", "at"],
    summary: "The frame does not fit the schema of its type, or passes a limit on its form.",
};

/// The server knows no message of this type.
pub const UNKNOWN_TYPE: ErrorDef = ErrorDef {
    code: "unknown_type",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re", "at"],
    summary: "The server knows no message of this type.",
};

/// Binary frames carry nothing in this version.
pub const BINARY_FRAME: ErrorDef = ErrorDef {
    code: "binary_frame",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "Binary frames carry nothing in this version.",
};

/// The session is open already.
pub const UNEXPECTED_HELLO: ErrorDef = ErrorDef {
    code: "unexpected_hello",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "The session is open already.",
};

/// No such shape is subscribed on this connection.
pub const UNKNOWN_SHAPE: ErrorDef = ErrorDef {
    code: "unknown_shape",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "No such shape is subscribed on this connection.",
};

/// A digest of this shape is unanswered yet.
pub const DIGEST_PENDING: ErrorDef = ErrorDef {
    code: "digest_pending",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: true,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "A digest of this shape is unanswered yet.",
};

/// The shape has a filter, and its tables more rows than limits.digestScanRowsMax.
pub const DIGEST_TOO_LARGE: ErrorDef = ErrorDef {
    code: "digest_too_large",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "The shape has a filter, and its tables more rows than limits.digestScanRowsMax.",
};

/// A `history` of this connection is unanswered yet.
pub const HISTORY_PENDING: ErrorDef = ErrorDef {
    code: "history_pending",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: true,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "A `history` of this connection is unanswered yet.",
};

/// limits.presenceSessionsMax sessions of the workspace are present.
pub const PRESENCE_FULL: ErrorDef = ErrorDef {
    code: "presence_full",
    carrier: Carrier::Error,
    scope: Scope::Request,
    retryable: true,
    definite: true,
    fault: Fault::Nobody,
    members: &["re"],
    summary: "limits.presenceSessionsMax sessions of the workspace are present.",
};

/// A table's name is not allowed, or there are more tables than limits.shapeTablesMax.
pub const INVALID_SHAPE: ErrorDef = ErrorDef {
    code: "invalid_shape",
    carrier: Carrier::Error,
    scope: Scope::Subscription,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re", "at"],
    summary: "A table's name is not allowed, or there are more tables than limits.shapeTablesMax.",
};

/// A table of the shape names a setting that the server does not know.
pub const UNSUPPORTED_SETTING: ErrorDef = ErrorDef {
    code: "unsupported_setting",
    carrier: Carrier::Error,
    scope: Scope::Subscription,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re", "at"],
    summary: "A table of the shape names a setting that the server does not know.",
};

/// A `where` is no filter, or the shape's filters pass limits.filterNodesMax or limits.filterBytesMax.
pub const INVALID_FILTER: ErrorDef = ErrorDef {
    code: "invalid_filter",
    carrier: Carrier::Error,
    scope: Scope::Subscription,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re", "at"],
    summary: "A `where` is no filter, or the shape's filters pass limits.filterNodesMax or limits.filterBytesMax.",
};

/// Another shape of this connection has one of the tables.
pub const SHAPE_OVERLAP: ErrorDef = ErrorDef {
    code: "shape_overlap",
    carrier: Carrier::Error,
    scope: Scope::Subscription,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re", "at"],
    summary: "Another shape of this connection has one of the tables.",
};

/// The connection has limits.shapesMax shapes.
pub const TOO_MANY_SHAPES: ErrorDef = ErrorDef {
    code: "too_many_shapes",
    carrier: Carrier::Error,
    scope: Scope::Subscription,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re"],
    summary: "The connection has limits.shapesMax shapes.",
};

/// A table of the shape is of kind document, and the client did not name the capability documents.
pub const DOCUMENTS_NEEDED: ErrorDef = ErrorDef {
    code: "documents_needed",
    carrier: Carrier::Error,
    scope: Scope::Subscription,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["re", "shape", "at"],
    summary: "A table of the shape is of kind document, and the client did not name the capability documents.",
};

/// The `seq` is neither known nor the next one.
pub const SEQ_GAP: ErrorDef = ErrorDef {
    code: "seq_gap",
    carrier: Carrier::Refused,
    scope: Scope::Mutation,
    retryable: true,
    definite: true,
    fault: Fault::Client,
    members: &["expected"],
    summary: "The `seq` is neither known nor the next one.",
};

/// The `seq` is known under another `opId`, or the mutation follows another `opId` than the last decided one.
pub const CHAIN_BROKEN: ErrorDef = ErrorDef {
    code: "chain_broken",
    carrier: Carrier::Refused,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &[],
    summary: "The `seq` is known under another `opId`, or the mutation follows another `opId` than the last decided one.",
};

/// The `seq` was decided, but its outcome is no longer retained.
pub const SEQ_EXPIRED: ErrorDef = ErrorDef {
    code: "seq_expired",
    carrier: Carrier::Refused,
    scope: Scope::Mutation,
    retryable: false,
    definite: false,
    fault: Fault::Client,
    members: &[],
    summary: "The `seq` was decided, but its outcome is no longer retained.",
};

/// The push is of another history than the workspace's.
pub const EPOCH_CHANGED: ErrorDef = ErrorDef {
    code: "epoch_changed",
    carrier: Carrier::Refused,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["epoch"],
    summary: "The push is of another history than the workspace's.",
};

/// The session was opened without a clientId and only reads.
pub const CLIENT_REQUIRED: ErrorDef = ErrorDef {
    code: "client_required",
    carrier: Carrier::Refused,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &[],
    summary: "The session was opened without a clientId and only reads.",
};

/// The client has used up limits.mutationsPerSecond and limits.mutationBurst.
pub const RATE_LIMITED: ErrorDef = ErrorDef {
    code: "rate_limited",
    carrier: Carrier::Deferred,
    scope: Scope::Mutation,
    retryable: true,
    definite: true,
    fault: Fault::Client,
    members: &["retryAfterMs"],
    summary: "The client has used up limits.mutationsPerSecond and limits.mutationBurst.",
};

/// The server decides nothing new now.
pub const SERVER_BUSY: ErrorDef = ErrorDef {
    code: "server_busy",
    carrier: Carrier::Deferred,
    scope: Scope::Mutation,
    retryable: true,
    definite: true,
    fault: Fault::Server,
    members: &["retryAfterMs"],
    summary: "The server decides nothing new now.",
};

/// The mutation has no ops. Also how a client gives a mutation up.
pub const NO_OPS: ErrorDef = ErrorDef {
    code: "no_ops",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &[],
    summary: "The mutation has no ops. Also how a client gives a mutation up.",
};

/// The server knows no such op.
pub const UNKNOWN_OP: ErrorDef = ErrorDef {
    code: "unknown_op",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "The server knows no such op.",
};

/// An op does not fit its schema, or a name in it is not allowed.
pub const INVALID_OP: ErrorDef = ErrorDef {
    code: "invalid_op",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "An op does not fit its schema, or a name in it is not allowed.",
};

/// Two ops of the mutation name the same row.
pub const DUPLICATE_ROW: ErrorDef = ErrorDef {
    code: "duplicate_row",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "Two ops of the mutation name the same row.",
};

/// Two ops of the mutation name the same sequence.
pub const DUPLICATE_SEQUENCE: ErrorDef = ErrorDef {
    code: "duplicate_sequence",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "Two ops of the mutation name the same sequence.",
};

/// An op passes a limit; the message names it.
pub const LIMIT_EXCEEDED: ErrorDef = ErrorDef {
    code: "limit_exceeded",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "An op passes a limit; the message names it.",
};

/// An `ifVersion` did not hold.
pub const VERSION_CONFLICT: ErrorDef = ErrorDef {
    code: "version_conflict",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Nobody,
    members: &["at"],
    summary: "An `ifVersion` did not hold.",
};

/// A patch of a row whose value is no object. Capability: fields.
pub const NOT_AN_OBJECT: ErrorDef = ErrorDef {
    code: "not_an_object",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Nobody,
    members: &["at"],
    summary: "A patch of a row whose value is no object. Capability: fields.",
};

/// A mutation declares a table twice. Capability: tables.
pub const DUPLICATE_TABLE: ErrorDef = ErrorDef {
    code: "duplicate_table",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "A mutation declares a table twice. Capability: tables.",
};

/// A setting of the table was declared before, otherwise. Capability: tables.
pub const DECLARED_OTHERWISE: ErrorDef = ErrorDef {
    code: "declared_otherwise",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "A setting of the table was declared before, otherwise. Capability: tables.",
};

/// The server does not offer this setting, or it does not go with another. Capability: tables.
pub const SETTING_REFUSED: ErrorDef = ErrorDef {
    code: "setting_refused",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "The server does not offer this setting, or it does not go with another. Capability: tables.",
};

/// The rules of a table's schema are no schema, or not one that is judged here. Capability: tables.
pub const INVALID_SCHEMA: ErrorDef = ErrorDef {
    code: "invalid_schema",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "The rules of a table's schema are no schema, or not one that is judged here. Capability: tables.",
};

/// A value does not fit the table's schema. Capability: tables.
pub const SCHEMA_VIOLATION: ErrorDef = ErrorDef {
    code: "schema_violation",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "A value does not fit the table's schema. Capability: tables.",
};

/// A value does not fit the table's schema, which is of a higher version than its writer knew. Capability: tables.
pub const SCHEMA_OUTDATED: ErrorDef = ErrorDef {
    code: "schema_outdated",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Nobody,
    members: &["at"],
    summary: "A value does not fit the table's schema, which is of a higher version than its writer knew. Capability: tables.",
};

/// An op of a mutation with a lock would be superseded. Capability: conflicts.
pub const SUPERSEDED: ErrorDef = ErrorDef {
    code: "superseded",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Nobody,
    members: &["at"],
    summary: "An op of a mutation with a lock would be superseded. Capability: conflicts.",
};

/// The row would have more than limits.siblingsMax values at once. Capability: conflicts.
pub const TOO_MANY_SIBLINGS: ErrorDef = ErrorDef {
    code: "too_many_siblings",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Nobody,
    members: &["at"],
    summary: "The row would have more than limits.siblingsMax values at once. Capability: conflicts.",
};

/// The sequence has fewer ids left than were asked for.
pub const SEQUENCE_EXHAUSTED: ErrorDef = ErrorDef {
    code: "sequence_exhausted",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Nobody,
    members: &["at"],
    summary: "The sequence has fewer ids left than were asked for.",
};

/// An op for rows on a table of documents, or one for documents on a table of rows. Capability: documents.
pub const WRONG_KIND: ErrorDef = ErrorDef {
    code: "wrong_kind",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Client,
    members: &["at"],
    summary: "An op for rows on a table of documents, or one for documents on a table of rows. Capability: documents.",
};

/// The document has limits.documentEntriesMax entries or limits.documentBytesMax bytes: it is to be compacted. Capability: documents.
pub const DOCUMENT_FULL: ErrorDef = ErrorDef {
    code: "document_full",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Nobody,
    members: &["at"],
    summary: "The document has limits.documentEntriesMax entries or limits.documentBytesMax bytes: it is to be compacted. Capability: documents.",
};

/// The document of which the writer knew a version is no longer there. Capability: documents.
pub const DOCUMENT_DELETED: ErrorDef = ErrorDef {
    code: "document_deleted",
    carrier: Carrier::Rejected,
    scope: Scope::Mutation,
    retryable: false,
    definite: true,
    fault: Fault::Nobody,
    members: &["at"],
    summary: "The document of which the writer knew a version is no longer there. Capability: documents.",
};

/// The server stops or restarts.
pub const SHUTDOWN: ErrorDef = ErrorDef {
    code: "shutdown",
    carrier: Carrier::Goaway,
    scope: Scope::Connection,
    retryable: true,
    definite: false,
    fault: Fault::Server,
    members: &[],
    summary: "The server stops or restarts.",
};

/// The same clientId has said hello on a newer connection.
pub const SESSION_REPLACED: ErrorDef = ErrorDef {
    code: "session_replaced",
    carrier: Carrier::Goaway,
    scope: Scope::Connection,
    retryable: false,
    definite: false,
    fault: Fault::Client,
    members: &[],
    summary: "The same clientId has said hello on a newer connection.",
};

/// The client did not read what was sent.
pub const SLOW_CONSUMER: ErrorDef = ErrorDef {
    code: "slow_consumer",
    carrier: Carrier::Goaway,
    scope: Scope::Connection,
    retryable: true,
    definite: false,
    fault: Fault::Client,
    members: &[],
    summary: "The client did not read what was sent.",
};

/// Nothing came from the client within limits.idleTimeoutMs.
pub const IDLE: ErrorDef = ErrorDef {
    code: "idle",
    carrier: Carrier::Goaway,
    scope: Scope::Connection,
    retryable: true,
    definite: false,
    fault: Fault::Client,
    members: &[],
    summary: "Nothing came from the client within limits.idleTimeoutMs.",
};

/// The workspace was restored or imported: it has a new epoch.
pub const HISTORY_REPLACED: ErrorDef = ErrorDef {
    code: "history_replaced",
    carrier: Carrier::Goaway,
    scope: Scope::Connection,
    retryable: true,
    definite: false,
    fault: Fault::Server,
    members: &[],
    summary: "The workspace was restored or imported: it has a new epoch.",
};

/// Every code, in the registry's order.
pub const ALL: &[&ErrorDef] = &[
    &HELLO_REQUIRED,
    &HELLO_TIMEOUT,
    &WORKSPACE_REFUSED,
    &FRAME_TOO_LARGE,
    &OVERLOADED,
    &INTERNAL,
    &INVALID_JSON,
    &INVALID_MESSAGE,
    &UNKNOWN_TYPE,
    &BINARY_FRAME,
    &UNEXPECTED_HELLO,
    &UNKNOWN_SHAPE,
    &DIGEST_PENDING,
    &DIGEST_TOO_LARGE,
    &HISTORY_PENDING,
    &PRESENCE_FULL,
    &INVALID_SHAPE,
    &UNSUPPORTED_SETTING,
    &INVALID_FILTER,
    &SHAPE_OVERLAP,
    &TOO_MANY_SHAPES,
    &DOCUMENTS_NEEDED,
    &SEQ_GAP,
    &CHAIN_BROKEN,
    &SEQ_EXPIRED,
    &EPOCH_CHANGED,
    &CLIENT_REQUIRED,
    &RATE_LIMITED,
    &SERVER_BUSY,
    &NO_OPS,
    &UNKNOWN_OP,
    &INVALID_OP,
    &DUPLICATE_ROW,
    &DUPLICATE_SEQUENCE,
    &LIMIT_EXCEEDED,
    &VERSION_CONFLICT,
    &NOT_AN_OBJECT,
    &DUPLICATE_TABLE,
    &DECLARED_OTHERWISE,
    &SETTING_REFUSED,
    &INVALID_SCHEMA,
    &SCHEMA_VIOLATION,
    &SCHEMA_OUTDATED,
    &SUPERSEDED,
    &TOO_MANY_SIBLINGS,
    &SEQUENCE_EXHAUSTED,
    &WRONG_KIND,
    &DOCUMENT_FULL,
    &DOCUMENT_DELETED,
    &SHUTDOWN,
    &SESSION_REPLACED,
    &SLOW_CONSUMER,
    &IDLE,
    &HISTORY_REPLACED,
];
