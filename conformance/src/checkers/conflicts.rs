//! Concurrent writes: the server superseded what it had to, and nothing else.
//!
//! What had to become of each op follows from the log, who wrote what and what was seen ([`Fate`]); moments are known as well as the runner's clock and
//! the order of frames tell, and where they do not, nothing is claimed.

mod stands;

use std::collections::BTreeSet;

use self::stands::LeftOut;
use super::{Checker, Findings};
use crate::facts::{Facts, Fate, Log, Mutation, Outcome};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "conflicts",
    requirements: &[
        "CFL-OWN",
        "CFL-BASE",
        "CFL-MOMENT",
        "CFL-SERVER-WINS",
        "CFL-LAST-WRITE",
        "CFL-CLIENT-WINS",
        "CFL-SUPERSEDED",
        "CFL-WITH-LOCKS",
        "CFL-DELETE",
        "CFL-SIBLINGS-DELETE",
        "CFL-SIBLINGS-MAX",
    ],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let histories: BTreeSet<(&str, &str)> = { facts.conns.iter() }
        .filter_map(|conn| Some((conn.workspace(), conn.epoch.as_deref()?)))
        .collect();
    let declares = |mutation: &Mutation| mutation.declared().next().is_some();
    for (workspace, epoch) in histories {
        let mut mutations = facts.ledger.of_workspace(workspace).iter();
        if mutations.any(|index| declares(&facts.ledger.mutations[*index])) {
            history(facts, workspace, epoch, findings);
        }
    }
    nothing_without_a_strategy(facts, findings);
}

fn history(facts: &Facts, workspace: &str, epoch: &str, findings: &mut Findings) {
    let log = Log::of(facts, workspace, epoch);
    let known = |fate: &&Fate<'_>| !log.indefinite.contains(&fate.row);
    let mut left_out = LeftOut::default();
    let outcomes = log.steps.iter().filter_map(|step| {
        let mutation = &facts.ledger.mutations[step.mutation];
        Some((mutation, mutation.outcome(epoch)?, &step.fates))
    });
    for step in &log.steps {
        // What is told of fields may be left out, too.
        let mutation = &facts.ledger.mutations[step.mutation];
        let told = step.field_fates.iter().any(|fate| fate.told.is_some());
        if let Some(outcome) = mutation.outcome(epoch).filter(|_| told) {
            left_out.unknown(outcome);
        }
    }
    for (_, outcome, fates) in outcomes.clone() {
        for fate in fates.iter().filter(|fate| fate.superseded) {
            match known(&fate) {
                true => left_out.count(outcome, fate),
                false => left_out.unknown(outcome),
            }
        }
    }
    for (mutation, outcome, fates) in outcomes {
        for fate in fates.iter().filter(known) {
            judge(facts, mutation, outcome, fate, findings);
            if fate.superseded {
                stands::judge(facts, mutation, outcome, fate, &left_out, findings);
            }
        }
    }
}

/// The requirement that the strategy does what it says.
fn of_strategy(strategy: &str) -> &'static str {
    match strategy {
        "server_wins" => "CFL-SERVER-WINS",
        "last_write_wins" => "CFL-LAST-WRITE",
        "keep_both" => "CFL-SIBLINGS-DELETE",
        "client_wins" => "CFL-CLIENT-WINS",
        _ => "CFL-SUPERSEDED",
    }
}

