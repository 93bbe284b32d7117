//! The data files, embedded.
//!
//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.

use crate::files::SchemaFile;

/// Every JSON Schema: what messages share, then the messages, in the order of their table.
pub const SCHEMAS: &[SchemaFile] = &[
    SchemaFile {
        path: "common.json",
        text: include_str!("../../v1/common.json"),
    },
    SchemaFile {
        path: "limits.json",
        text: include_str!("../../v1/limits.json"),
    },
    SchemaFile {
        path: "op.json",
        text: include_str!("../../v1/op.json"),
    },
    SchemaFile {
        path: "where.json",
        text: include_str!("../../v1/where.json"),
    },
    SchemaFile {
        path: "messages/hello.json",
        text: include_str!("../../v1/messages/hello.json"),
    },
    SchemaFile {
        path: "messages/welcome.json",
        text: include_str!("../../v1/messages/welcome.json"),
    },
    SchemaFile {
        path: "messages/subscribe.json",
        text: include_str!("../../v1/messages/subscribe.json"),
    },
    SchemaFile {
        path: "messages/subscribed.json",
        text: include_str!("../../v1/messages/subscribed.json"),
    },
    SchemaFile {
        path: "messages/unsubscribe.json",
        text: include_str!("../../v1/messages/unsubscribe.json"),
    },
    SchemaFile {
        path: "messages/push.json",
        text: include_str!("../../v1/messages/push.json"),
    },
    SchemaFile {
        path: "messages/ack.json",
        text: include_str!("../../v1/messages/ack.json"),
    },
    SchemaFile {
        path: "messages/update.json",
        text: include_str!("../../v1/messages/update.json"),
    },
    SchemaFile {
        path: "messages/ping.json",
        text: include_str!("../../v1/messages/ping.json"),
    },
    SchemaFile {
        path: "messages/pong.json",
        text: include_str!("../../v1/messages/pong.json"),
    },
    SchemaFile {
        path: "messages/error.json",
        text: include_str!("../../v1/messages/error.json"),
    },
    SchemaFile {
        path: "messages/goaway.json",
        text: include_str!("../../v1/messages/goaway.json"),
    },
    SchemaFile {
        path: "messages/digest.json",
        text: include_str!("../../v1/messages/digest.json"),
    },
    SchemaFile {
        path: "messages/digested.json",
        text: include_str!("../../v1/messages/digested.json"),
    },
    SchemaFile {
        path: "messages/present.json",
        text: include_str!("../../v1/messages/present.json"),
    },
    SchemaFile {
        path: "messages/presence.json",
        text: include_str!("../../v1/messages/presence.json"),
    },
    SchemaFile {
        path: "messages/history.json",
        text: include_str!("../../v1/messages/history.json"),
    },
    SchemaFile {
        path: "messages/past.json",
        text: include_str!("../../v1/messages/past.json"),
    },
];

/// The message table.
pub const MESSAGES: &str = include_str!("../../v1/messages.json");

/// The error registry.
pub const ERRORS: &str = include_str!("../../v1/errors.json");
