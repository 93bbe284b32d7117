//! Where a client stands: the history that it follows, and the cursors that it goes on from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "standing",
    requirements: &[
        "CLIENT-EPOCH",
        "CLIENT-CURSOR-ATOMIC",
        "CLIENT-OUTCOME-STORED",
    ],
    check,
};

/// A cursor of a shape: its tables, epoch and version.
type At<'a> = (BTreeSet<&'a str>, &'a str, u64);

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut told: BTreeSet<At<'_>> = BTreeSet::new();
    for (index, conn) in facts.each() {
        outcomes(&facts.conns[..index], conn, findings);
        cursors(conn, &told, findings);
        told.extend(ends(conn));
        let Some((_, welcome)) = conn.welcome else {
            continue;
        };
        for push in conn.pushes() {
            let (epoch, named) = (&welcome["epoch"], push.frame.member("epoch"));
            let expected = || format!("the epoch of the session, {epoch}");
            findings.must(
                "CLIENT-EPOCH",
                named == Some(epoch),
                [push.at],
                expected,
                || format!("{named:?}"),
            );
        }
    }
}

/// No cursor is named at which no update ended: rows and cursor go together.
fn cursors(conn: &Conn<'_>, told: &BTreeSet<At<'_>>, findings: &mut Findings) {
    let here = ends(conn);
    for said in conn.sent().filter(|said| said.frame.kind() == "subscribe") {
        let Some(cursor) = said.frame.member("cursor") else {
            continue;
        };
        let at = (
            tables(said.frame.member("tables")),
            cursor["epoch"].as_str().unwrap_or_default(),
            whole(&cursor["version"]).unwrap_or(0),
        );
        let known = told.contains(&at) || here.contains(&at);
        let expected = || "a cursor to which an update of these tables has led".to_owned();
        findings.must("CLIENT-CURSOR-ATOMIC", known, [said.at], expected, || {
            cursor.to_string()
        });
    }
}

/// A cursor that a client comes with covers no outcome that it was told before the update that led there, and that it does not count.
fn outcomes(before: &[Conn<'_>], conn: &Conn<'_>, findings: &mut Findings) {
    let subscribes = conn.sent().filter(|said| said.frame.kind() == "subscribe");
    let Some(first) = subscribes.min_by_key(|said| said.at) else {
        return;
    };
    let Some((cursor, hello)) = first.frame.member("cursor").zip(conn.hello) else {
        return;
    };
    let (epoch, version) = (&cursor["epoch"], whole(&cursor["version"]).unwrap_or(0));
    let acked = whole(&hello["ackedSeq"]).unwrap_or(0);
    let same = before
        .iter()
        .filter(|other| other.client_id() == conn.client_id());
    for other in same.filter(|other| {
        other
            .welcome
            .is_some_and(|(_, welcome)| welcome["epoch"] == *epoch)
    }) {
        let reached = other
            .frames
            .iter()
            .filter(|said| !said.by_client && said.frame.number("to") == Some(version));
        let Some(reached) = reached.map(|said| said.at).min() else {
            continue;
        };
        let covered = other.outcomes().filter(|(at, outcome)| {
            *at < reached && whole(&outcome["version"]).is_some_and(|at| at <= version)
        });
        for (at, outcome) in covered {
            let seq = whole(&outcome["seq"]).unwrap_or(0);
            let expected = || {
                format!(
                    "ackedSeq {seq} at least: its outcome was told before the cursor {version} covered it"
                )
            };
            findings.must(
                "CLIENT-OUTCOME-STORED",
                acked >= seq,
                [at, first.at],
                expected,
                || format!("ackedSeq {acked}"),
            );
        }
    }
}

/// The cursors to which the complete updates of a connection lead.
fn ends<'a>(conn: &Conn<'a>) -> BTreeSet<At<'a>> {
    let epoch = conn
        .welcome
        .and_then(|(_, welcome)| welcome["epoch"].as_str())
        .unwrap_or_default();
    let mut shapes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut ends = BTreeSet::new();
    for said in conn.frames.iter().filter(|said| !said.by_client) {
        let shape = said.frame.string("shape").unwrap_or_default();
        match said.frame.kind() {
            "subscribed" => drop(shapes.insert(shape, tables(said.frame.member("tables")))),
            "update" => {
                let led = said.frame.number("to").zip(shapes.get(shape));
                ends.extend(led.map(|(to, tables)| (tables.clone(), epoch, to)));
            }
            _ => {}
        }
    }
    ends
}

fn tables(tables: Option<&Value>) -> BTreeSet<&str> {
    let tables = tables.and_then(Value::as_object);
    tables
        .into_iter()
        .flat_map(|tables| tables.keys().map(String::as_str))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::{judge, opens};

    #[test]
    fn histories_and_cursors() {
        let push =
            |epoch: &str| format!(r#"a/s > {{"type":"push","epoch":"{epoch}","mutations":[]}}"#);
        let subscribe = |conn: &str, table: &str, version: u64| {
            format!(
                r#"{conn} > {{"type":"subscribe","id":"i","tables":{{"{table}":{{}}}},"cursor":{{"epoch":"e","version":{version}}}}}"#
            )
        };
        let subscribed =
            r#"a/s < {"type":"subscribed","id":"i","shape":"h","tables":{"t":{}}}"#.to_owned();
        let update = |to: u64| {
            format!(r#"a/s < {{"type":"update","shape":"h","from":0,"to":{to},"changes":[]}}"#)
        };
        let ack = r#"a/s < {"type":"ack","results":[{"seq":1,"opId":"m","status":"applied","version":4}]}"#.to_owned();
        let open = |conn: &str, acked: u64| opens(conn, "x", acked);
        let shape = [
            open("a/s", 0),
            vec![subscribed.clone(), update(3), update(5)],
        ]
        .concat();
        let acked = [open("a/s", 0), vec![subscribed, ack, update(5)]].concat();
        let table = [
            ([open("a/s", 0), vec![push("e")]].concat(), ""),
            ([open("a/s", 0), vec![push("f")]].concat(), "CLIENT-EPOCH"),
            (
                [
                    shape.clone(),
                    open("a/t", 0),
                    vec![subscribe("a/t", "t", 3)],
                ]
                .concat(),
                "",
            ),
            ([shape.clone(), vec![subscribe("a/s", "t", 5)]].concat(), ""),
            (
                [
                    shape.clone(),
                    open("a/t", 0),
                    vec![subscribe("a/t", "t", 4)],
                ]
                .concat(),
                "CLIENT-CURSOR-ATOMIC",
            ),
            (
                [shape, open("a/t", 0), vec![subscribe("a/t", "u", 5)]].concat(),
                "CLIENT-CURSOR-ATOMIC",
            ),
            (
                [
                    acked.clone(),
                    open("a/t", 1),
                    vec![subscribe("a/t", "t", 5)],
                ]
                .concat(),
                "",
            ),
            (
                [acked, open("a/t", 0), vec![subscribe("a/t", "t", 5)]].concat(),
                "CLIENT-OUTCOME-STORED",
            ),
        ];
        for (history, broken) in table {
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }
}
