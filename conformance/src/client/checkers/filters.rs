//! Filters: a cursor is named with the filters under which an update has led to it, and with no others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts};
use crate::facts::Filters;
use crate::history::{Frame, whole};

pub(super) const CHECKER: Checker = Checker {
    name: "filters",
    requirements: &["FLT-CLIENT-CURSOR"],
    check,
};

/// A cursor of a shape, whatever its filters: its tables, epoch and version.
type At = (BTreeSet<String>, String, u64);

/// The filters under which an update has led to a cursor.
type Led = BTreeMap<At, BTreeSet<Filters>>;

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut led = Led::new();
    for conn in &facts.conns {
        // What came later on the connection only speaks for the client.
        ends(conn, &mut led);
        for said in conn.sent().filter(|said| said.frame.kind() == "subscribe") {
            let Some(cursor) = said.frame.member("cursor") else {
                continue;
            };
            let epoch = cursor["epoch"].as_str().unwrap_or_default().to_owned();
            let version = whole(&cursor["version"]).unwrap_or(0);
            // One to which nothing has led at all is judged elsewhere.
            let Some(under) = led.get(&(tables(said.frame), epoch, version)) else {
                continue;
            };
            let filters = Filters::of(said.frame);
            if filters.is_empty() && under.iter().all(Filters::is_empty) {
                continue;
            }
            let expected = || "a cursor with the filters under which it was come to".to_owned();
            let (at, actual) = ([said.at], || said.frame.to_string());
            findings.must(
                "FLT-CLIENT-CURSOR",
                under.contains(&filters),
                at,
                expected,
                actual,
            );
        }
    }
}

/// Adds the cursors to which the complete updates of a connection lead.
fn ends(conn: &Conn<'_>, led: &mut Led) {
    let welcome = conn.welcome.map(|(_, welcome)| &welcome["epoch"]);
    let epoch = welcome.and_then(Value::as_str).unwrap_or_default();
    let mut shapes: BTreeMap<&str, (BTreeSet<String>, Filters)> = BTreeMap::new();
    for said in conn.frames.iter().filter(|said| !said.by_client) {
        let shape = said.frame.string("shape").unwrap_or_default();
        match said.frame.kind() {
            "subscribed" => {
                shapes.insert(shape, (tables(said.frame), Filters::of(said.frame)));
            }
            "update" => {
                let (Some(to), Some((tables, filters))) =
                    (said.frame.number("to"), shapes.get(shape))
                else {
                    continue;
                };
                let at = (tables.clone(), epoch.to_owned(), to);
                led.entry(at).or_default().insert(filters.clone());
            }
            _ => {}
        }
    }
}

fn tables(frame: &Frame) -> BTreeSet<String> {
    let tables = frame.member("tables").and_then(Value::as_object);
    tables
        .into_iter()
        .flat_map(|tables| tables.keys().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::{judge, opens};

    #[test]
    fn cursors_and_filters() {
        let filtered = |n: &str| format!(r#"{{"where":{{"field":"n","eq":{n}}}}}"#);
        let served = |filter: &str, to: u64| {
            let subscribed = format!(
                r#"a/s < {{"type":"subscribed","id":"i","shape":"h","tables":{{"t":{filter}}}}}"#
            );
            let update =
                format!(r#"a/s < {{"type":"update","shape":"h","from":0,"to":{to},"changes":[]}}"#);
            vec![subscribed, update]
        };
        let named = |conn: &str, filter: &str, version: u64| {
            vec![format!(
                r#"{conn} > {{"type":"subscribe","id":"i","tables":{{"t":{filter}}},"cursor":{{"epoch":"e","version":{version}}}}}"#
            )]
        };
        let (one, two) = (filtered("1"), filtered("2"));
        let begun = |rest: Vec<Vec<String>>| {
            let shape = [opens("a/s", "x", 0), served(&one, 3), served(&two, 5)].concat();
            [shape, rest.concat()].concat()
        };
        let again = || opens("a/t", "x", 0);
        let table = [
            (begun(vec![named("a/s", &two, 5)]), ""),
            (begun(vec![again(), named("a/t", &filtered("2.0"), 5)]), ""),
            (begun(vec![again(), named("a/t", &one, 3)]), ""),
            (begun(vec![again(), named("a/t", &two, 4)]), ""),
            (
                begun(vec![again(), named("a/t", &two, 3)]),
                "FLT-CLIENT-CURSOR",
            ),
            (begun(vec![named("a/s", &one, 5)]), "FLT-CLIENT-CURSOR"),
            (begun(vec![named("a/s", "{}", 5)]), "FLT-CLIENT-CURSOR"),
            (
                [opens("a/s", "x", 0), served("{}", 3), named("a/s", &one, 3)].concat(),
                "FLT-CLIENT-CURSOR",
            ),
            (
                [opens("a/s", "x", 0), served("{}", 3), named("a/s", "{}", 3)].concat(),
                "",
            ),
        ];
        for (history, broken) in table {
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }
}
