//! Where a client stands: the history that it follows, and the cursors that it goes on from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "standing",
    requirements: &["CLIENT-EPOCH", "CLIENT-CURSOR-ATOMIC"],
    check,
};

/// A cursor of a shape: its tables, epoch and version.
type At<'a> = (BTreeSet<&'a str>, &'a str, u64);

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut told: BTreeSet<At<'_>> = BTreeSet::new();
    for conn in &facts.conns {
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
