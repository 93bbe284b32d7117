//! Every frame by itself: its form, its size, and that it tells no secret.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;
use syncline_schemas::{
    ClientMessage, DEPTH_CEILING, DecodeErrorKind, ServerMessage, files, validate,
};

use super::{Checker, Findings};
use crate::facts::Facts;
use crate::history::{Body, Event, Frame};

pub(super) const CHECKER: Checker = Checker {
    name: "frames",
    requirements: &["FRAME-SCHEMA", "FRAME-SIZE-SENT", "SEC-CLIENT-ID-SECRET"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let secrets = secrets(facts);
    let conns = 0..facts.conns.len();
    let limits: Vec<Option<u64>> = conns
        .map(|conn| facts.limit(conn, "frameBytesMax"))
        .collect();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.event {
            Event::Received { conn, frame } => {
                form(at, frame, findings);
                if let Some(limit) = limits[*conn] {
                    let size = || format!("{} bytes", frame.bytes());
                    findings.must(
                        "FRAME-SIZE-SENT",
                        frame.bytes() as u64 <= limit,
                        [at],
                        || format!("at most {limit} bytes"),
                        size,
                    );
                }
                secret(at, frame, &secrets, findings);
            }
            Event::Sent {
                frame, own: true, ..
            } => own(frame, findings),
            _ => {}
        }
    }
}

/// The types of message that a server sends.
static SERVERS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let listed: Value =
        serde_json::from_str(files::MESSAGES).expect("the list of messages is JSON");
    let messages = listed["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|message| message["from"] == "server");
    messages
        .filter_map(|message| message["name"].as_str())
        .map(ToOwned::to_owned)
        .collect()
});

fn form(at: usize, frame: &Frame, findings: &mut Findings) {
    let why = why_not(frame);
    let expected = || "a text frame of one JSON object that fits the schema of its type".to_owned();
    findings.must("FRAME-SCHEMA", why.is_none(), [at], expected, || {
        why.unwrap_or_default()
    });
}

/// What is wrong with a frame's form.
fn why_not(frame: &Frame) -> Option<String> {
    let Body::Text(text) = &frame.body else {
        return Some("a binary frame".to_owned());
    };
    // The types and the schemas accept the same, which the differential test of `schemas` sees to; the types are faster.
    let error = ServerMessage::decode(text, DEPTH_CEILING).err()?;
    let kind = frame.kind();
    if error.kind == DecodeErrorKind::InvalidJson {
        return Some(error.reason);
    }
    if !SERVERS.contains(kind) {
        return Some(format!("no server sends a message of type {kind:?}"));
    }
    let violations = validate::message(kind, frame.json.as_ref()?).err()?;
    violations
        .first()
        .map(|violation| format!("at {:?}: {}", violation.at, violation.reason))
}

/// What the runner itself sends must fit, or its verdicts mean nothing.
fn own(frame: &Frame, findings: &mut Findings) {
    let Some(message) = &frame.json else { return };
    let Body::Text(text) = &frame.body else {
        return;
    };
    if ClientMessage::decode(text, DEPTH_CEILING).is_ok() {
        return;
    }
    if let Err(violations) = validate::message(frame.kind(), message) {
        findings.internal.extend(
            violations
                .first()
                .map(|violation| format!("it sent {frame}: {}", violation.reason)),
        );
    }
}

/// The clients' ids that stand in nothing but `hello`: whoever uses one as a row's value has told it himself.
fn secrets(facts: &Facts) -> BTreeSet<String> {
    // A name that no server takes is no client's.
    let sessions = facts.conns.iter().filter(|conn| conn.welcome.is_some());
    let ids: BTreeSet<&str> = sessions.filter_map(|conn| conn.client()).collect();
    let told = |id: &str| {
        facts.entries.iter().any(|entry| match &entry.event {
            Event::Sent { frame, .. } => frame.kind() != "hello" && has(frame, id),
            _ => false,
        })
    };
    let sought = |id: &str| match id.len() {
        0..SECRET_CHARS_MIN => format!("{id:?}"),
        _ => id.to_owned(),
    };
    ids.into_iter().filter(|id| !told(id)).map(sought).collect()
}

/// A shorter id may be part of something else by chance, and is looked for as a string of its own alone.
const SECRET_CHARS_MIN: usize = 12;

fn has(frame: &Frame, text: &str) -> bool {
    matches!(&frame.body, Body::Text(body) if body.contains(text))
}

fn secret(at: usize, frame: &Frame, secrets: &BTreeSet<String>, findings: &mut Findings) {
    if !secrets.is_empty() {
        let leaked = secrets.iter().find(|id| has(frame, id));
        let actual = || format!("it has {}", leaked.map_or("", String::as_str));
        findings.must(
            "SEC-CLIENT-ID-SECRET",
            leaked.is_none(),
            [at],
            || "no clientId in a frame".to_owned(),
            actual,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::{run, table};
    use super::*;

    #[test]
    fn good_and_bad_frames() {
        let begun = "a > hello alice\na < welcome 0 0\n";
        let large = format!(
            "{begun}a < !{{\"type\":\"pong\",\"t\":1,\"serverTime\":0,\"x\":\"{}\"}}",
            "x".repeat(1 << 20)
        );
        table(
            &CHECKER,
            &[
                ("FRAME-SCHEMA FRAME-SIZE-SENT SEC-CLIENT-ID-SECRET", begun),
                // A member that is not known is allowed; a client's id that the client itself has written is no secret.
                (
                    "FRAME-SCHEMA",
                    "a > hello\na < {\"type\":\"pong\",\"t\":1,\"serverTime\":2,\"extra\":null}",
                ),
                (
                    "",
                    "a > hello alice\na < welcome 0 0\na > push 1 x t/k=alice\na < update s 0..1 replace t/k=alice@1",
                ),
            ],
            &[
                ("FRAME-SCHEMA", "a < {\"type\":\"pong\",\"t\":1}"),
                ("FRAME-SCHEMA", "a < !nonsense"),
                ("FRAME-SCHEMA", "a < [1]"),
                (
                    "FRAME-SCHEMA",
                    "a < {\"type\":\"pong\",\"t\":1,\"t\":1,\"serverTime\":2}",
                ),
                (
                    "FRAME-SCHEMA",
                    "a < {\"type\":\"push\",\"epoch\":\"e\",\"mutations\":[{\"seq\":1,\"opId\":\"x\",\"ops\":[]}]}",
                ),
                (
                    "FRAME-SCHEMA",
                    "a < update s 0..5 t/k=1@5 more\na < {\"type\":\"update\",\"shape\":\"s\",\"from\":0}",
                ),
                ("FRAME-SIZE-SENT", &large),
                (
                    "SEC-CLIENT-ID-SECRET",
                    "a > hello alice\na < welcome 0 0\nb > hello\nb < {\"type\":\"pong\",\"t\":1,\"serverTime\":0,\"by\":\"alice\"}",
                ),
                (
                    "SEC-CLIENT-ID-SECRET",
                    "a > hello alice-of-this-run\na < welcome 0 0\nb > hello\nb < {\"type\":\"pong\",\"t\":1,\"serverTime\":0,\"by\":\"client:alice-of-this-run:session\"}",
                ),
            ],
        );
    }

    #[test]
    fn what_the_runner_sends_is_judged_too() {
        let findings = run(&CHECKER, "a > {\"type\":\"ping\"}");
        assert!(
            findings.internal[0].contains("it sent"),
            "{:?}",
            findings.internal
        );
    }
}
