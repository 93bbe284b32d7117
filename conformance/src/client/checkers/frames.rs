//! Every frame by itself: its form, and that it keeps to the limits that were announced.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;
use syncline_schemas::{Json, files, validate};

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts, Said, mutations};
use crate::facts::Filters;
use crate::history::{Body, Event, Frame};

pub(super) const CHECKER: Checker = Checker {
    name: "frames",
    requirements: &["FRAME-SCHEMA-CLIENT", "LIMIT-KEPT"],
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for conn in &facts.conns {
        for said in conn.sent() {
            let why = why_not(said.frame);
            let expected = || {
                "a text frame of one JSON object that fits the schema of its type, its ops those of op.json".to_owned()
            };
            findings.must(
                "FRAME-SCHEMA-CLIENT",
                why.is_none(),
                [said.at],
                expected,
                || why.unwrap_or_default(),
            );
            if conn.welcome.is_some_and(|(at, _)| at < said.at) {
                limits(conn, said, findings);
            }
        }
    }
    let own = facts.entries.iter().filter_map(|entry| match &entry.event {
        Event::Sent {
            frame, own: true, ..
        } => Some(frame),
        _ => None,
    });
    // What the runner itself sends must fit, or its verdicts mean nothing.
    let wrong = own.filter(|frame| KINDS.contains(frame.kind()));
    let wrong = wrong.filter_map(|frame| {
        let violations = validate::message(frame.kind(), frame.json.as_ref()?).err()?;
        Some(format!("it sent {frame}: {}", violations.first()?.reason))
    });
    findings.internal.extend(wrong);
}

/// The types of message that there are.
static KINDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| names(|_| true));

/// The types of message that a client sends.
static CLIENTS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| names(|from| ["client", "both"].contains(&from)));

fn names(of: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let listed: Value =
        serde_json::from_str(files::MESSAGES).expect("the list of messages is JSON");
    let messages = listed["messages"].as_array().into_iter().flatten();
    let meant = messages.filter(|message| of(message["from"].as_str().unwrap_or_default()));
    meant
        .filter_map(|message| message["name"].as_str())
        .map(ToOwned::to_owned)
        .collect()
}

/// What is wrong with a frame's form.
fn why_not(frame: &Frame) -> Option<String> {
    let Body::Text(text) = &frame.body else {
        return Some("a binary frame".to_owned());
    };
    if let Err(error) = Json::parse(text) {
        return Some(error.to_string());
    }
    let kind = frame.kind();
    if !CLIENTS.contains(kind) {
        return Some(format!("no client sends a message of type {kind:?}"));
    }
    let ops =
        mutations(frame).flat_map(|(_, mutation)| mutation["ops"].as_array().into_iter().flatten());
    let violations = validate::message(kind, frame.json.as_ref()?)
        .and_then(|()| ops.into_iter().try_for_each(validate::op))
        .err()?;
    let first = violations.first()?;
    Some(format!("at {:?}: {}", first.at, first.reason))
}

