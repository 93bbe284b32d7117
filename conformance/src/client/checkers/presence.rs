//! Presence: who says that it is present, says so to a server that wants to hear it, and says what its app has said.

use serde_json::Value;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts, Said};
use crate::history::Event;
use crate::matcher::equal;

pub(super) const CHECKER: Checker = Checker {
    name: "presence",
    requirements: &["PRES-OFFERED", "PRES-AGAIN"],
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for conn in &facts.conns {
        let presents = conn.sent().filter(|said| said.frame.kind() == "present");
        for said in presents {
            let expected =
                || "no present on a session whose welcome does not list presence".to_owned();
            let shown = || said.frame.to_string();
            findings.must("PRES-OFFERED", is_offered(conn), [said.at], expected, shown);
            if let Some(state) = said.frame.member("state") {
                let wanted = wants(facts, conn, said, state);
                let expected = || "a state that the app wants others to see".to_owned();
                findings.must("PRES-AGAIN", wanted, [said.at], expected, shown);
            }
        }
    }
}

fn is_offered(conn: &Conn<'_>) -> bool {
    let Some((_, welcome)) = conn.welcome else {
        return false;
    };
    let mut offered = welcome["capabilities"].as_array().into_iter().flatten();
    offered.any(|name| name == "presence")
}

/// Whether the app has asked for this state, and, before the connection was opened, for nothing else since.
fn wants(facts: &Facts<'_>, conn: &Conn<'_>, said: &Said<'_>, state: &Value) -> bool {
    let opened = conn.welcome.map_or(usize::MAX, |(at, _)| at);
    let refused = |id: Option<&Value>| {
        facts.entries.iter().any(|entry| {
            matches!(&entry.event, Event::Told { client, line }
            if client == conn.client && line.member("error").is_some() && line.member("id") == id)
        })
    };
    let asked = facts.entries[..said.at].iter().enumerate();
    let asked = asked.filter_map(|(at, entry)| match &entry.event {
        Event::Asked { client, line }
            if client == conn.client && line.string("do") == Some("present") =>
        {
            (!refused(line.member("id"))).then_some((at, line.member("state")))
        }
        _ => None,
    });
    // What was asked for before the last that came before the welcome is superseded.
    let mut standing = Vec::new();
    for (at, asked) in asked {
        if at < opened {
            standing.clear();
        }
        standing.push(asked);
    }
    let same = |asked: &Option<&Value>| asked.is_some_and(|asked| equal(asked, state));
    standing.iter().any(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::judge;

    #[test]
    fn good_and_bad_presence() {
        let opened = |capabilities: &str| {
            vec![
                r#"a/s > {"type":"hello","workspace":"w","clientId":"x"}"#.to_owned(),
                format!(
                    r#"a/s < {{"type":"welcome","epoch":"e","lastSeq":0,"results":[],"capabilities":[{capabilities}]}}"#
                ),
            ]
        };
        let (offered, not) = (opened(r#""digests","presence""#), opened(r#""digests""#));
        let ask = |state: &str| format!(r#"a ? {{"id":1,"do":"present","state":{state}}}"#);
        let say = |state: &str| format!(r#"a/s > {{"type":"present","state":{state}}}"#);
        let withdrawn = || r#"a/s > {"type":"present"}"#.to_owned();
        let table = [
            (
                [offered.clone(), vec![ask("1"), say("1"), withdrawn()]].concat(),
                "",
            ),
            (
                [vec![ask("null")], offered.clone(), vec![say("null")]].concat(),
                "",
            ),
            (
                [
                    offered.clone(),
                    vec![ask("1"), ask("2"), say("1"), say("2")],
                ]
                .concat(),
                "",
            ),
            ([offered.clone(), vec![say("1")]].concat(), "PRES-AGAIN"),
            (
                [offered.clone(), vec![ask("1"), say("2")]].concat(),
                "PRES-AGAIN",
            ),
            (
                [vec![ask("1"), ask("2")], offered.clone(), vec![say("1")]].concat(),
                "PRES-AGAIN",
            ),
            (
                [
                    vec![ask("1"), r#"a ? {"id":2,"do":"present"}"#.to_owned()],
                    offered,
                    vec![say("1")],
                ]
                .concat(),
                "PRES-AGAIN",
            ),
            // What was refused changes nothing.
            (
                [
                    vec![
                        r#"a ? {"id":9,"do":"present","state":7}"#.to_owned(),
                        ask("1"),
                        r#"a ! {"id":1,"error":{"message":""}}"#.to_owned(),
                    ],
                    opened(r#""presence""#),
                    vec![say("7")],
                ]
                .concat(),
                "",
            ),
            (
                [not.clone(), vec![ask("1"), say("1")]].concat(),
                "PRES-OFFERED",
            ),
            ([not, vec![withdrawn()]].concat(), "PRES-OFFERED"),
        ];
        for (history, broken) in table {
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }
}
