//! Sequences: no id is given twice, each op gets what it asked for, and a retry what it got.
//!
//! The log of outcomes is replayed: at each mutation's place in it, what was given and observed before is known, as far as anybody was told. Nothing is
//! said of a mutation of which several forms were on their way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Checker, Findings};
use crate::facts::{Ask, Facts, Given, Log, Mutation, Outcome, ask_of, given};
use crate::scenario::Hook;

pub(super) const CHECKER: Checker = Checker {
    name: "sequences",
    requirements: &[
        "SEQN-NOT-OFFERED",
        "SEQN-ALLOCATE",
        "SEQN-DISJOINT",
        "SEQN-RETRY-SAME",
        "SEQN-OBSERVE",
        "SEQN-EXHAUSTED",
        "SEQN-ATOMIC",
        "SEQN-RESTORE",
        "SEQN-LIMITS",
    ],
    check,
};

/// The greatest id.
const ID_MAX: u64 = (1 << 53) - 1;

fn check(facts: &Facts, findings: &mut Findings) {
    let named = |mutation: &&Mutation| asks(mutation).next().is_some();
    let mut workspaces = BTreeSet::new();
    for mutation in facts.ledger.mutations.iter().filter(named) {
        workspaces.insert(mutation.workspace.as_str());
        told_the_same(mutation, findings);
        for outcome in &mutation.outcomes {
            told_what_was_asked(facts, mutation, outcome, findings);
        }
    }
    announced(facts, findings);
    let histories: BTreeSet<(&str, &str)> = { facts.conns.iter() }
        .filter_map(|conn| Some((conn.workspace(), conn.epoch.as_deref()?)))
        .filter(|(workspace, _)| workspaces.contains(workspace))
        .collect();
    for (workspace, epoch) in histories {
        replay(facts, workspace, epoch, findings);
    }
}

/// The limits that are announced where sequences are offered.
const LIMITS: [&str; 4] = [
    "allocateMax",
    "mutationSequencesMax",
    "sequencesMax",
    "restoreMargin",
];

fn announced(facts: &Facts, findings: &mut Findings) {
    for (index, conn) in facts.conns.iter().enumerate() {
        let offering = conn.welcome.as_ref().filter(|_| conn.offers("sequences"));
        let Some((at, _)) = offering else { continue };
        let missing = LIMITS
            .iter()
            .find(|name| facts.limit(index, name).is_none());
        let expected = || format!("limits.{}", missing.unwrap_or(&""));
        findings.must("SEQN-LIMITS", missing.is_none(), [*at], expected, || {
            "sequences are offered without it".to_owned()
        });
    }
}

/// What a mutation asks of sequences, in whatever form it was sent: which op, and what.
fn asks(mutation: &Mutation) -> impl Iterator<Item = (u64, (&str, Ask))> {
    let ops = mutation.sends.iter().filter_map(|send| send.ops.as_array());
    ops.flat_map(|ops| asks_of(ops))
}

fn asks_of(ops: &[Value]) -> impl Iterator<Item = (u64, (&str, Ask))> {
    (0..)
        .zip(ops)
        .filter_map(|(at, op)| Some((at, ask_of(op)?)))
}

/// A retained outcome tells of the same ids, whenever it is told.
fn told_the_same(mutation: &Mutation, findings: &mut Findings) {
    for (index, again) in mutation.outcomes.iter().enumerate().skip(1) {
        let earlier = mutation.outcomes[..index].iter();
        let Some(first) = { earlier }.find(|earlier| earlier.epoch == again.epoch) else {
            continue;
        };
        let told = |of: &Outcome| given(of.told.as_ref()).collect::<Vec<_>>();
        let (before, after) = (told(first), told(again));
        findings.must(
            "SEQN-RETRY-SAME",
            before == after,
            [first.at, again.at],
            || format!("{}: {before:?}", mutation.label()),
            || format!("{after:?}"),
        );
    }
}

