//! What the author of a mutation gets: its outcome before any update that covers it, and then an update that passes it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Findings};
use crate::facts::{Facts, Mutation, Outcome, Sub};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "author",
    requirements: &["UPD-ACK-FIRST", "UPD-LEVEL"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let (decided, applied) = (decided(facts), applied(facts));
    for sub in &facts.subs {
        let conn = &facts.conns[sub.conn];
        if let Some(client) = conn.client() {
            let chain = (conn.workspace(), client, sub.epoch.as_str());
            let decided = decided.get(&chain).map_or(&[][..], Vec::as_slice);
            ack_first(facts, sub, decided, findings);
        }
        // What was told before it began, or after its end, says nothing of it.
        let applied = &applied[sub.conn];
        let begun = applied.partition_point(|(_, told)| told.at < sub.subscribed_at);
        let ended = sub.ended_at.unwrap_or(usize::MAX);
        let until = applied.partition_point(|(_, told)| told.at <= ended);
        level(
            facts,
            sub,
            applied.get(begun..until).unwrap_or_default(),
            findings,
        );
    }
}

/// A client's chain: workspace, client, epoch.
type Chain<'a> = (&'a str, &'a str, &'a str);

/// What was decided of each chain, by version.
fn decided(facts: &Facts) -> BTreeMap<Chain<'_>, Vec<(u64, &Mutation)>> {
    let mut decided: BTreeMap<Chain<'_>, Vec<(u64, &Mutation)>> = BTreeMap::new();
    for mutation in &facts.ledger.mutations {
        let mut told = BTreeSet::new();
        for outcome in &mutation.outcomes {
            if told.insert(outcome.epoch.as_str()) {
                let chain = (&*mutation.workspace, &*mutation.client, &*outcome.epoch);
                let decided = decided.entry(chain).or_default();
                decided.push((outcome.version, mutation));
            }
        }
    }
    for decided in decided.values_mut() {
        decided.sort_by_key(|(version, _)| *version);
    }
    decided
}

/// The mutations that each connection was told are applied, by when it was told first.
fn applied(facts: &Facts) -> Vec<Vec<(&Mutation, &Outcome)>> {
    let mut applied: Vec<Vec<(&Mutation, &Outcome)>> = vec![Vec::new(); facts.conns.len()];
    for mutation in &facts.ledger.mutations {
        let told = mutation.outcomes.iter();
        for told in told.filter(|told| told.status == "applied") {
            let applied = &mut applied[told.conn];
            let again = |(last, _): &(&Mutation, _)| std::ptr::eq(*last, mutation);
            if !applied.last().is_some_and(again) {
                applied.push((mutation, told));
            }
        }
    }
    for applied in &mut applied {
        applied.sort_by_key(|(_, told)| told.at);
    }
    applied
}

/// A newly decided outcome comes as an ack before an update that covers its version.
fn ack_first(facts: &Facts, sub: &Sub, decided: &[(u64, &Mutation)], findings: &mut Findings) {
    let head = facts.conns[sub.conn]
        .welcome
        .as_ref()
        .and_then(|(_, welcome)| welcome.get("version").and_then(crate::history::whole));
    let Some(head) = head else {
        return;
    };
    let covered = Covered::of(facts, sub);
    let from = decided.partition_point(|(version, _)| *version <= head);
    let new = decided[from..].iter();
    for (version, mutation) in new.take_while(|(version, _)| *version <= covered.highest()) {
        if let Some(covering) = covered.by(*version) {
            told_before(sub, mutation, (*version, covering), findings);
        }
    }
}

