//! History: who asks for the past asks a server that tells it, one question at a time, from places of the present epoch.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts, Said};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "history",
    requirements: &["HIST-OFFERED", "HIST-ONE-BY-ONE", "HIST-SAME-EPOCH"],
    check,
};

/// A version and one of its changes.
type Place = (u64, u64);

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for conn in &facts.conns {
        let mut open: BTreeSet<u64> = BTreeSet::new();
        let mut ordinal = 0;
        for said in &conn.frames {
            ordinal += u64::from(said.by_client);
            match (said.by_client, said.frame.kind()) {
                (true, "history") => {
                    asked(facts, conn, said, &open, findings);
                    open.insert(ordinal);
                }
                (false, "past" | "error") => {
                    said.frame.number("re").map(|re| open.remove(&re));
                }
                _ => {}
            }
        }
    }
}

fn asked(
    facts: &Facts<'_>,
    conn: &Conn<'_>,
    said: &Said<'_>,
    open: &BTreeSet<u64>,
    findings: &mut Findings,
) {
    let shown = || said.frame.to_string();
    let expected = || "no history on a session whose welcome does not list it".to_owned();
    findings.must("HIST-OFFERED", is_offered(conn), [said.at], expected, shown);
    let expected = || format!("no history while the frames {open:?} are not answered");
    findings.must(
        "HIST-ONE-BY-ONE",
        open.is_empty(),
        [said.at],
        expected,
        shown,
    );
    for place in ["before", "after"]
        .iter()
        .filter_map(|name| place(said.frame.member(name)?))
    {
        let own = epoch(conn);
        let told = |other: &&Conn<'_>| places(other, said.at).any(|told| told == place);
        let mut tellers = facts.conns.iter().filter(told).map(epoch).peekable();
        let known = tellers.peek().is_none() || tellers.any(|of| of == own);
        let expected = || "a place that was told in this epoch".to_owned();
        findings.must("HIST-SAME-EPOCH", known, [said.at], expected, shown);
    }
}

fn is_offered(conn: &Conn<'_>) -> bool {
    let Some((_, welcome)) = conn.welcome else {
        return false;
    };
    let mut offered = welcome["capabilities"].as_array().into_iter().flatten();
    offered.any(|name| name == "history")
}

fn epoch<'a>(conn: &Conn<'a>) -> Option<&'a str> {
    conn.welcome
        .and_then(|(_, welcome)| welcome["epoch"].as_str())
}

/// The places that a connection was told before an entry.
fn places<'a>(conn: &'a Conn<'_>, before: usize) -> impl Iterator<Item = Place> + 'a {
    let frames = conn
        .frames
        .iter()
        .filter(move |said| said.at < before && !said.by_client);
    let changes = frames.filter_map(|said| said.frame.member("changes")?.as_array());
    changes.flatten().filter_map(place)
}

fn place(value: &Value) -> Option<Place> {
    Some((whole(&value["version"])?, whole(&value["index"])?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::judge;

    fn opened(conn: &str, epoch: &str, capability: &str) -> Vec<String> {
        vec![
            format!(r#"{conn} > {{"type":"hello","workspace":"w","clientId":"x"}}"#),
            format!(
                r#"{conn} < {{"type":"welcome","epoch":"{epoch}","lastSeq":0,"results":[],"capabilities":["{capability}"]}}"#
            ),
        ]
    }

    fn ask(conn: &str, before: &str) -> String {
        format!(r#"{conn} > {{"type":"history","table":"t","order":"newest"{before}}}"#)
    }

    fn tell(conn: &str, re: u64) -> String {
        format!(
            r#"{conn} < {{"type":"past","re":{re},"from":1,"to":9,"hasMore":true,"changes":[{{"version":5,"index":1}}]}}"#
        )
    }

    #[test]
    fn good_and_bad_questions() {
        let (s, t, u) = (
            opened("a/s", "e", "history"),
            opened("a/t", "e", "history"),
            opened("a/u", "f", "history"),
        );
        let place = r#","before":{"version":5,"index":1}"#;
        let refused = r#"a/s < {"type":"error","code":"x","re":2}"#.to_owned();
        let again = || vec![ask("a/s", ""), tell("a/s", 2), ask("a/s", place)];
        let table = [
            ([s.clone(), again()].concat(), ""),
            (
                [s.clone(), vec![ask("a/s", ""), refused, ask("a/s", "")]].concat(),
                "",
            ),
            (
                [s.clone(), again(), t, vec![ask("a/t", place)]].concat(),
                "",
            ),
            // A place that the app has from a row.
            ([s.clone(), vec![ask("a/s", place)]].concat(), ""),
            (
                [s.clone(), vec![ask("a/s", ""), ask("a/s", "")]].concat(),
                "HIST-ONE-BY-ONE",
            ),
            (
                [
                    s.clone(),
                    vec![ask("a/s", ""), tell("a/s", 1), ask("a/s", "")],
                ]
                .concat(),
                "HIST-ONE-BY-ONE",
            ),
            (
                [s.clone(), again(), u, vec![ask("a/u", place)]].concat(),
                "HIST-SAME-EPOCH",
            ),
            (
                [opened("a/s", "e", "digests"), vec![ask("a/s", "")]].concat(),
                "HIST-OFFERED",
            ),
        ];
        for (history, broken) in table {
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }
}