/// An outcome tells of as many ids as were asked for, of nothing else, and of nothing where it is a rejection.
fn told_what_was_asked(
    facts: &Facts,
    mutation: &Mutation,
    outcome: &Outcome,
    findings: &mut Findings,
) {
    let told: Vec<Given> = given(outcome.told.as_ref()).collect();
    let offered = facts.conns[outcome.conn].offers("sequences");
    if outcome.status != "applied" {
        let expected = || format!("{}, rejected, is given nothing", mutation.label());
        let actual = || format!("{told:?}");
        return findings.must(
            "SEQN-ATOMIC",
            told.is_empty(),
            [outcome.at],
            expected,
            actual,
        );
    }
    let Some(ops) = mutation.ops().and_then(Value::as_array) else {
        return;
    };
    if !offered {
        let asks = asks_of(ops).next().is_some();
        let expected = || "unknown_op, where `sequences` is not offered".to_owned();
        let actual = || format!("{} was applied", mutation.label());
        findings.must("SEQN-NOT-OFFERED", !asks, [outcome.at], expected, actual);
    }
    let asked: Vec<(u64, u64)> = asks_of(ops)
        .filter_map(|(at, (_, ask))| match ask {
            Ask::Allocate(count) => Some((at, count)),
            Ask::Observe(_) => None,
        })
        .collect();
    let got: Vec<(u64, u64)> = told.iter().map(|given| (given.at, given.count)).collect();
    let in_range = |given: &Given| {
        given.first > 0 && given.first <= ID_MAX && given.count <= ID_MAX + 1 - given.first
    };
    let holds = asked == got && told.iter().all(in_range);
    let expected = || {
        format!(
            "{}: ids for each of {asked:?}, up to 2^53 - 1",
            mutation.label()
        )
    };
    findings.must("SEQN-ALLOCATE", holds, [outcome.at], expected, || {
        format!("{told:?}")
    });
}

/// What is known of a sequence at a place of the log.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The greatest id given, and where that was told.
    given: (u64, usize),
    /// The greatest value observed, and where that was told.
    observed: (u64, usize),
}

impl Known {
    fn highest(&self) -> u64 {
        self.given.0.max(self.observed.0)
    }
}

/// One history, in the order of its versions.
struct Replay<'a> {
    facts: &'a Facts,
    workspace: &'a str,
    epoch: &'a str,
    known: BTreeMap<&'a str, Known>,
    /// The restore that this history began with: when it was done, and what the backup had, as far as is known.
    restored: Option<(usize, BTreeMap<&'a str, Known>)>,
}

fn replay<'a>(facts: &'a Facts, workspace: &'a str, epoch: &'a str, findings: &mut Findings) {
    let log = Log::of(facts, workspace, epoch);
    let mut replay = Replay {
        facts,
        workspace,
        epoch,
        known: BTreeMap::new(),
        restored: restored(facts, workspace, epoch).map(|done| (done, BTreeMap::new())),
    };
    for step in &log.steps {
        let mutation = &facts.ledger.mutations[step.mutation];
        let told = mutation.outcome(epoch).or(mutation.outcomes.first());
        let (Some(outcome), Some(ops)) = (told, mutation.ops().and_then(Value::as_array)) else {
            continue;
        };
        match outcome.status.as_str() {
            "applied" => replay.applied(mutation, outcome, ops, findings),
            _ => replay.rejected(outcome, ops, findings),
        }
    }
}

/// When the restore was done that an epoch began with, if it began with one.
fn restored(facts: &Facts, workspace: &str, epoch: &str) -> Option<usize> {
    let restores = facts
        .hooks
        .iter()
        .filter(|(hook, ..)| *hook == Hook::Restore);
    let welcomes = |begins: &dyn Fn(&str) -> bool| {
        { facts.conns.iter() }
            .filter(|conn| conn.workspace() == workspace)
            .filter(|conn| conn.epoch.as_deref().is_some_and(begins))
            .filter_map(|conn| conn.welcome.as_ref().map(|(at, _)| *at))
            .collect::<Vec<usize>>()
    };
    let (own, others) = (
        welcomes(&|named| named == epoch),
        welcomes(&|named| named != epoch),
    );
    let first = own.iter().min()?;
    let (_, begun, done) = { restores }.rfind(|(_, _, done)| done < first)?;
    others.iter().any(|at| at < begun).then_some(*done)
}

