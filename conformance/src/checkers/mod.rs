//! Checkers: pure functions of a history, each with the requirements that it judges.
//!
//! A checker says two things: what is violated, and what it found occasion to judge. The second is what keeps a pass from meaning nothing: a
//! scenario that names a requirement which its history gave no occasion to judge is not passed.

mod answers;
mod author;
mod blame;
mod closing;
mod codes;
mod conflicts;
mod digests;
mod documents;
mod ends;
mod epochs;
mod fields;
mod filters;
mod frames;
mod history;
mod locks;
#[cfg(test)]
pub(crate) mod notation;
mod outcomes;
mod presence;
mod rows;
mod sequences;
mod sessions;
mod shape;
mod timeouts;
mod updates;
mod versions;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

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

    /// These findings, and behind them the others.
    fn and(mut self, others: Findings) -> Findings {
        self.violations.extend(others.violations);
        self.judged.extend(others.judged);
        self.internal.extend(others.internal);
        self.unclear.extend(others.unclear);
        self
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
    digests::CHECKER,
    filters::CHECKER,
    history::CHECKER,
    presence::CHECKER,
    locks::CHECKER,
    rows::CHECKER,
    conflicts::CHECKER,
    documents::CHECKER,
    fields::CHECKER,
    sequences::CHECKER,
];

/// Histories from this length on are judged by several threads: below it, starting them costs more than it saves.
const LONG: usize = 10_000;

/// What all checkers say of a history.
#[must_use]
pub fn check(facts: &Facts) -> Findings {
    let threads = if facts.entries.len() < LONG {
        1
    } else {
        thread::available_parallelism().map_or(1, NonZero::get)
    };
    check_by(threads, facts)
}

/// Each thread takes the next checker until there is none; the findings are put together in the order of [`ALL`], whoever came first.
fn check_by(threads: usize, facts: &Facts) -> Findings {
    let found = [const { OnceLock::new() }; ALL.len()];
    // The last one is the longest, and so the first to be taken.
    let left = AtomicUsize::new(ALL.len());
    let take = || {
        let taken = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        taken.ok().map(|left| left - 1)
    };
    let work = || {
        while let Some(index) = take() {
            found[index].get_or_init(|| {
                let mut findings = Findings::default();
                (ALL[index].check)(facts, &mut findings);
                findings
            });
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| {
            scope.spawn(work);
        });
        work();
    });
    let found = found.into_iter().filter_map(OnceLock::into_inner);
    found.fold(Findings::default(), Findings::and)
}

/// Whether some checker judges this requirement.
#[must_use]
pub fn judges(requirement: &str) -> bool {
    ALL.iter()
        .any(|checker| checker.requirements.contains(&requirement))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong `from`, an ack of what was not sent, and a row that nobody wrote: several checkers have something to say.
    const WRONG: &str = "a > hello alice\na < welcome 5 0\na > subscribe i t\na < subscribed i s t\n\
        a < update s 0..5 replace t/k=1@5\na > push 1 x t/k=2\na < ack 9 1 x applied 6\na < update s 6..7 t/j=1@7";

    #[test]
    fn threads_find_the_same_in_the_same_order() {
        let facts = notation::facts(WRONG);
        let alone = check_by(1, &facts);
        assert!(alone.violations.len() > 2, "{:?}", alone.violations);
        for _ in 0..20 {
            let together = check_by(4, &facts);
            assert_eq!(together.violations, alone.violations);
            assert_eq!(together.judged, alone.judged);
        }
    }
}
