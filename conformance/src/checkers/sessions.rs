//! Sessions: one of a client at a time, named apart, and limits that do not shrink.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;
use syncline_schemas::files;

use super::{Checker, Findings};
use crate::facts::{Conn, Facts};

pub(super) const CHECKER: Checker = Checker {
    name: "sessions",
    requirements: &["CONN-REPLACED", "CONN-SESSION-NAME", "CONN-LIMITS"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    // Of each client those that were not over before the next was opened.
    let mut open: BTreeMap<(&str, Option<&str>), Vec<&Conn>> = BTreeMap::new();
    // Whose hello came later is the newer, whichever was opened first.
    let mut conns: Vec<&Conn> = facts.conns.iter().collect();
    conns.sort_by_key(|conn| conn.hello.as_ref().map(|hello| hello.at));
    for newer in conns {
        named(newer, &mut names, findings);
        let of_client = (newer.workspace(), newer.client());
        let older = open.entry(of_client).or_default();
        older.retain(|older| older.ended.is_none_or(|end| end.at >= newer.opened_at));
        for older in older.iter() {
            replaced(facts, older, newer, findings);
        }
        if newer.client().is_some() {
            older.push(newer);
        }
    }
    limits(facts, findings);
}

/// The least of a limit that may be announced.
struct Minimum {
    least: u64,
    /// Every server announces it.
    of_core: bool,
}

/// The least that every server must allow, from `limits.json`.
static MINIMUMS: LazyLock<BTreeMap<String, Minimum>> = LazyLock::new(|| {
    let file = files::SCHEMAS
        .iter()
        .find(|file| file.path == "limits.json")
        .expect("there is such a schema");
    let schema: Value = serde_json::from_str(file.text).expect("a schema is JSON");
    let required = schema["required"].as_array().expect("a list");
    let limits = schema["properties"].as_object().into_iter().flatten();
    let minimum = |(name, limit): (&String, &Value)| {
        let minimum = Minimum {
            least: limit["minimum"].as_u64()?,
            of_core: required.iter().any(|required| required == name),
        };
        Some((name.clone(), minimum))
    };
    limits.filter_map(minimum).collect()
});

/// A second `hello` of a client ends the session of the first.
fn replaced(facts: &Facts, older: &Conn, newer: &Conn, findings: &mut Findings) {
    let (Some(client), Some(hello), Some((welcome, _))) =
        (older.client(), &newer.hello, &newer.welcome)
    else {
        return;
    };
    let same = newer.client() == Some(client) && newer.workspace() == older.workspace();
    let begun = older.welcome.as_ref().is_some_and(|(at, _)| *at < hello.at);
    if !same || !begun || older.ended.is_some_and(|end| end.at < hello.at) {
        return;
    }
    let later = &older.sent[older.sent_before(*welcome)..];
    let after = later.iter().find_map(|sent| sent.answer);
    if let Some(answer) = after {
        findings.broken(
            "CONN-REPLACED",
            [*welcome, answer],
            "the older session is over",
            "it answered what was sent after the newer welcome",
        );
    }
    let Some(end) = older
        .ended
        .filter(|end| end.by_server() && end.code().is_some())
    else {
        return;
    };
    let by_hook = facts
        .hooks
        .iter()
        .any(|(hook, begun, _)| hook.ends_connections() && *begun < end.at && *begun > hello.at);
    let last = older.received.last().and_then(|at| facts.frame(*at));
    let said = last.is_some_and(|frame| {
        frame.kind() == "goaway" && frame.string("reason") == Some("session_replaced")
    });
    // One that was not reading may have been given up before, which the runner sees only now; and closing it is enough.
    let reason = last
        .filter(|frame| frame.kind() == "goaway")
        .and_then(|frame| frame.string("reason"));
    let paused = older.may_end_at.is_some_and(|at| at < hello.at);
    let given_up = match reason {
        None | Some("slow_consumer" | "idle") => paused,
        // A server may end all its sessions at any time.
        Some(reason) => matches!(reason, "shutdown" | "history_replaced"),
    };
    if !by_hook && !given_up {
        let actual = || {
            last.map_or_else(
                || "nothing".to_owned(),
                |frame| format!("last it said {frame}"),
            )
        };
        findings.must(
            "CONN-REPLACED",
            said,
            [*welcome, end.at],
            || "goaway session_replaced, then the close".to_owned(),
            actual,
        );
    }
}

/// No two sessions have the same name.
fn named<'a>(newer: &'a Conn, names: &mut BTreeMap<&'a str, usize>, findings: &mut Findings) {
    let Some((at, welcome)) = &newer.welcome else {
        return;
    };
    let Some(name) = welcome["session"].as_str() else {
        return;
    };
    // There is occasion once there are two.
    let others = !names.is_empty();
    if let Some(before) = names.insert(name, *at) {
        let expected = format!("another name than {name:?}");
        findings.broken(
            "CONN-SESSION-NAME",
            [before, *at],
            expected,
            format!("{name:?}"),
        );
    } else if others {
        findings.judged("CONN-SESSION-NAME");
    }
}