impl<'a> Replay<'a> {
    fn applied(
        &mut self,
        mutation: &'a Mutation,
        outcome: &Outcome,
        ops: &'a [Value],
        findings: &mut Findings,
    ) {
        let all: BTreeMap<u64, Given> = given(outcome.told.as_ref())
            .map(|given| (given.at, given))
            .collect();
        for (at, (name, ask)) in asks_of(ops) {
            match (ask, all.get(&at)) {
                (Ask::Allocate(_), Some(given)) => {
                    self.given(mutation, outcome, name, given, findings);
                }
                (Ask::Observe(value), _) => {
                    let known = self.known.entry(name).or_default();
                    known.observed = known.observed.max((value, outcome.at));
                }
                (Ask::Allocate(_), None) => {}
            }
        }
        if let Some((_, backup)) = &mut self.restored
            && outcome.epoch != self.epoch
        {
            backup.clone_from(&self.known);
        }
    }

    fn given(
        &mut self,
        mutation: &Mutation,
        outcome: &Outcome,
        name: &'a str,
        given: &Given,
        findings: &mut Findings,
    ) {
        let known = self.known.entry(name).or_default();
        let (before, observed) = (known.given, known.observed);
        let actual = || format!("{}: {given:?} of {name:?}", mutation.label());
        let mut above = |id: &'static str, (highest, told): (u64, usize), what: &str| {
            findings.must(
                id,
                given.first > highest,
                [told, outcome.at],
                || format!("ids above {highest}, {what} at a lower version"),
                actual,
            );
        };
        if before.0 > 0 {
            above("SEQN-DISJOINT", before, "which was given");
        }
        if observed.0 > 0 {
            above("SEQN-OBSERVE", observed, "which was observed");
        }
        let last = given.first.saturating_add(given.count.saturating_sub(1));
        known.given = before.max((last, outcome.at));
        self.margin(mutation, outcome, name, given, findings);
    }

    /// What is surely new in a history that was restored is above what the backup had, by the margin.
    fn margin(
        &self,
        mutation: &Mutation,
        outcome: &Outcome,
        name: &str,
        given: &Given,
        findings: &mut Findings,
    ) {
        let Some((done, backup)) = &self.restored else {
            return;
        };
        let new = mutation.sends.iter().all(|send| send.at > *done);
        let margin = self.facts.limit(outcome.conn, "restoreMargin");
        let (true, Some(margin)) = (new, margin) else {
            return;
        };
        let had = backup.get(name).map_or(0, Known::highest);
        let actual = || format!("{}: {given:?} of {name:?}", mutation.label());
        findings.must(
            "SEQN-RESTORE",
            given.first > had.saturating_add(margin),
            [*done, outcome.at],
            || format!("ids above {had}, which the backup had, and limits.restoreMargin, {margin}"),
            actual,
        );
    }

    /// Who is told that a sequence is exhausted must have asked for more than is left. In a restored history nobody knows what is left.
    fn rejected(&self, outcome: &Outcome, ops: &[Value], findings: &mut Findings) {
        if outcome.code.as_deref() != Some("sequence_exhausted") || self.restored.is_some() {
            return;
        }
        let open = self.open();
        let enough = |(_, (name, ask)): (u64, (&str, Ask))| match ask {
            Ask::Allocate(count) => {
                let highest = self.known.get(name).map_or(0, Known::highest);
                !open.contains(name) && count <= ID_MAX - highest
            }
            Ask::Observe(_) => true,
        };
        let expected = || "the ids that are left".to_owned();
        let actual = || "sequence_exhausted".to_owned();
        findings.must(
            "SEQN-EXHAUSTED",
            !{ asks_of(ops) }.all(enough),
            [outcome.at],
            expected,
            actual,
        );
    }

    /// The sequences that somebody may have used without its being known.
    fn open(&self) -> BTreeSet<&'a str> {
        let of_workspace = self.facts.ledger.of_workspace(self.workspace).iter();
        let unknown = of_workspace
            .map(|index| &self.facts.ledger.mutations[*index])
            .filter(|mutation| mutation.outcome(self.epoch).is_none() || mutation.ops().is_none());
        unknown.flat_map(asks).map(|(_, (name, _))| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    /// A history in which `sequences` is offered to alice and bob.
    fn begun(rest: &str) -> String {
        let welcome = |conn: &str, epoch: &str| {
            format!(
                r#"{conn} < {{"type":"welcome","epoch":"{epoch}","version":0,"lastSeq":0,"results":[],"capabilities":["sequences"],"limits":{{"allocateMax":1000,"mutationSequencesMax":4,"sequencesMax":64,"restoreMargin":1000}}}}"#
            )
        };
        let rest = rest
            .replace("WELCOME-F", &welcome("c", "f"))
            .replace("WELCOME-C", &welcome("c", "e"));
        format!(
            "a > hello alice\n{}\nb > hello bob\n{}\n{rest}",
            welcome("a", "e"),
            welcome("b", "e")
        )
    }

    #[test]
    fn good_and_bad_histories_of_one_epoch() {
        let one = "a > push 1 x orders+10\na < ack 2 1 x applied 1 0:1+10\n";
        let good = [
            ("SEQN-ALLOCATE", one.to_owned()),
            (
                "SEQN-DISJOINT",
                format!("{one}b > push 1 y orders+5 t/k=1\nb < ack 2 1 y applied 2 0:11+5"),
            ),
            // Versions count, not who was told first.
            (
                "SEQN-DISJOINT",
                "a > push 1 x orders+10\nb > push 1 y orders+5\nb < ack 2 1 y applied 2 0:11+5\na < ack 2 1 x applied 1 0:1+10".to_owned(),
            ),
            (
                "SEQN-DISJOINT",
                format!("{one}b > push 1 y bills+5 orders+1\nb < ack 2 1 y applied 2 0:1+5;1:99+1"),
            ),
            (
                "SEQN-OBSERVE",
                "a > push 1 x orders^41\na < ack 2 1 x applied 1\nb > push 1 y orders+1\nb < ack 2 1 y applied 2 0:42+1".to_owned(),
            ),
            (
                "SEQN-RETRY-SAME",
                format!("{one}a > push 1 x orders+10\na < ack 3 1 x applied 1 0:1+10"),
            ),
            (
                "SEQN-ATOMIC",
                "a > push 1 x orders+10 t/k=1?5\na < ack 2 1 x rejected 1 version_conflict".to_owned(),
            ),
            (
                "SEQN-EXHAUSTED",
                "a > push 1 x orders^9007199254740990\na < ack 2 1 x applied 1\na > push 2 y orders+2\na < ack 3 2 y rejected 2 sequence_exhausted".to_owned(),
            ),
            // Somebody may have taken the rest.
            (
                "",
                "b > push 1 y orders+9007199254740990\na > push 1 x orders+2\na < ack 2 1 x rejected 1 sequence_exhausted".to_owned(),
            ),
        ];
        let bad = [
            ("SEQN-ALLOCATE", "a > push 1 x orders+10\na < ack 2 1 x applied 1 0:1+9".to_owned()),
            ("SEQN-ALLOCATE", "a > push 1 x orders+10\na < ack 2 1 x applied 1".to_owned()),
            ("SEQN-ALLOCATE", "a > push 1 x orders+10\na < ack 2 1 x applied 1 1:1+10".to_owned()),
            ("SEQN-ALLOCATE", "a > push 1 x orders^10\na < ack 2 1 x applied 1 0:1+10".to_owned()),
            ("SEQN-ALLOCATE", "a > push 1 x orders+10\na < ack 2 1 x applied 1 0:9007199254740990+10".to_owned()),
            ("SEQN-DISJOINT", format!("{one}b > push 1 y orders+5\nb < ack 2 1 y applied 2 0:10+5")),
            ("SEQN-DISJOINT", format!("{one}b > push 1 y orders+5\nb < ack 2 1 y applied 2 0:1+5")),
            ("SEQN-OBSERVE", "a > push 1 x orders^41\na < ack 2 1 x applied 1\nb > push 1 y orders+1\nb < ack 2 1 y applied 2 0:41+1".to_owned()),
            ("SEQN-RETRY-SAME", format!("{one}a > push 1 x orders+10\na < ack 3 1 x applied 1 0:11+10")),
            ("SEQN-RETRY-SAME SEQN-ALLOCATE", format!("{one}a > push 1 x orders+10\na < ack 3 1 x applied 1")),
            ("SEQN-ATOMIC", "a > push 1 x orders+10\na < ack 2 1 x rejected 1 version_conflict 0:1+10".to_owned()),
            ("SEQN-EXHAUSTED", "a > push 1 x orders^9007199254740990\na < ack 2 1 x applied 1\na > push 2 y orders+1\na < ack 3 2 y rejected 2 sequence_exhausted".to_owned()),
        ];
        let (good, bad) = (
            good.map(|(ids, rest)| (ids, begun(&rest))),
            bad.map(|(ids, rest)| (ids, begun(&rest))),
        );
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }

    #[test]
    fn who_offers_it_announces_its_limits() {
        let good = begun("");
        let bad = good.replacen(r#""sequencesMax":64,"#, "", 1);
        table(
            &CHECKER,
            &[("SEQN-LIMITS", &good)],
            &[("SEQN-LIMITS", &bad)],
        );
    }

    #[test]
    fn where_it_is_not_offered_nothing_is_given() {
        let begun = |rest: &str| {
            format!("a > hello alice\na < welcome 0 0\na > push 1 x orders+10\n{rest}")
        };
        let (good, bad) = (
            begun("a < ack 2 1 x rejected 1 unknown_op"),
            begun("a < ack 2 1 x applied 1 0:1+10"),
        );
        table(
            &CHECKER,
            &[("SEQN-ATOMIC", &good)],
            &[("SEQN-NOT-OFFERED", &bad)],
        );
    }

    #[test]
    fn a_restored_history_leaves_ids_out() {
        let one = "a > push 1 x orders+10\na < ack 2 1 x applied 1 0:1+10\nhook backup\n";
        let lost = "a > push 2 y orders+10 bills+3\na < ack 3 2 y applied 2 0:11+10;1:1+3\n";
        let restored = format!("{one}{lost}hook restore\nc > hello carl\nWELCOME-F\n");
        let push = r#"c > {"type":"push","epoch":"f","mutations":[{"seq":1,"opId":"z","ops":[{"op":"allocate","sequence":"NAME","count":1}]}]}"#;
        let after = |name: &str, ack: &str| {
            begun(&format!("{restored}{}\n{ack}", push.replace("NAME", name)))
        };
        let good = [
            after("orders", "c < ack 2 1 z applied 2 0:1011+1"),
            after("bills", "c < ack 2 1 z applied 2 0:1001+1"),
            // It was not restored: this is another workspace's doing.
            begun(&format!(
                "{one}hook restore\nc > hello carl\nWELCOME-C\nc > push 1 z bills+1\nc < ack 2 1 z applied 2 0:1+1"
            )),
        ];
        let bad = [
            after("orders", "c < ack 2 1 z applied 2 0:1010+1"),
            after("bills", "c < ack 2 1 z applied 2 0:1000+1"),
        ];
        table(
            &CHECKER,
            &[
                ("SEQN-RESTORE", &good[0]),
                ("SEQN-RESTORE", &good[1]),
                ("", &good[2]),
            ],
            &bad.each_ref().map(|text| ("SEQN-RESTORE", text.as_str())),
        );
    }
}