fn told_before(
    sub: &Sub,
    mutation: &Mutation,
    (version, covering): (u64, usize),
    findings: &mut Findings,
) {
    let told = mutation
        .outcomes
        .iter()
        .find(|told| told.conn == sub.conn)
        .map(|told| told.at);
    let expected = || {
        format!(
            "the ack of {} before an update that covers its version {version}",
            mutation.label(),
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

/// The versions that a subscription's updates cover.
struct Covered {
    /// Up to where the updates reached, and the entry of that which first did.
    reached: Vec<(u64, usize)>,
    /// The first entry with a change of each version.
    changes: BTreeMap<u64, usize>,
}

impl Covered {
    fn of(facts: &Facts, sub: &Sub) -> Covered {
        let (mut reached, mut changes) = (Vec::<(u64, usize)>::new(), BTreeMap::new());
        for part in &sub.parts {
            let frame = facts.frame(part.at);
            let listed = frame.and_then(|frame| frame.member("changes")?.as_array());
            for change in listed.into_iter().flatten() {
                if let Some(version) = change.get("version").and_then(whole) {
                    changes.entry(version).or_insert(part.at);
                }
            }
            if let Some(to) = part.to
                && reached.last().is_none_or(|(highest, _)| to > *highest)
            {
                reached.push((to, part.at));
            }
        }
        Covered { reached, changes }
    }

    /// The highest version.
    fn highest(&self) -> u64 {
        let reached = self.reached.last().map_or(0, |(to, _)| *to);
        let change = self.changes.last_key_value();
        reached.max(change.map_or(0, |(version, _)| *version))
    }

    /// The first update frame that has a change of this version, or reaches it.
    fn by(&self, version: u64) -> Option<usize> {
        let reached = self.reached.partition_point(|(to, _)| *to < version);
        let reached = self.reached.get(reached).map(|(_, at)| *at);
        let change = self.changes.get(&version).copied();
        reached.into_iter().chain(change).min()
    }
}

/// So much later than promised is not late: the runner's clock is not the server's.
const GRACE_MS: u64 = 200;

/// After the ack of an applied mutation, its author's shapes of the touched tables pass it within `limits.levelMs`. Only what had not come
/// by the answer to a later frame, though nothing else was coming, is held against the server.
fn level(facts: &Facts, sub: &Sub, applied: &[(&Mutation, &Outcome)], findings: &mut Findings) {
    let Some(limit) = facts.limit(sub.conn, "levelMs") else {
        return;
    };
    if applied.is_empty() {
        return;
    }
    // Up to where the updates have come, and when.
    let mut reached: Vec<(u64, usize)> = Vec::new();
    for complete in &sub.completes {
        if reached.last().is_none_or(|(to, _)| complete.to > *to) {
            reached.push((complete.to, sub.parts[complete.last].at));
        }
    }
    let sent = facts.conns[sub.conn].sent.iter();
    let answered: Vec<(u64, usize)> = sent
        .filter_map(|sent| Some((facts.entries[sent.at].at_us, sent.answer?)))
        .collect();
    for (mutation, told) in applied {
        if mutation.touches(&sub.tables) {
            let passed = reached.partition_point(|(to, _)| *to < told.version);
            let passed = reached.get(passed).map(|(_, at)| *at);
            in_time(facts, (sub, told), (limit, passed), &answered, findings);
        }
    }
}

fn in_time(
    facts: &Facts,
    (sub, told): (&Sub, &Outcome),
    (limit, passed): (u64, Option<usize>),
    answered: &[(u64, usize)],
    findings: &mut Findings,
) {
    // A reader that does not read sees nothing in time: what was sent later and is answered shows that all before was read.
    let late_ms = limit
        .saturating_add(GRACE_MS)
        .saturating_add(facts.stalled_ms(told.at));
    let late = facts.entries[told.at]
        .at_us
        .saturating_add(late_ms.saturating_mul(1000));
    let later = answered.partition_point(|(sent, _)| *sent <= late);
    let fence = { answered.get(later) }
        .map(|(_, answer)| *answer)
        .filter(|fence| passed.is_none_or(|passed| *fence < passed));
    let live = |at: usize| {
        let mut over = [sub.ended_at, sub.unsubscribed_at].into_iter().flatten();
        over.all(|over| at < over)
    };
    // The parts of an update that are still coming take their time.
    let busy = |at: usize| {
        let before = sub.parts.partition_point(|part| part.at < at);
        let last = before.checked_sub(1).map(|index| &sub.parts[index]);
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
            // Its author did not want the shape any more, and left later.
            (
                "",
                begun(&format!(
                    "a > {{\"type\":\"unsubscribe\",\"shape\":\"s\"}}\na < ack 3 1 x applied 1\n{long}a left"
                )),
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
