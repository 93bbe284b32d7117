//! Ends: no connection is broken off without a word.
//!
//! A step sees that only on the connection that it waits on. Of all the others a server that loses its subscribers one by one would never be asked.

use std::collections::BTreeSet;

use super::{Checker, Findings};
use crate::facts::{Conn, Facts, How};

pub(super) const CHECKER: Checker = Checker {
    name: "ends",
    requirements: &["UPD-DELIVERED"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let served = facts
        .subs
        .iter()
        .filter(|sub| sub.unsubscribed_at.is_none());
    let ends: BTreeSet<usize> = served.filter_map(|sub| sub.ended_at).collect();
    for conn in &facts.conns {
        if let Some((at, how)) = broken_off(facts, conn) {
            if ends.contains(&at) && how != How::Reset {
                let expected = format!(
                    "{} is served for as long as it reads, or told why not",
                    conn.name
                );
                let actual = "the server broke it off without a word";
                findings.broken("UPD-DELIVERED", [at], expected, actual);
            } else {
                let name = &conn.name;
                findings.unclear(format!("the server broke {name} off, and nobody knows why"));
            }
        }
    }
}

/// Where the server ended a connection without a close frame, without having said why, and without having been given a reason.
fn broken_off(facts: &Facts, conn: &Conn) -> Option<(usize, How)> {
    let end = conn
        .ended
        .filter(|end| end.by_server() && end.code().is_none())?;
    let may_end = conn.may_end_at.is_some_and(|at| at < end.at);
    let last = conn.received.last().and_then(|at| facts.frame(*at));
    let said = last.is_some_and(|last| match last.kind() {
        "goaway" => true,
        "error" => last.string("scope") == Some("connection"),
        _ => false,
    });
    (!may_end && !said).then_some((end.at, end.how))
}

#[cfg(test)]
mod tests {
    use super::super::notation::{run, table};
    use super::*;

    const BEGUN: &str = "a > hello\na < welcome 0 0\na > subscribe i t\na < subscribed i s t\na < update s 0..0 replace\n";

    #[test]
    fn good_and_bad_ends() {
        let ends = |how: &str| format!("{BEGUN}{how}");
        let good = [
            ends("a closed 1001"),
            ends("a left"),
            ends("a < goaway shutdown\na closed"),
            ends("a may end\na closed"),
        ];
        let bad = ends("a closed");
        table(
            &CHECKER,
            &good.each_ref().map(|text| ("", text.as_str())),
            &[("UPD-DELIVERED", bad.as_str())],
        );
    }

    #[test]
    fn of_one_that_had_nothing_to_lose_nothing_is_known() {
        for history in [
            "a > hello\na < welcome 0 0\na closed",
            &format!("{BEGUN}a reset"),
        ] {
            let findings = run(&CHECKER, history);
            assert!(
                findings.violations.is_empty() && !findings.unclear.is_empty(),
                "{history}"
            );
        }
    }
}