fn judge(
    facts: &Facts,
    mutation: &Mutation,
    outcome: &Outcome,
    fate: &Fate<'_>,
    findings: &mut Findings,
) {
    let Some(loses) = fate.loses else { return };
    let name = || {
        format!(
            "op {} of {}, a write of {}/{} under {}",
            fate.at,
            mutation.label(),
            fate.row.0,
            fate.row.1,
            fate.strategy
        )
    };
    let told = |superseded: bool| {
        if superseded {
            "superseded"
        } else {
            "not superseded"
        }
    };
    let requirement = match (loses, fate.superseded) {
        _ if fate.absent => "CFL-DELETE",
        _ if fate.strategy == "client_wins" => "CFL-CLIENT-WINS",
        (false, true) if fate.own => "CFL-OWN",
        (false, true) if fate.concurrent == Some(false) => "CFL-BASE",
        _ => of_strategy(fate.strategy),
    };
    if fate.own {
        findings.judged("CFL-OWN");
    }
    if !fate.absent && fate.strategy != "client_wins" {
        findings.judged("CFL-BASE");
    }
    if fate.strategy == "last_write_wins" && fate.concurrent == Some(true) {
        findings.judged("CFL-MOMENT");
    }
    let holds = loses == fate.superseded;
    findings.must(
        requirement,
        holds,
        [outcome.at],
        || format!("{} is {}", name(), told(loses)),
        || told(fate.superseded).to_owned(),
    );
    if fate.superseded {
        let locked = mutation.ops().and_then(|ops| ops.as_array());
        let mut locks = locked.into_iter().flatten();
        let has_lock = locks.any(|op| op.get("ifVersion").is_some());
        let expected = || "a mutation with a lock is rejected if an op of it is superseded".into();
        findings.must("CFL-WITH-LOCKS", !has_lock, [outcome.at], expected, name);
        findings.judged("CFL-SUPERSEDED");
    }
    too_many(facts, outcome, fate, name, findings);
}

/// A row has no more values than is allowed.
fn too_many(
    facts: &Facts,
    outcome: &Outcome,
    fate: &Fate<'_>,
    name: impl FnOnce() -> String,
    findings: &mut Findings,
) {
    let welcome = facts.conns[outcome.conn].welcome.as_ref();
    let most = welcome.and_then(|(_, welcome)| whole(&welcome["limits"]["siblingsMax"]));
    if let Some(most) = most.filter(|_| fate.strategy == "keep_both" && !fate.superseded) {
        let values = fate.values as u64;
        let expected = || format!("{} leaves at most {most} values", name());
        findings.must(
            "CFL-SIBLINGS-MAX",
            values <= most,
            [outcome.at],
            expected,
            || format!("it leaves {values}"),
        );
    }
}

