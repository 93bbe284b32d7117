//! Checkers: pure functions of a history, each with the requirements that it judges.
//!
//! A checker says two things: what is violated, and what it found occasion to judge. The second is what keeps a pass from meaning nothing: a
//! scenario that names a requirement which its history gave no occasion to judge is not passed.

mod answers;
mod author;
mod blame;
mod closing;
mod codes;
mod ends;
mod epochs;
mod frames;
mod locks;
#[cfg(test)]
mod notation;
mod outcomes;
mod rows;
mod sessions;
mod shape;
mod timeouts;
mod updates;
mod versions;

use std::collections::BTreeSet;

use crate::facts::Facts;

/// A requirement that a history breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The requirement's ID.
    pub requirement: &'static str,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub actual: String,
    /// The entries that show it.
    pub at: Vec<usize>,
}

/// What the checkers say of a history.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What is broken.
    pub violations: Vec<Violation>,
    /// The requirements that there was occasion to judge.
    pub judged: BTreeSet<&'static str>,
    /// What the runner itself did wrong.
    pub internal: Vec<String>,
    /// What happened that nobody can explain, and that leaves a pass in doubt.
    pub unclear: Vec<String>,
    /// What was judged lately, by its address.
    lately: [Option<&'static str>; LATELY],
}

/// So many requirements are remembered as judged lately.
const LATELY: usize = 32;

impl Findings {
    /// There was occasion to judge this requirement.
    pub(crate) fn judged(&mut self, requirement: &'static str) {
        // The same few are judged for each of a million frames.
        let lately = &mut self.lately[requirement.as_ptr() as usize / 8 % LATELY];
        if !lately.is_some_and(|lately| std::ptr::eq(lately, requirement)) {
            *lately = Some(requirement);
            self.judged.insert(requirement);
        }
    }

    /// This requirement is broken.
    pub(crate) fn broken(
        &mut self,
        requirement: &'static str,
        at: impl IntoIterator<Item = usize>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) {
        self.judged(requirement);
        let at = at.into_iter().collect();
        self.violations.push(Violation {
            requirement,
            expected: expected.into(),
            actual: actual.into(),
            at,
        });
    }

    /// Something happened that nobody can explain.
    pub(crate) fn unclear(&mut self, what: String) {
        self.unclear.push(what);
    }

    /// Judges one thing: there was occasion, and it must hold.
    pub(crate) fn must(
        &mut self,
        requirement: &'static str,
        holds: bool,
        at: impl IntoIterator<Item = usize>,
        expected: impl FnOnce() -> String,
        actual: impl FnOnce() -> String,
    ) {
        self.judged(requirement);
        if !holds {
            self.broken(requirement, at, expected(), actual());
        }
    }
}

/// One checker.
pub struct Checker {
    /// Its name.
    pub name: &'static str,
    /// The requirements that it judges, where there is occasion.
    pub requirements: &'static [&'static str],
    /// The function.
    pub check: fn(&Facts, &mut Findings),
}

/// All checkers.
pub const ALL: &[Checker] = &[
    frames::CHECKER,
    answers::CHECKER,
    codes::CHECKER,
    sessions::CHECKER,
    closing::CHECKER,
    ends::CHECKER,
    timeouts::CHECKER,
    epochs::CHECKER,
    versions::CHECKER,
    outcomes::CHECKER,
    updates::CHECKER,
    author::CHECKER,
    rows::CHECKER,
    locks::CHECKER,
];

/// What all checkers say of a history.
#[must_use]
pub fn check(facts: &Facts) -> Findings {
    let mut findings = Findings::default();
    for checker in ALL {
        (checker.check)(facts, &mut findings);
    }
    findings
}

/// Whether some checker judges this requirement.
#[must_use]
pub fn judges(requirement: &str) -> bool {
    ALL.iter()
        .any(|checker| checker.requirements.contains(&requirement))
}
