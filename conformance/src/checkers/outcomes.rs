//! Outcomes: decided once, told the same ever after, and what `welcome` must tell of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Checker, Findings};
use crate::facts::{Conn, Facts, Mutation, Outcome};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "outcomes",
    requirements: &[
        "PUSH-RETRY-SAME",
        "PUSH-CHAIN-OP-ID",
        "CONN-WELCOME-FRESH",
        "CONN-WELCOME-RESULTS",
        "PUSH-REMEMBERED",
    ],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    for mutation in &facts.ledger.mutations {
        told_the_same(mutation, findings);
    }
    one_of_a_seq(facts, findings);
    let acked = Acked::of(facts);
    for (index, conn) in facts.conns.iter().enumerate() {
        fresh(facts, conn, &acked, findings);
        let window = facts.limit(index, "inFlightMax").unwrap_or(1);
        results(conn, window, findings);
    }
}

fn told_the_same(mutation: &Mutation, findings: &mut Findings) {
    for (index, again) in mutation.outcomes.iter().enumerate().skip(1) {
        let Some(first) = mutation.outcomes[..index]
            .iter()
            .find(|earlier| earlier.epoch == again.epoch)
        else {
            continue;
        };
        let told = |of: &Outcome| {
            format!(
                "{} at {} {}",
                of.status,
                of.version,
                of.code.as_deref().unwrap_or_default()
            )
        };
        let same = (&first.status, first.version, &first.code)
            == (&again.status, again.version, &again.code);
        findings.must(
            "PUSH-RETRY-SAME",
            same,
            [first.at, again.at],
            || format!("{}: {}", mutation.label(), told(first)),
            || told(again),
        );
    }
}

/// Within an epoch no two mutations of a client with one `seq` are decided.
fn one_of_a_seq(facts: &Facts, findings: &mut Findings) {
    let mut rivals: BTreeMap<(&str, &str, u64), usize> = BTreeMap::new();
    for mutation in &facts.ledger.mutations {
        *rivals.entry(link(mutation)).or_default() += 1;
    }
    let mut decided: BTreeMap<_, (&Mutation, usize)> = BTreeMap::new();
    let mutations = facts.ledger.mutations.iter();
    for mutation in mutations.filter(|mutation| rivals[&link(mutation)] > 1) {
        for outcome in &mutation.outcomes {
            let name = (link(mutation), outcome.epoch.as_str());
            let (first, at) = *decided.entry(name).or_insert((mutation, outcome.at));
            let expected = || format!("one mutation of seq {}", mutation.seq);
            let actual = || format!("{} and {} were both decided", first.op_id, mutation.op_id);
            findings.must(
                "PUSH-CHAIN-OP-ID",
                first.op_id == mutation.op_id,
                [at, outcome.at],
                expected,
                actual,
            );
        }
    }
}

/// A mutation's place in its client's chain.
fn link(mutation: &Mutation) -> (&str, &str, u64) {
    (&mutation.workspace, &mutation.client, mutation.seq)
}

/// A number that was told.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    number: u64,
    /// The entry that told it.
    at: usize,
    /// The entry that sent what it was told of, for the first time.
    sent: usize,
}

/// What was told of an epoch so far, by the entry that told it: the highest number.
#[derive(Default)]
struct Told(Vec<(usize, Known)>);

impl Told {
    fn add(&mut self, known: Known) {
        self.0.push((known.at, known));
    }

    /// Puts what was told in order.
    fn sort(&mut self) {
        self.0.sort_unstable();
        let mut highest = Known::default();
        for (_, known) in &mut self.0 {
            highest = highest.max(*known);
            *known = highest;
        }
    }

    /// The highest number before an entry.
    fn before(&self, at: usize) -> Option<Known> {
        let before = self.0.partition_point(|(told, _)| *told < at);
        Some(self.0[before.checked_sub(1)?].1)
    }
}

/// The versions that were told of each history, and the `seq`s of each client in it.
#[derive(Default)]
struct Acked<'a> {
    versions: BTreeMap<(&'a str, &'a str), Told>,
    seqs: BTreeMap<(&'a str, &'a str, &'a str), Told>,
}

