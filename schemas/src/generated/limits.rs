//! What a server allows: `limits.json`.
//!
//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.

use crate::forms::{Integer, optional, required};
use serde::{Deserialize, Serialize};

/// What a server allows, announced in every welcome. `default` is the reference server's; `minimum` is what every server must allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Bytes of a text frame, in either direction. Bounds what one reader must buffer.
    #[serde(deserialize_with = "required::<Integer<65536, 9007199254740991>, _>")]
    pub frame_bytes_max: u64,
    /// Mutations in one push.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub push_mutations_max: u64,
    /// Ops in one mutation.
    #[serde(deserialize_with = "required::<Integer<16, 9007199254740991>, _>")]
    pub mutation_ops_max: u64,
    /// Bytes of a row's value as JSON text. Small enough that any change fits into a frame.
    #[serde(deserialize_with = "required::<Integer<4096, 9007199254740991>, _>")]
    pub value_bytes_max: u64,
    /// Bytes (UTF-8) of a table's name.
    #[serde(deserialize_with = "required::<Integer<64, 9007199254740991>, _>")]
    pub table_bytes_max: u64,
    /// Bytes (UTF-8) of a row's key.
    #[serde(deserialize_with = "required::<Integer<256, 9007199254740991>, _>")]
    pub key_bytes_max: u64,
    /// Nesting of arrays and objects in a frame, the frame's own object counted as 1. Bounds a recursive reader's stack.
    #[serde(deserialize_with = "required::<Integer<32, 512>, _>")]
    pub depth_max: u64,
    /// Undecided mutations that a client may have sent; outcomes that the server retains for each client. Never shrinks over a workspace's life.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub in_flight_max: u64,
    /// Shapes subscribed on one connection.
    #[serde(deserialize_with = "required::<Integer<4, 9007199254740991>, _>")]
    pub shapes_max: u64,
    /// Tables in one shape.
    #[serde(deserialize_with = "required::<Integer<4, 9007199254740991>, _>")]
    pub shape_tables_max: u64,
    /// Bytes of all that a workspace holds: keys and values of rows, and what else the chapter on mutations counts. Bounds the server's memory.
    #[serde(deserialize_with = "required::<Integer<1048576, 9007199254740991>, _>")]
    pub workspace_bytes_max: u64,
    /// New mutations a second that a client may have decided for long; beyond it and the burst they are deferred.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub mutations_per_second: u64,
    /// New mutations that a client may have decided at once, after a rest.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub mutation_burst: u64,
    /// After an ack: how long until the author's live shapes of the touched tables have passed it, or the connection is closed.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub level_ms: u64,
    /// How long a connection may stay open without a hello.
    #[serde(deserialize_with = "required::<Integer<1000, 9007199254740991>, _>")]
    pub hello_timeout_ms: u64,
    /// How often the server lets a connection hear from it.
    #[serde(deserialize_with = "required::<Integer<1000, 9007199254740991>, _>")]
    pub heartbeat_ms: u64,
    /// How long a connection may stay silent, WebSocket pongs included, before the server closes it. At least twice heartbeatMs.
    #[serde(deserialize_with = "required::<Integer<3000, 9007199254740991>, _>")]
    pub idle_timeout_ms: u64,
    /// How long a client's outcomes are kept after its last mutation. At least 30 days.
    #[serde(deserialize_with = "required::<Integer<2592000000, 9007199254740991>, _>")]
    pub client_ttl_ms: u64,
    /// Ids that one `allocate` takes. Announced, as the next three, where `sequences` is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1000, 9007199254740991>, _>")]
    pub allocate_max: Option<u64>,
    /// Ops of one mutation that name a sequence. Bounds what its outcome has to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<4, 9007199254740991>, _>")]
    pub mutation_sequences_max: Option<u64>,
    /// Sequences in a workspace. Bounds the server's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<64, 9007199254740991>, _>")]
    pub sequences_max: Option<u64>,
    /// Ids of each sequence that are left out when a backup is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1000, 9007199254740991>, _>")]
    pub restore_margin: Option<u64>,
    /// Tables of a workspace that are declared. Announced, as the next, where `tables` is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<64, 9007199254740991>, _>")]
    pub declared_tables_max: Option<u64>,
    /// Bytes of a table's schema as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<4096, 9007199254740991>, _>")]
    pub schema_bytes_max: Option<u64>,
    /// Values that a row of a table of `keep_both` may have at once. Announced where `conflicts` is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<2, 9007199254740991>, _>")]
    pub siblings_max: Option<u64>,
    /// Bytes of the rows (keys, values, siblings) that one mutation leaves, together. At least frameBytesMax. Announced where `fields` or `conflicts` is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<65536, 9007199254740991>, _>")]
    pub mutation_rows_bytes_max: Option<u64>,
    /// Bytes of a session's presence as JSON text. Announced where presence is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1024, 9007199254740991>, _>")]
    pub presence_bytes_max: Option<u64>,
    /// Sessions of a workspace that are present at once. Announced where presence is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<16, 9007199254740991>, _>")]
    pub presence_sessions_max: Option<u64>,
    /// How long at least between two words of one session's presence. Announced where presence is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1, 60000>, _>")]
    pub presence_interval_ms: Option<u64>,
    /// Entries of one document. Where documents are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<16, 9007199254740991>, _>")]
    pub document_entries_max: Option<u64>,
    /// Bytes of the entries of one document, as JSON text. At least valueBytesMax. Where documents are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<4096, 9007199254740991>, _>")]
    pub document_bytes_max: Option<u64>,
    /// Nodes of all filters of one shape: each expression is one, and each value of an `in`, and each key of a `keys`. Announced where filters are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<32, 9007199254740991>, _>")]
    pub filter_nodes_max: Option<u64>,
    /// Bytes of all filters of one shape in canonical form. Announced where filters are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1024, 9007199254740991>, _>")]
    pub filter_bytes_max: Option<u64>,
    /// Rows of a shape's tables up to which its digest is told where it has a filter; of a large value each 1024 bytes begun count as one. Announced where filters are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1000, 9007199254740991>, _>")]
    pub digest_scan_rows_max: Option<u64>,
    /// Changes that one `history` may ask for. Announced, as the next three, where history is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<16, 9007199254740991>, _>")]
    pub history_page_max: Option<u64>,
    /// The last changes of a workspace that are known, of all its tables together. Bounds, with the next, the server's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<64, 9007199254740991>, _>")]
    pub history_changes_max: Option<u64>,
    /// Bytes of keys and values of the last changes of a workspace that are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<65536, 9007199254740991>, _>")]
    pub history_bytes_max: Option<u64>,
    /// For how long a change is known, unless so many or so large ones came after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<60000, 9007199254740991>, _>")]
    pub history_ms: Option<u64>,
}

