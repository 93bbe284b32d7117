//! Timeouts: nobody is closed for silence before the time that was announced, and no server is silent for as long itself.
//!
//! What is looked at is the runner's clock, so only half the time counts as too early.

use super::{Checker, Findings};
use crate::facts::Facts;
use crate::history::ConnIx;

pub(super) const CHECKER: Checker = Checker {
    name: "timeouts",
    requirements: &["CONN-HELLO-TIMEOUT", "CONN-IDLE", "CONN-HEARTBEAT"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    for (index, conn) in facts.conns.iter().enumerate() {
        let last = conn
            .received
            .last()
            .and_then(|at| Some((*at, facts.frame(*at)?)));
        match last.map(|(at, last)| (at, last.string("code"), last.string("reason"))) {
            Some((at, Some("hello_timeout"), _)) if conn.sent.is_empty() => {
                let limit = announced(facts, "helloTimeoutMs");
                early(
                    "CONN-HELLO-TIMEOUT",
                    facts,
                    (conn.opened_at, at),
                    limit,
                    findings,
                );
            }
            // One that was not reading has answered pings late, and heard of them later still.
            Some((at, _, Some("idle"))) if conn.may_end_at.is_none() => {
                let spoke = conn.spoke_before(at);
                let limit = facts.limit(index, "idleTimeoutMs");
                early("CONN-IDLE", facts, (spoke, at), limit, findings);
                silent(facts, index, (spoke, at), limit, findings);
            }
            _ => {}
        }
    }
}

/// A limit as some session of the same server was told it.
fn announced(facts: &Facts, name: &str) -> Option<u64> {
    (0..facts.conns.len()).find_map(|conn| facts.limit(conn, name))
}

/// A server that closes for idleness has waited for long by its own clock; if nothing came meanwhile, it has left heartbeats out: they would have come before
/// its `goaway`.
fn silent(
    facts: &Facts,
    conn: ConnIx,
    (spoke, to): (usize, usize),
    idle_ms: Option<u64>,
    findings: &mut Findings,
) {
    let heartbeat_ms = facts.limit(conn, "heartbeatMs");
    let (Some(idle_ms), Some(heartbeat_ms)) = (idle_ms, heartbeat_ms) else {
        return;
    };
    let received = facts.conns[conn].received.iter();
    let heard = received.copied().rfind(|at| *at < to).unwrap_or(0);
    let from = heard.max(spoke);
    let silent_ms = (facts.entries[to].at_us - facts.entries[from].at_us) / 1000;
    findings.must(
        "CONN-HEARTBEAT",
        silent_ms < (2 * heartbeat_ms).max(idle_ms / 2),
        [from, to],
        || format!("a frame or a WebSocket ping at least every {heartbeat_ms} ms"),
        || format!("nothing for {silent_ms} ms, and then the end, for idleness"),
    );
}

fn early(
    requirement: &'static str,
    facts: &Facts,
    (from, to): (usize, usize),
    limit_ms: Option<u64>,
    findings: &mut Findings,
) {
    let Some(limit_ms) = limit_ms else { return };
    let took_ms = (facts.entries[to].at_us - facts.entries[from].at_us) / 1000;
    findings.must(
        requirement,
        took_ms >= limit_ms / 2,
        [from, to],
        || format!("not before {limit_ms} ms of silence"),
        || format!("after {took_ms} ms"),
    );
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_timeouts() {
        // The notation's clock ticks a millisecond a line; waiting is a line too.
        let begun = "a > hello\na < welcome 0 0\n";
        let idle = |rest: &str| format!("{begun}{rest}a < goaway idle\na closed 1001");
        let hello =
            |rest: &str| format!("{begun}b open\n{rest}b < error hello_timeout\nb closed 1008");
        table(
            &CHECKER,
            &[
                ("CONN-IDLE", idle("wait 60000\na < pong 1\n").as_str()),
                ("CONN-HEARTBEAT", idle("wait 60000\na < pong 1\n").as_str()),
                ("CONN-HELLO-TIMEOUT", hello("wait 10000\n").as_str()),
            ],
            &[
                ("CONN-HEARTBEAT", idle("wait 60000\n").as_str()),
                ("CONN-IDLE", idle("wait 60000\na heard\n").as_str()),
                ("CONN-IDLE", idle("wait 20000\n").as_str()),
                ("CONN-HELLO-TIMEOUT", hello("").as_str()),
            ],
        );
    }
}