impl<'a> Acked<'a> {
    fn of(facts: &'a Facts) -> Acked<'a> {
        let mut acked = Acked::default();
        for mutation in &facts.ledger.mutations {
            let mut told = BTreeSet::new();
            for outcome in &mutation.outcomes {
                if told.insert(outcome.epoch.as_str()) {
                    acked.add(mutation, outcome);
                }
            }
        }
        acked.versions.values_mut().for_each(Told::sort);
        acked.seqs.values_mut().for_each(Told::sort);
        acked
    }

    fn add(&mut self, mutation: &'a Mutation, outcome: &'a Outcome) {
        let (workspace, epoch) = (mutation.workspace.as_str(), outcome.epoch.as_str());
        let told = |number: u64| Known {
            number,
            at: outcome.at,
            sent: mutation.sends.first().map_or(0, |send| send.at),
        };
        let versions = self.versions.entry((workspace, epoch)).or_default();
        versions.add(told(outcome.version));
        let seqs = self.seqs.entry((workspace, epoch, &mutation.client));
        seqs.or_default().add(told(mutation.seq));
    }
}

/// `welcome` reflects every outcome that was acknowledged before the `hello` was sent. Compared with the highest: that is enough.
fn fresh(facts: &Facts, conn: &Conn, acked: &Acked<'_>, findings: &mut Findings) {
    let (Some(hello), Some((at, welcome)), Some(epoch)) = (&conn.hello, &conn.welcome, &conn.epoch)
    else {
        return;
    };
    let mut must = |told: Option<&Told>, name: &str, what: &str| {
        let number = welcome.get(name).and_then(whole).unwrap_or(0);
        let told = told.and_then(|told| told.before(hello.at));
        let idle = told.map(|told| idle(facts, welcome, told, hello.at));
        let requirement = match idle {
            Some(Idle::Long) if name == "lastSeq" => "PUSH-REMEMBERED",
            // Who was idle for longer than it is kept may be forgotten.
            Some(Idle::TooLong) if name == "lastSeq" => return,
            _ => "CONN-WELCOME-FRESH",
        };
        if let Some(Known {
            number: least,
            at: told,
            ..
        }) = told
        {
            findings.must(
                requirement,
                least <= number,
                [told, hello.at, *at],
                || format!("{what} at least {least}, acknowledged before"),
                || number.to_string(),
            );
        }
    };
    let history = (hello.workspace.as_str(), epoch.as_str());
    must(acked.versions.get(&history), "version", "a head of");
    if let Some(client) = &hello.client {
        let chain = (history.0, history.1, client.as_str());
        must(acked.seqs.get(&chain), "lastSeq", "lastSeq");
    }
}

/// How long nothing of a client was decided.
enum Idle {
    /// Not longer than `limits.clientTtlMs`.
    Short,
    /// Longer, and it must be remembered still.
    Long,
    /// It may be forgotten.
    TooLong,
}

/// How much longer than `limits.clientTtlMs` a client is held to be remembered: half of the day that the specification has, since what is seen here is not measured by the
/// clock of the server.
const MARGIN_MS: u64 = 12 * 3600 * 1000;

/// For how long nothing of a client was decided: at most since what was told of it was sent for the first time.
fn idle(facts: &Facts, welcome: &Value, told: Known, at: usize) -> Idle {
    let Some(ttl_ms) = whole(&welcome["limits"]["clientTtlMs"]) else {
        return Idle::Short;
    };
    let us = |at: usize| facts.entries[at].at_us;
    match us(at).saturating_sub(us(told.sent)) / 1000 {
        ms if ms < ttl_ms => Idle::Short,
        ms if ms < ttl_ms.saturating_add(MARGIN_MS) => Idle::Long,
        _ => Idle::TooLong,
    }
}

/// `results` lists what is retained above `ackedSeq`, each once, in order.
fn results(conn: &Conn, window: u64, findings: &mut Findings) {
    let (Some(hello), Some((at, welcome))) = (&conn.hello, &conn.welcome) else {
        return;
    };
    let Some(results) = welcome.get("results").and_then(Value::as_array) else {
        return;
    };
    let last = welcome.get("lastSeq").and_then(whole).unwrap_or(0);
    let listed: Vec<u64> = results
        .iter()
        .filter_map(|result| result.get("seq").and_then(whole))
        .collect();
    if hello.client.is_none() || (last == 0 && listed.is_empty()) {
        return;
    }
    let mut must = |holds: bool, expected: String| {
        findings.must(
            "CONN-WELCOME-RESULTS",
            holds,
            [hello.at, *at],
            || expected,
            || format!("lastSeq {last}, results of {listed:?}"),
        );
    };
    must(
        listed.is_sorted_by(|a, b| a < b),
        "each once, in order of seq".to_owned(),
    );
    must(
        listed
            .iter()
            .all(|seq| (hello.acked_seq + 1..=last).contains(seq)),
        format!("results above ackedSeq {}, up to lastSeq", hello.acked_seq),
    );
    let retained = last.saturating_sub(window).max(hello.acked_seq) + 1..=last;
    let listed: BTreeSet<u64> = listed.iter().copied().collect();
    let missing = { retained }.find(|seq| !listed.contains(seq));
    must(
        missing.is_none(),
        format!(
            "every retained result above ackedSeq {}, seq {} too",
            hello.acked_seq,
            missing.unwrap_or(0)
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_outcomes() {
        let begun = |rest: &str| {
            format!(
                "a > hello alice\na < welcome 0 0\na > push 1 x t/k=1\na < ack 2 1 x applied 1\n{rest}"
            )
        };
        // Later than clients are announced to be remembered, by so many hours.
        let late = |hours: u64, seq: u64| {
            let ms = 7_776_000_000 + hours * 3_600_000;
            begun(&format!(
                "wait {ms}\nb > hello alice 1\nb < welcome 1 {seq}"
            ))
        };
        let good = [
            (
                "PUSH-RETRY-SAME",
                begun("a > push 1 x t/k=1\na < ack 3 1 x applied 1"),
            ),
            (
                "CONN-WELCOME-FRESH CONN-WELCOME-RESULTS",
                begun("b > hello alice 1\nb < welcome 1 1"),
            ),
            (
                "CONN-WELCOME-RESULTS PUSH-RETRY-SAME",
                begun("b > hello alice\nb < welcome 2 2 [1 x applied 1, 2 y rejected 2 no_ops]"),
            ),
            (
                "PUSH-CHAIN-OP-ID",
                begun("a > push 1 y t/k=2\na < ack 3 1 y refused chain_broken"),
            ),
            ("PUSH-REMEMBERED", late(1, 1)),
            ("", late(24, 0)),
            // Another client's welcome tells nothing of alice's.
            (
                "CONN-WELCOME-FRESH",
                begun("b > hello bob\nb < welcome 1 0"),
            ),
        ];
        let bad = [
            (
                "PUSH-RETRY-SAME",
                begun("a > push 1 x t/k=1\na < ack 3 1 x applied 2"),
            ),
            (
                "PUSH-RETRY-SAME",
                begun("b > hello alice\nb < welcome 1 1 [1 x rejected 1 no_ops]"),
            ),
            (
                "PUSH-CHAIN-OP-ID",
                begun("a > push 1 y t/k=2\na < ack 3 1 y applied 2"),
            ),
            (
                "CONN-WELCOME-FRESH",
                begun("b > hello bob\nb < welcome 0 0"),
            ),
            (
                "CONN-WELCOME-FRESH",
                begun("b > hello alice 1\nb < welcome 1 0"),
            ),
            ("PUSH-REMEMBERED", late(1, 0)),
            (
                "CONN-WELCOME-RESULTS",
                begun("b > hello alice\nb < welcome 1 1"),
            ),
            (
                "CONN-WELCOME-RESULTS",
                begun("b > hello alice 1\nb < welcome 1 1 [1 x applied 1]"),
            ),
            (
                "CONN-WELCOME-RESULTS",
                begun(
                    "b > hello alice\nb < welcome 3 3 [1 x applied 1, 3 z applied 3, 2 y applied 2]",
                ),
            ),
            (
                "CONN-WELCOME-RESULTS",
                begun("b > hello alice\nb < welcome 3 3 [1 x applied 1, 3 z applied 3]"),
            ),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
