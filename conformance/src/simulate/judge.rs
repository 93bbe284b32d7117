//! Runs one plan and judges what came of it.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use syncline_sim::{Ended, Plan, run};

use super::recorder::Recorder;
use crate::checkers::{self, Violation};
use crate::facts::Facts;

/// What came of a plan.
#[derive(Debug)]
pub struct Judged {
    /// Its history.
    pub facts: Facts,
    /// What does not hold.
    pub failures: Vec<Failed>,
    /// What the simulator says of the run; nothing, if it did not end.
    pub ended: Ended,
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A requirement, by the history.
    Broken(Violation),
    /// Something that only an insider sees.
    Inside(String),
    /// Something happened that nobody can explain.
    Unclear(String),
    /// A core, the simulator or a checker panicked.
    Panicked(String),
}

impl Failed {
    /// What kind of failure it is: a smaller plan is the same failure, if it has one of the same kind.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Failed::Broken(violation) => violation.requirement.to_owned(),
            // The words of such a sentence that are not names or numbers.
            Failed::Inside(why) | Failed::Unclear(why) | Failed::Panicked(why) => {
                let words = why.split_whitespace();
                let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic());
                words.filter(plain).take(8).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failed::Broken(broken) => {
                let Violation {
                    requirement,
                    expected,
                    actual,
                    at,
                } = broken;
                write!(
                    out,
                    "{requirement}: expected {expected}; {actual} (entries {at:?})"
                )
            }
            Failed::Inside(why) => write!(out, "inside: {why}"),
            Failed::Unclear(why) => write!(out, "unclear: {why}"),
            Failed::Panicked(why) => write!(out, "panic: {why}"),
        }
    }
}

impl Judged {
    /// The kinds of its failures.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<String> {
        self.failures.iter().map(Failed::kind).collect()
    }
}

/// Runs a plan and judges what came of it.
#[must_use]
pub fn judge(plan: &Plan) -> Judged {
    let mut recorder = Recorder::default();
    let ended = catch_unwind(AssertUnwindSafe(|| run(plan, &mut recorder)));
    let mut failures = Vec::new();
    let ended = ended.unwrap_or_else(|panic| {
        failures.push(Failed::Panicked(said(&*panic)));
        Ended::default()
    });
    let facts = recorder.facts;
    failures.extend(ended.violations.iter().cloned().map(Failed::Inside));
    match catch_unwind(AssertUnwindSafe(|| checkers::check(&facts))) {
        Ok(findings) => {
            // Nodes that share a log do not tell each other of their sessions.
            let apart =
                |broken: &Violation| plan.nodes > 1 && broken.requirement == "CONN-REPLACED";
            let broken = findings
                .violations
                .into_iter()
                .filter(|broken| !apart(broken));
            failures.extend(broken.map(Failed::Broken));
            let unclear = findings.internal.into_iter().chain(findings.unclear);
            failures.extend(unclear.map(Failed::Unclear));
        }
        Err(panic) => failures.push(Failed::Panicked(said(&*panic))),
    }
    Judged {
        facts,
        failures,
        ended,
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a word".to_owned())
}
