//! The order of the log: each decided mutation has a version of its own, above that of everything decided before it.

use std::collections::BTreeMap;

use super::{Checker, Findings};
use crate::facts::{Facts, Mutation, Outcome};

pub(super) const CHECKER: Checker = Checker {
    name: "versions",
    requirements: &["MODEL-VERSION"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let mut decided: BTreeMap<(&str, &str), Vec<(&Mutation, &Outcome)>> = BTreeMap::new();
    for mutation in &facts.ledger.mutations {
        for (index, outcome) in mutation.outcomes.iter().enumerate() {
            if mutation.outcomes[..index]
                .iter()
                .all(|earlier| earlier.epoch != outcome.epoch)
            {
                decided
                    .entry((&mutation.workspace, &outcome.epoch))
                    .or_default()
                    .push((mutation, outcome));
            }
        }
    }
    let welcomes = welcomes(facts);
    for (history, outcomes) in decided {
        own_versions(&outcomes, findings);
        chains(&outcomes, findings);
        known_before(&outcomes, findings);
        let welcomes = welcomes.get(&history).map_or(&[][..], Vec::as_slice);
        above_the_head(welcomes, &outcomes, findings);
    }
}

/// No two mutations have the same version.
fn own_versions(outcomes: &[(&Mutation, &Outcome)], findings: &mut Findings) {
    let mut owner: BTreeMap<u64, (&Mutation, &Outcome)> = BTreeMap::new();
    for (mutation, outcome) in outcomes {
        findings.judged("MODEL-VERSION");
        if let Some((other, told)) = owner.insert(outcome.version, (mutation, outcome)) {
            let expected = format!("version {} is that of one mutation", outcome.version);
            let actual = format!(
                "it is that of {} and of {}",
                other.label(),
                mutation.label()
            );
            findings.broken("MODEL-VERSION", [told.at, outcome.at], expected, actual);
        }
    }
}

/// Along a client's chain versions increase.
fn chains(outcomes: &[(&Mutation, &Outcome)], findings: &mut Findings) {
    let mut chains: BTreeMap<&str, BTreeMap<u64, &Outcome>> = BTreeMap::new();
    for (mutation, outcome) in outcomes {
        chains
            .entry(&mutation.client)
            .or_default()
            .insert(mutation.seq, outcome);
    }
    for chain in chains.values() {
        let links: Vec<_> = chain.iter().collect();
        for pair in links.windows(2) {
            let [(seq, earlier), (next, later)] = pair else {
                continue;
            };
            let expected = || {
                format!(
                    "a later version for seq {next} than the {} of seq {seq}",
                    earlier.version
                )
            };
            let actual = || later.version.to_string();
            findings.must(
                "MODEL-VERSION",
                earlier.version < later.version,
                [earlier.at, later.at],
                expected,
                actual,
            );
        }
    }
}

/// What was acknowledged before another was sent has the lower version. Compared with the highest before: that is enough.
fn known_before(outcomes: &[(&Mutation, &Outcome)], findings: &mut Findings) {
    let told = outcomes.iter();
    let told = highest_so_far(
        told.map(|(_, outcome)| (outcome.at, outcome.version))
            .collect(),
    );
    for (mutation, outcome) in outcomes {
        let Some(sent) = mutation.sends.first().map(|send| send.at) else {
            continue;
        };
        let Some((version, at)) = highest_before(&told, sent) else {
            continue;
        };
        let expected = || {
            format!(
                "a version above {version}, which was acknowledged before {} was sent",
                mutation.label()
            )
        };
        findings.must(
            "MODEL-VERSION",
            version < outcome.version,
            [at, sent, outcome.at],
            expected,
            || outcome.version.to_string(),
        );
    }
}

/// What was sent after a welcome has a version above the head that it told. Compared with the highest before: that is enough.
fn above_the_head(welcomes: &[Told], outcomes: &[(&Mutation, &Outcome)], findings: &mut Findings) {
    for (mutation, outcome) in outcomes {
        let Some(sent) = mutation.sends.first().map(|send| send.at) else {
            continue;
        };
        let Some((head, at)) = highest_before(welcomes, sent) else {
            continue;
        };
        let expected = || {
            format!(
                "a version above the head of {head} that a welcome told before {} was sent",
                mutation.label()
            )
        };
        findings.must(
            "MODEL-VERSION",
            head < outcome.version,
            [at, sent, outcome.at],
            expected,
            || outcome.version.to_string(),
        );
    }
}

/// An entry, the highest version that was told up to it, and where that was.
type Told = (usize, u64, usize);

/// The heads that welcomes told, by workspace and epoch.
fn welcomes(facts: &Facts) -> BTreeMap<(&str, &str), Vec<Told>> {
    let mut told: BTreeMap<_, Vec<(usize, u64)>> = BTreeMap::new();
    for conn in &facts.conns {
        if let (Some(epoch), Some((at, welcome))) = (&conn.epoch, &conn.welcome)
            && let Some(head) = welcome.get("version").and_then(crate::history::whole)
        {
            let history = (conn.workspace(), epoch.as_str());
            told.entry(history).or_default().push((*at, head));
        }
    }
    let highest = told.into_iter();
    highest
        .map(|(history, told)| (history, highest_so_far(told)))
        .collect()
}

fn highest_so_far(mut told: Vec<(usize, u64)>) -> Vec<Told> {
    told.sort_unstable();
    let highest = told.iter().scan((0, 0), |highest, (at, version)| {
        *highest = (*highest).max((*version, *at));
        Some((*at, highest.0, highest.1))
    });
    highest.collect()
}

/// The highest version that was told before an entry, and where.
fn highest_before(told: &[Told], at: usize) -> Option<(u64, usize)> {
    let before = told.partition_point(|(told, _, _)| *told < at);
    let (_, version, at) = told[before.checked_sub(1)?];
    Some((version, at))
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_orders() {
        let begun = "a > hello alice\na < welcome 3 0\nb > hello bob\nb < welcome 3 0\n";
        let with = |rest: &str| format!("{begun}{rest}");
        let good = [
            with("a > push 1 x | 2 y\na < ack 2 1 x applied 4, 2 y rejected 6 no_ops"),
            // Sent before the other was acknowledged: either may come first.
            with("a > push 1 x\nb > push 1 z\na < ack 2 1 x applied 5\nb < ack 2 1 z applied 4"),
        ];
        let bad = [
            with("a > push 1 x\nb > push 1 z\na < ack 2 1 x applied 4\nb < ack 2 1 z applied 4"),
            with("a > push 1 x | 2 y\na < ack 2 1 x applied 5, 2 y applied 4"),
            with("a > push 1 x\na < ack 2 1 x applied 5\nb > push 1 z\nb < ack 2 1 z applied 4"),
            with("a > push 1 x\na < ack 2 1 x applied 3"),
        ];
        let good = good.each_ref().map(|text| ("MODEL-VERSION", text.as_str()));
        table(
            &CHECKER,
            &good,
            &bad.each_ref().map(|text| ("MODEL-VERSION", text.as_str())),
        );
    }
}
