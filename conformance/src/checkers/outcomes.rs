//! Outcomes: decided once, told the same ever after, and what `welcome` must tell of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Checker, Findings};
use crate::facts::{Conn, Facts, Mutation};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "outcomes",
    requirements: &[
        "PUSH-RETRY-SAME",
        "PUSH-CHAIN-OP-ID",
        "CONN-WELCOME-FRESH",
        "CONN-WELCOME-RESULTS",
    ],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    for mutation in &facts.ledger.mutations {
        told_the_same(mutation, findings);
    }
    one_of_a_seq(facts, findings);
    for conn in &facts.conns {
        fresh(facts, conn, findings);
        results(facts, conn, findings);
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
        let told = |of: &crate::facts::Outcome| {
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
    let mut decided: BTreeMap<(&str, &str, &str, u64), (&Mutation, usize)> = BTreeMap::new();
    for mutation in &facts.ledger.mutations {
        for outcome in &mutation.outcomes {
            let name = (
                mutation.workspace.as_str(),
                mutation.client.as_str(),
                outcome.epoch.as_str(),
                mutation.seq,
            );
            let (first, at) = *decided.entry(name).or_insert((mutation, outcome.at));
            let rivals = facts
                .ledger
                .of_client(&mutation.workspace, &mutation.client)
                .filter(|other| other.seq == mutation.seq)
                .count();
            if rivals > 1 {
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
}

/// `welcome` reflects every outcome that was acknowledged before the `hello` was sent.
fn fresh(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    let (Some(hello), Some((at, welcome)), Some(epoch)) = (&conn.hello, &conn.welcome, &conn.epoch)
    else {
        return;
    };
    let number = |name: &str| welcome.get(name).and_then(whole).unwrap_or(0);
    let of_workspace = facts
        .ledger
        .mutations
        .iter()
        .filter(|mutation| mutation.workspace == hello.workspace);
    for mutation in of_workspace {
        let Some(outcome) = mutation
            .outcomes
            .iter()
            .find(|outcome| outcome.epoch == *epoch && outcome.at < hello.at)
        else {
            continue;
        };
        let expected = || {
            format!(
                "a head of at least {}, acknowledged before",
                outcome.version
            )
        };
        let actual = || number("version").to_string();
        findings.must(
            "CONN-WELCOME-FRESH",
            outcome.version <= number("version"),
            [outcome.at, hello.at, *at],
            expected,
            actual,
        );
        if hello.client.as_ref() == Some(&mutation.client) {
            let expected = || format!("lastSeq at least {}, acknowledged before", mutation.seq);
            let actual = || number("lastSeq").to_string();
            findings.must(
                "CONN-WELCOME-FRESH",
                mutation.seq <= number("lastSeq"),
                [outcome.at, hello.at, *at],
                expected,
                actual,
            );
        }
    }
}

/// `results` lists what is retained above `ackedSeq`, each once, in order.
fn results(facts: &Facts, conn: &Conn, findings: &mut Findings) {
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
    let window = conn_limit(facts, conn).unwrap_or(1);
    let retained: BTreeSet<u64> = (last.saturating_sub(window) + 1..=last)
        .filter(|seq| *seq > hello.acked_seq)
        .collect();
    let listed: BTreeSet<u64> = listed.iter().copied().collect();
    let missing = retained.difference(&listed).next();
    must(
        missing.is_none(),
        format!(
            "every retained result above ackedSeq {}, seq {} too",
            hello.acked_seq,
            missing.unwrap_or(&0)
        ),
    );
}

fn conn_limit(facts: &Facts, conn: &Conn) -> Option<u64> {
    let index = facts
        .conns
        .iter()
        .position(|other| std::ptr::eq(other, conn))?;
    facts.limit(index, "inFlightMax")
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