/// Each limit is at least its minimum, and `inFlightMax` is never below one announced earlier.
fn limits(facts: &Facts, findings: &mut Findings) {
    for (index, conn) in facts.conns.iter().enumerate() {
        let Some((at, _)) = conn.welcome else {
            continue;
        };
        for (name, minimum) in MINIMUMS.iter() {
            // Those of a capability are announced where it is offered: its chapter says so.
            let announced = facts.limit(index, name);
            let limit = announced.unwrap_or(if minimum.of_core { 0 } else { u64::MAX });
            let minimum = minimum.least;
            findings.must(
                "CONN-LIMITS",
                limit >= minimum,
                [at],
                || format!("{name} at least {minimum}"),
                || limit.to_string(),
            );
        }
    }
    let mut highest: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    let sessions = facts
        .conns
        .iter()
        .enumerate()
        .filter_map(|(index, conn)| Some((conn, facts.limit(index, "inFlightMax")?)));
    let mut told: Vec<_> = sessions
        .filter_map(|(conn, limit)| Some((conn.welcome.as_ref()?.0, conn.workspace(), limit)))
        .collect();
    told.sort_unstable();
    for (at, workspace, limit) in told {
        let (before, announced) = *highest.entry(workspace).or_insert((limit, at));
        findings.must(
            "CONN-LIMITS",
            limit >= before,
            [announced, at],
            || format!("inFlightMax at least {before}"),
            || limit.to_string(),
        );
        highest.insert(workspace, (before.max(limit), at));
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_sessions() {
        let both =
            |rest: &str| format!("a > hello alice\na < welcome 0 0\nb > hello alice\n{rest}");
        // Two sessions, and another on a connection of the first's name, which is the name of its session.
        let again = |workspace: &str| {
            format!(
                "a > hello\na < welcome 0 0\nb > hello\nb < welcome 0 0\na open\n\
                 a > {{\"type\":\"hello\",\"workspace\":\"{workspace}\"}}\na < welcome 0 0"
            )
        };
        let limits = |in_flight: u64| {
            let mut limits =
                serde_json::to_value(syncline_schemas::Limits::default()).expect("limits are JSON");
            limits["inFlightMax"] = in_flight.into();
            format!(
                r#"< {{"type":"welcome","epoch":"e","session":"s","version":0,"limits":{limits}}}"#
            )
        };
        let good = [
            (
                "CONN-REPLACED CONN-SESSION-NAME CONN-LIMITS",
                both("a < goaway session_replaced\na closed 1001\nb < welcome 0 0"),
            ),
            (
                "CONN-REPLACED",
                both("b < welcome 0 0\na < goaway session_replaced\na closed 1001"),
            ),
            // Sent before the newer welcome came: it may be answered.
            ("", both("a > ping 1\nb < welcome 0 0\na < pong 1")),
            ("", both("a left\nb < welcome 0 0")),
            // Others may have ended it before: the whole server, or what waits for those who do not read.
            (
                "",
                both("b < welcome 0 0\na < goaway shutdown\na closed 1001"),
            ),
            (
                "",
                both("b < welcome 0 0\na < goaway idle\na closed 1001")
                    .replace("b > hello", "a may end\nb > hello"),
            ),
            // Each of three ends the one before it.
            (
                "CONN-REPLACED CONN-SESSION-NAME",
                both(
                    "b < welcome 0 0\na < goaway session_replaced\na closed 1001\n\
                     c > hello alice\nc < welcome 0 0\nb < goaway session_replaced\nb closed 1001\nc > ping 1\nc < pong 1",
                ),
            ),
            // Opened first, but its hello came last: it is the newer one.
            (
                "CONN-REPLACED",
                format!(
                    "b open\n{}",
                    both(
                        "b < welcome 0 0\na < goaway session_replaced\na closed 1001\nb > ping 1\nb < pong 1"
                    )
                ),
            ),
        ];
        let bad = [
            (
                "CONN-REPLACED",
                both("b < welcome 0 0\na > ping 1\na < pong 1"),
            ),
            ("CONN-REPLACED", both("b < welcome 0 0\na closed 1001")),
            (
                "CONN-REPLACED",
                both("b < welcome 0 0\na < goaway idle\na closed 1001"),
            ),
            (
                "CONN-SESSION-NAME",
                format!("a > hello\na {}\nb > hello\nb {}", limits(256), limits(256)),
            ),
            // The third has the first's name, and so has one of another workspace.
            ("CONN-SESSION-NAME", again("w")),
            ("CONN-SESSION-NAME", again("v")),
            // The third ends the first, though the second was never welcomed; and the second, though the first is still there.
            (
                "CONN-REPLACED",
                both("c > hello alice\nc < welcome 0 0\na > ping 1\na < pong 1"),
            ),
            (
                "CONN-REPLACED",
                both(
                    "b < welcome 0 0\nc > hello alice\na < goaway session_replaced\na closed 1001\nc < welcome 0 0\nb > ping 1\nb < pong 1",
                ),
            ),
            // Opened first, but its hello came last.
            (
                "CONN-REPLACED",
                format!(
                    "b open\n{}",
                    both("b < welcome 0 0\na > ping 1\na < pong 1")
                ),
            ),
            (
                "CONN-LIMITS",
                format!("a > hello\na < welcome 0 0\nb > hello\nb {}", limits(255)),
            ),
            ("CONN-LIMITS", format!("a > hello\na {}", limits(0))),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
        // One name has nothing to differ from.
        let one = super::super::notation::run(&CHECKER, "a > hello\na < welcome 0 0");
        assert!(!one.judged.contains("CONN-SESSION-NAME"));
    }
}
