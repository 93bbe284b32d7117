//! What the author of a mutation gets: its outcome before any update that covers it, and then an update that passes it.

use super::{Checker, Findings};
use crate::facts::{Facts, Mutation, Sub};

pub(super) const CHECKER: Checker = Checker {
    name: "author",
    requirements: &["UPD-ACK-FIRST", "UPD-LEVEL"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    for sub in &facts.subs {
        let conn = &facts.conns[sub.conn];
        let Some(client) = conn.client() else {
            continue;
        };
        for mutation in facts.ledger.of_client(conn.workspace(), client) {
            ack_first(facts, sub, mutation, findings);
            level(facts, sub, mutation, findings);
        }
    }
}

/// A newly decided outcome comes as an ack before an update that covers its version.
fn ack_first(facts: &Facts, sub: &Sub, mutation: &Mutation, findings: &mut Findings) {
    let Some(outcome) = mutation.outcome(&sub.epoch) else {
        return;
    };
    let head = facts.conns[sub.conn]
        .welcome
        .as_ref()
        .and_then(|(_, welcome)| welcome.get("version").and_then(crate::history::whole));
    if head.is_none_or(|head| outcome.version <= head) {
        return;
    }
    let Some(covering) = covering(facts, sub, outcome.version) else {
        return;
    };
    let told = mutation
        .outcomes
        .iter()
        .find(|told| told.conn == sub.conn)
        .map(|told| told.at);
    let expected = || {
        format!(
            "the ack of {} before an update that covers its version {}",
            mutation.label(),
            outcome.version
        )
    };
    let actual = || {
        told.map_or_else(
            || "no ack".to_owned(),
            |_| "the update came first".to_owned(),
        )
    };
    findings.must(
        "UPD-ACK-FIRST",
        told.is_some_and(|told| told < covering),
        told.into_iter().chain([covering]),
        expected,
        actual,
    );
}

/// The first update frame that has a change of this version, or reaches it.
fn covering(facts: &Facts, sub: &Sub, version: u64) -> Option<usize> {
    let covers = |part: &&crate::facts::Part| {
        let changes = facts
            .frame(part.at)
            .and_then(|frame| frame.member("changes")?.as_array());
        let has = |change: &serde_json::Value| {
            change.get("version").and_then(crate::history::whole) == Some(version)
        };
        part.to.is_some_and(|to| to >= version) || changes.into_iter().flatten().any(has)
    };
    sub.parts.iter().find(covers).map(|part| part.at)
}

/// So much later than promised is not late: the runner's clock is not the server's.
const GRACE_MS: u64 = 200;

/// After the ack of an applied mutation, its author's shapes of the touched tables pass it within `limits.levelMs`. Only what had not come
/// by the answer to a later frame, though nothing else was coming, is held against the server.
fn level(facts: &Facts, sub: &Sub, mutation: &Mutation, findings: &mut Findings) {
    let Some(told) = mutation
        .outcomes
        .iter()
        .find(|told| told.conn == sub.conn && told.status == "applied")
    else {
        return;
    };
    let touches = mutation
        .rows()
        .iter()
        .any(|(table, _)| sub.tables.contains(table));
    if !touches || sub.subscribed_at > told.at || sub.ended_at.is_some_and(|ended| ended < told.at)
    {
        return;
    }
    let mut completes = sub.completes.iter();
    let passed = completes
        .find(|complete| complete.to >= told.version)
        .map(|complete| sub.parts[complete.last].at);
    let Some(limit) = facts.limit(sub.conn, "levelMs") else {
        return;
    };
    // A reader that does not read sees nothing in time: what was sent later and is answered shows that all before was read.
    let late_ms = limit
        .saturating_add(GRACE_MS)
        .saturating_add(facts.stalled_ms(told.at));
    let late = facts.entries[told.at]
        .at_us
        .saturating_add(late_ms.saturating_mul(1000));
    let later = facts.conns[sub.conn].sent.iter();
    let fence = later
        .filter(|sent| facts.entries[sent.at].at_us > late)
        .find_map(|sent| sent.answer)
        .filter(|fence| passed.is_none_or(|passed| *fence < passed));
    let live = |at: usize| {
        let over = sub.ended_at.or(sub.unsubscribed_at);
        over.is_none_or(|over| at < over)
    };
    // The parts of an update that are still coming take their time.
    let busy = |at: usize| {
        let last = sub.parts.iter().rev().find(|part| part.at < at);
        last.is_none_or(|part| part.more)
    };
    if let Some(fence) = fence.filter(|at| live(*at) && !busy(*at)) {
        let version = told.version;
        let expected =
            format!("an update to version {version} within {limit} ms (levelMs) of its ack");
        let actual = "none before the answer to a frame that was sent after that time";
        findings.broken("UPD-LEVEL", [told.at, fence], expected, actual);
    } else if passed.is_some() {
        findings.judged("UPD-LEVEL");
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_for_an_author() {
        let begun = |rest: &str| {
            format!(
                "a > hello alice\na < welcome 0 0\na > subscribe i t\na < subscribed i s t\na < update s 0..0 replace\na > push 1 x t/k=1\n{rest}"
            )
        };
        let limit = syncline_schemas::Limits::default().level_ms;
        let long = format!("wait {}\na > ping 1\na < pong 1\n", limit + GRACE_MS);
        let good = [
            (
                "UPD-ACK-FIRST UPD-LEVEL",
                begun("a < ack 3 1 x applied 1\na < update s 0..1 t/k=1@1"),
            ),
            (
                "UPD-LEVEL",
                begun("a < ack 3 1 x applied 1\na < update s 0..1"),
            ),
            // Told by another way first, or decided before the session began.
            (
                "UPD-ACK-FIRST",
                begun(
                    "a < ack - 1 x applied 1\na < update s 0..1 t/k=1@1\na < ack 3 1 x applied 1",
                ),
            ),
            (
                "",
                begun(
                    "b > hello alice\nb < welcome 1 1 [1 x applied 1]\nb > subscribe i t\nb < subscribed i s t\nb < update s 0..1 replace t/k=1@1",
                ),
            ),
            // Not much time has passed.
            ("", begun("a < ack 3 1 x applied 1\na > ping 1\na < pong 1")),
            (
                "",
                begun(&format!("a < ack 3 1 x rejected 1 no_ops\n{long}")),
            ),
            // The parts of another update are still coming.
            (
                "",
                begun(&format!(
                    "a < ack 3 1 x applied 1\na < update s 0.. replace t/k=1@1\n{long}"
                )),
            ),
        ];
        let bad = [
            (
                "UPD-ACK-FIRST",
                begun("a < update s 0..1 t/k=1@1\na < ack 3 1 x applied 1"),
            ),
            (
                "UPD-ACK-FIRST",
                begun("a < update s 0.. t/k=1@1\na < ack 3 1 x applied 1\na < update s 0..1"),
            ),
            (
                "UPD-ACK-FIRST",
                begun("a < update s 0..1\nb > hello alice\nb < welcome 1 1 [1 x applied 1]"),
            ),
            (
                "UPD-LEVEL",
                begun(&format!("a < ack 3 1 x applied 1\n{long}")),
            ),
            // It came, and too late.
            (
                "UPD-LEVEL",
                begun(&format!(
                    "a < ack 3 1 x applied 1\n{long}a < update s 0..1 t/k=1@1"
                )),
            ),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
