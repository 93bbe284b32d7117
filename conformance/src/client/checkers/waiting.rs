//! Waiting: as long as the server has asked for, at least.
//!
//! What passed between the server's word and the client's deed, as the runner saw it, is never less than what the client waited: so a client that is
//! found too early was.

use serde_json::Value;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts, mutations};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "waiting",
    requirements: &["CLIENT-DEFERRED", "CLIENT-BACKOFF"],
    check,
};

/// Clocks that count whole milliseconds may be so much early.
const ROUNDING_US: u64 = 2_000;

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for conn in &facts.conns {
        for said in conn.frames.iter().filter(|said| !said.by_client) {
            deferred(facts, conn, said.at, said.frame.member("results"), findings);
            let ends =
                said.frame.kind() == "goaway" || said.frame.string("scope") == Some("connection");
            if let (true, Some(ms)) = (ends, said.frame.number("retryAfterMs")) {
                let next = facts.attempt_after(conn.client, said.at);
                waited(
                    "CLIENT-BACKOFF",
                    facts,
                    conn,
                    [Some(said.at), next],
                    ms,
                    findings,
                );
            }
        }
    }
}

/// A mutation that was deferred is not sent again too early, on the connection on which it was.
fn deferred(
    facts: &Facts<'_>,
    conn: &Conn<'_>,
    at: usize,
    results: Option<&Value>,
    findings: &mut Findings,
) {
    let results = results.and_then(Value::as_array).into_iter().flatten();
    for result in results.filter(|result| result["status"] == "deferred") {
        let Some((ms, seq)) = whole(&result["retryAfterMs"]).zip(whole(&result["seq"])) else {
            continue;
        };
        let mut later = conn.pushes().filter(|push| push.at > at);
        let again = later.find(|push| mutations(push.frame).any(|(own, _)| own == seq));
        waited(
            "CLIENT-DEFERRED",
            facts,
            conn,
            [Some(at), again.map(|push| push.at)],
            ms,
            findings,
        );
    }
}

fn waited(
    requirement: &'static str,
    facts: &Facts<'_>,
    conn: &Conn<'_>,
    [from, to]: [Option<usize>; 2],
    ms: u64,
    findings: &mut Findings,
) {
    let Some((from, to)) = from.zip(to) else {
        return;
    };
    let passed = facts.at_most_us(conn.client, from, to);
    let expected = || format!("at least {ms} ms of waiting");
    let actual = || format!("{} ms passed", passed / 1_000);
    findings.must(
        requirement,
        passed + ROUNDING_US >= ms * 1_000,
        [from, to],
        expected,
        actual,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::{judge, opens};

    #[test]
    fn waits() {
        let line = |text: &str| text.to_owned();
        let push = line(
            r#"a/s > {"type":"push","epoch":"e","mutations":[{"seq":1,"opId":"m","ops":[]}]}"#,
        );
        let ack = line(
            r#"a/s < {"type":"ack","re":2,"results":[{"seq":1,"opId":"m","status":"deferred","code":"x","retryAfterMs":300}]}"#,
        );
        let goaway = line(r#"a/s < {"type":"goaway","reason":"shutdown","retryAfterMs":300}"#);
        let connects = line("a connects");
        let skip = [
            line(r#"a ? {"id":7,"do":"skip_time","ms":250}"#),
            line(r#"a ! {"id":7,"ok":{}}"#),
        ];
        let table = [
            (
                vec![push.clone(), ack.clone(), line("+300"), push.clone()],
                "",
            ),
            (
                vec![push.clone(), ack.clone(), line("+100"), push.clone()],
                "CLIENT-DEFERRED",
            ),
            (
                vec![
                    push.clone(),
                    ack.clone(),
                    skip[0].clone(),
                    skip[1].clone(),
                    line("+60"),
                    push.clone(),
                ],
                "",
            ),
            (
                vec![
                    skip[0].clone(),
                    skip[1].clone(),
                    push.clone(),
                    ack,
                    line("+60"),
                    push,
                ],
                "CLIENT-DEFERRED",
            ),
            (vec![goaway.clone(), line("+300"), connects.clone()], ""),
            (
                vec![goaway.clone(), line("+100"), connects.clone()],
                "CLIENT-BACKOFF",
            ),
            // The app may insist.
            (
                vec![goaway, line(r#"a ? {"id":8,"do":"go_online"}"#), connects],
                "",
            ),
        ];
        for (history, broken) in table {
            let history = [opens("a/s", "x", 0), history].concat();
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }
}