/// Of tables that nobody has declared, nothing is superseded.
fn nothing_without_a_strategy(facts: &Facts, findings: &mut Findings) {
    let declared: BTreeSet<&str> = { facts.ledger.mutations.iter() }
        .flat_map(Mutation::declared)
        .collect();
    for mutation in &facts.ledger.mutations {
        if mutation
            .row_names()
            .any(|(table, _)| declared.contains(table))
        {
            continue;
        }
        for outcome in mutation
            .outcomes
            .iter()
            .filter(|told| told.status == "applied")
        {
            let told = outcome.told.as_ref().and_then(|told| told.as_array());
            let mut told = told.into_iter().flatten();
            let odd = told.find(|told| told["result"] != "allocated");
            let expected = || {
                format!(
                    "all of {} applies: its tables were not declared",
                    mutation.label()
                )
            };
            findings.must(
                "CFL-CLIENT-WINS",
                odd.is_none(),
                [outcome.at],
                expected,
                || odd.map(ToString::to_string).unwrap_or_default(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_fates() {
        let server = "a > hello alice\na < welcome 0 0\nb > hello bob\nb < welcome 0 0\n\
                      a > push 1 x t!server_wins t/k=1\na < ack 2 1 x applied 1\n";
        let last = server.replace("server_wins", "last_write_wins");
        let wins = server.replace("server_wins", "client_wins");
        let both = server.replace("server_wins", "keep_both");
        let bob = |ops: &str, result: &str| {
            format!("b > push 1 y {ops}\nb < ack 2 1 y applied 2 {result}")
        };
        let lost = "superseded:0=1@1";
        let on = |log: &str, rest: String| format!("{log}{rest}");
        let good = [
            (
                "CFL-SERVER-WINS CFL-BASE CFL-SUPERSEDED",
                on(server, bob("t/k=2", lost)),
            ),
            ("CFL-BASE", on(server, bob("t/k=2$1", ""))),
            ("CFL-SERVER-WINS", on(server, bob("t/k=2$0", lost))),
            (
                "CFL-OWN",
                on(
                    server,
                    "a > push 2 y t/k=2$0\na < ack 3 2 y applied 2".into(),
                ),
            ),
            ("CFL-BASE", on(server, bob("t/n=2", ""))),
            (
                "CFL-LAST-WRITE CFL-MOMENT",
                on(&last, format!("wait 500\n{}", bob("t/k=2", ""))),
            ),
            ("CFL-LAST-WRITE", on(&last, bob("age=5000 t/k=2", lost))),
            // The clock of all was at 0 once, and never before: moments from then are equal.
            (
                "CFL-LAST-WRITE CFL-MOMENT",
                on(
                    &last.replace("push 1 x", "push 1 x age=9000000000000000"),
                    bob("age=9007199254740991 t/k=2", ""),
                ),
            ),
            ("CFL-SIBLINGS-DELETE", on(&both, bob("t/k-", lost))),
            (
                "CFL-CLIENT-WINS",
                on(
                    "",
                    "a > hello alice\na < welcome 0 0\na > push 1 x t/k=1\na < ack 2 1 x applied 1"
                        .into(),
                ),
            ),
            (
                "CFL-SUPERSEDED",
                on(
                    server,
                    "b > push 1 y t/k=2\nb > push 1 y t/k=2\nb < ack 2 1 y applied 2 superseded:0=1@1".into(),
                ),
            ),
            ("CFL-CLIENT-WINS", on(&wins, bob("t/k=2", ""))),
            ("CFL-DELETE", on(server, bob("t/n-", ""))),
            // Nobody knows who was first.
            ("", on(&last, bob("t/k=2", ""))),
            ("", on(&last, bob("t/k=2", lost))),
            // Nobody knows whether it was declared.
            (
                "",
                on(
                    "a > hello alice\na < welcome 0 0\nb > hello bob\nb < welcome 0 0\na > push 1 x t!server_wins t/k=1\n",
                    bob("t/k=2", lost),
                ),
            ),
        ];
        let bad = [
            ("CFL-SERVER-WINS", on(server, bob("t/k=2", ""))),
            ("CFL-BASE", on(server, bob("t/k=2$1", lost))),
            (
                "CFL-OWN",
                on(
                    server,
                    "a > push 2 y t/k=2\na < ack 3 2 y applied 2 superseded:0=1@1".into(),
                ),
            ),
            (
                "CFL-LAST-WRITE",
                on(&last, format!("wait 500\n{}", bob("t/k=2", lost))),
            ),
            ("CFL-LAST-WRITE", on(&last, bob("age=5000 t/k=2", ""))),
            (
                "CFL-LAST-WRITE",
                on(&last, bob("age=9007199254740991 t/k=2", "")),
            ),
            (
                "CFL-LAST-WRITE",
                on(
                    &last.replace("push 1 x", "push 1 x age=9000000000000000"),
                    bob("age=9007199254740991 t/k=2", lost),
                ),
            ),
            (
                "CFL-SUPERSEDED",
                on(server, bob("t/k=2", "superseded:0=3@1")),
            ),
            (
                "CFL-SUPERSEDED",
                on(server, bob("t/k=2", "superseded:0=1@2")),
            ),
            (
                "CFL-SUPERSEDED",
                on(server, bob("t/k=2", "superseded:0-@1")),
            ),
            // A first answer with room says what stands.
            ("CFL-SUPERSEDED", on(server, bob("t/k=2", "superseded:0"))),
            ("CFL-SUPERSEDED", on(server, bob("t/k=2", "superseded:0=1"))),
            ("CFL-CLIENT-WINS", on(&wins, bob("t/k=2", lost))),
            ("CFL-DELETE", on(server, bob("t/n-", "superseded:0-"))),
            ("CFL-WITH-LOCKS", on(server, bob("t/k=2 t/n=1?0", lost))),
            ("CFL-SIBLINGS-DELETE", on(&both, bob("t/k-", ""))),
            (
                "CFL-CLIENT-WINS",
                on(
                    "",
                    format!("b > hello bob\nb < welcome 0 0\n{}", bob("t/k=2", lost)),
                ),
            ),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