/// What a frame has, against the limits of its session.
fn limits(conn: &Conn<'_>, said: &Said<'_>, findings: &mut Findings) {
    let mut at_most = |name: &str, what: &str, have: usize| {
        if let Some(limit) = conn.limit(name) {
            let (expected, actual) = (
                || format!("at most {limit} {what} ({name})"),
                || have.to_string(),
            );
            findings.must(
                "LIMIT-KEPT",
                have as u64 <= limit,
                [said.at],
                expected,
                actual,
            );
        }
    };
    at_most("frameBytesMax", "bytes of a frame", said.frame.bytes());
    if let Some(json) = &said.frame.json {
        at_most("depthMax", "levels of nesting", depth(json));
    }
    if let Some(tables) = said.frame.member("tables").and_then(Value::as_object) {
        at_most("shapeTablesMax", "tables of a shape", tables.len());
        let filters = Filters::of(said.frame);
        if !filters.is_empty() {
            at_most("filterNodesMax", "nodes", filters.nodes() as usize);
            at_most("filterBytesMax", "bytes", filters.bytes() as usize);
        }
    }
    if said.frame.kind() == "push" {
        at_most(
            "pushMutationsMax",
            "mutations of a push",
            mutations(said.frame).count(),
        );
    }
    if let Some(state) = said
        .frame
        .member("state")
        .filter(|_| said.frame.kind() == "present")
    {
        // As the server would write it, here too.
        at_most(
            "presenceBytesMax",
            "bytes of a state",
            state.to_string().len(),
        );
    }
    for (_, mutation) in mutations(said.frame) {
        let ops = mutation["ops"].as_array().map_or(&[][..], Vec::as_slice);
        at_most("mutationOpsMax", "ops of a mutation", ops.len());
        for op in ops {
            let bytes = |name: &str| op[name].as_str().unwrap_or_default().len();
            at_most("tableBytesMax", "bytes of a table's name", bytes("table"));
            at_most("keyBytesMax", "bytes of a key", bytes("key"));
            // As the server would write it: what was sent may have insignificant white space.
            let value = op.get("value").map_or(0, |value| value.to_string().len());
            at_most("valueBytesMax", "bytes of a value", value);
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::{judge, welcomed};

    #[test]
    fn forms_and_limits() {
        let limits = serde_json::json!({
            "frameBytesMax": 300, "pushMutationsMax": 1, "mutationOpsMax": 1, "keyBytesMax": 2, "valueBytesMax": 4, "tableBytesMax": 3, "depthMax": 6, "shapeTablesMax": 1, "presenceBytesMax": 4, "filterNodesMax": 2, "filterBytesMax": 30,
        });
        let push = |ops: &str| {
            format!(
                r#"{{"type":"push","epoch":"e","mutations":[{{"seq":1,"opId":"a","ops":[{ops}]}}]}}"#
            )
        };
        let set = |table: &str, key: &str, value: &str| {
            push(&format!(
                r#"{{"op":"set","table":"{table}","key":"{key}","value":{value}}}"#
            ))
        };
        let table = [
            (set("t", "k", "1"), ""),
            (push(""), ""),
            (
                r#"{"type":"subscribe","id":"a","tables":{"t":{}}}"#.to_owned(),
                "",
            ),
            (r#"{"type":"ping","t":1,"more":1}"#.to_owned(), ""),
            (r#"{"type":"present","state":1234}"#.to_owned(), ""),
            (r#"{"type":"present"}"#.to_owned(), ""),
            (
                r#"{"type":"present","state":"123"}"#.to_owned(),
                "LIMIT-KEPT",
            ),
            ("[]".to_owned(), "FRAME-SCHEMA-CLIENT"),
            (
                r#"{"type":"ping","t":1,"t":1}"#.to_owned(),
                "FRAME-SCHEMA-CLIENT",
            ),
            (r#"{"type":"ping"}"#.to_owned(), "FRAME-SCHEMA-CLIENT"),
            (
                r#"{"type":"pong","t":1,"serverTime":1}"#.to_owned(),
                "FRAME-SCHEMA-CLIENT",
            ),
            (push(r#"{"op":"jump"}"#), "FRAME-SCHEMA-CLIENT"),
            (set("t", "kkk", "1"), "LIMIT-KEPT"),
            (set("tttt", "k", "1"), "LIMIT-KEPT"),
            (set("t", "k", "12345"), "LIMIT-KEPT"),
            (set("t", "k", "[[]]"), "LIMIT-KEPT"),
            (
                push(
                    r#"{"op":"delete","table":"t","key":"k"},{"op":"delete","table":"t","key":"l"}"#,
                ),
                "LIMIT-KEPT",
            ),
            (
                r#"{"type":"subscribe","id":"a","tables":{"t":{},"u":{}}}"#.to_owned(),
                "LIMIT-KEPT",
            ),
            (
                r#"{"type":"subscribe","id":"a","tables":{"t":{"where":{"field":"n","in":[1]}}}}"#
                    .to_owned(),
                "",
            ),
            (
                r#"{"type":"subscribe","id":"a","tables":{"t":{"where":{"field":"n","in":[1,2]}}}}"#
                    .to_owned(),
                "LIMIT-KEPT",
            ),
            (
                r#"{"type":"subscribe","id":"a","tables":{"t":{"where":{"field":"n","eq":"1234567890"}}}}"#
                    .to_owned(),
                "LIMIT-KEPT",
            ),
            (
                format!(r#"{{"type":"ping","t":1,"x":"{}"}}"#, "x".repeat(300)),
                "LIMIT-KEPT",
            ),
        ];
        for (frame, broken) in table {
            let history = [
                welcomed("a/s", "x", 0, limits.clone()),
                vec![format!("a/s > {frame}")],
            ]
            .concat();
            assert_eq!(judge(CHECKER, &history), broken, "{frame}");
        }
    }
}