/// The reference server's limits: each member's `default`.
impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 1048576,
            push_mutations_max: 256,
            mutation_ops_max: 1000,
            value_bytes_max: 262144,
            table_bytes_max: 128,
            key_bytes_max: 1024,
            depth_max: 64,
            in_flight_max: 256,
            shapes_max: 32,
            shape_tables_max: 64,
            workspace_bytes_max: 1073741824,
            mutations_per_second: 1000,
            mutation_burst: 4000,
            level_ms: 5000,
            hello_timeout_ms: 10000,
            heartbeat_ms: 20000,
            idle_timeout_ms: 60000,
            client_ttl_ms: 7776000000,
            allocate_max: Some(100000),
            mutation_sequences_max: Some(4),
            sequences_max: Some(10000),
            restore_margin: Some(1000000),
            declared_tables_max: Some(1000),
            schema_bytes_max: Some(65536),
            siblings_max: Some(16),
            mutation_rows_bytes_max: Some(8388608),
            presence_bytes_max: Some(4096),
            presence_sessions_max: Some(1000),
            presence_interval_ms: Some(50),
            document_entries_max: Some(1024),
            document_bytes_max: Some(4194304),
            filter_nodes_max: Some(256),
            filter_bytes_max: Some(8192),
            digest_scan_rows_max: Some(10000),
            history_page_max: Some(1000),
            history_changes_max: Some(10000),
            history_bytes_max: Some(16777216),
            history_ms: Some(2592000000),
        }
    }
}
