//! Shrinking: makes a failing scenario as small as it gets while it goes on failing for the same reason.
//!
//! It ends at a local minimum: no single [edit](super::edits) leaves a scenario that still fails, as far as the time reaches. A race does not fail every time: what fails
//! seldom is tried more often, and at the end it is said how often the small one fails.

use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use super::edits::{edited, edits, steps_in};
use super::hunt::parse;
use crate::judge::{Judgement, Settings, Verdict};
use crate::suite;
use crate::target::Target;

/// A failure, made small.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The scenario file.
    pub file: Value,
    /// The judgement on it that failed; on what it was made of, if it never failed again.
    pub judgement: Judgement,
    /// How many steps there were.
    pub steps_before: usize,
    /// How many there are.
    pub steps: usize,
    /// How often it failed.
    pub failed: usize,
    /// How often it was run.
    pub runs: usize,
}

/// How long it may take.
const TIME_MAX: Duration = Duration::from_secs(20);

/// So often the failure is run again, to see how often it fails, before and after.
const RUNS: usize = 10;

/// A server that falls silent would cost a whole deadline at each attempt.
const DEADLINE_MAX: Duration = Duration::from_secs(3);

/// The requirements that a judgement's failures break; none if it did not fail.
#[must_use]
pub(super) fn requirements_of(judgement: &Judgement) -> Option<BTreeSet<String>> {
    let Verdict::Fail(failures) = &judgement.verdict else {
        return None;
    };
    Some(
        failures
            .iter()
            .flat_map(|failure| failure.requirements.iter().cloned())
            .collect(),
    )
}

/// Whether a judgement failed for one of these reasons.
#[must_use]
pub fn fails_with(judgement: &Judgement, requirements: &BTreeSet<String>) -> bool {
    requirements_of(judgement).is_some_and(|broken| !broken.is_disjoint(requirements))
}

/// Makes a failing scenario small.
pub(super) async fn shrink(
    file: Value,
    judgement: Judgement,
    target: &Arc<dyn Target>,
    settings: &Settings,
    jobs: usize,
) -> Shrunk {
    let trial = Trial {
        target: Arc::clone(target),
        settings: Settings {
            deadline: settings.deadline.min(DEADLINE_MAX),
            ..settings.clone()
        },
        requirements: requirements_of(&judgement).unwrap_or_default(),
        jobs: jobs.max(1),
    };
    let steps_before = steps_in(&file["steps"]);
    let again = trial.failures(&file, RUNS).await.len();
    // So often that what still fails is hardly ever missed.
    let tries = (2 * RUNS).div_ceil(again.max(1)).min(RUNS);
    let (mut file, last) = trial
        .smallest(file, if again == RUNS { 1 } else { tries })
        .await;
    let failures = trial.failures(&file, RUNS).await;
    let failed = failures.len();
    let steps = steps_in(&file["steps"]);
    file["why"] = format!("Found by chance, and made small: {steps} of {steps_before} steps are left. It failed {failed} of {RUNS} times.").into();
    Shrunk {
        judgement: failures.into_iter().next().or(last).unwrap_or(judgement),
        steps,
        file,
        steps_before,
        failed,
        runs: RUNS,
    }
}

/// How a smaller scenario is tried.
struct Trial {
    target: Arc<dyn Target>,
    settings: Settings,
    requirements: BTreeSet<String>,
    jobs: usize,
}

impl Trial {
    /// The smallest that was found in time, and the judgement on it.
    async fn smallest(&self, mut file: Value, tries: usize) -> (Value, Option<Judgement>) {
        let until = Instant::now() + TIME_MAX;
        let (mut last, mut at, mut in_vain) = (None, 0, 0);
        loop {
            let candidates: Vec<Value> = edits(&file)
                .iter()
                .filter_map(|edit| edited(&file, edit))
                .filter(|smaller| *smaller != file)
                .collect();
            if in_vain >= candidates.len() || Instant::now() > until {
                return (file, last);
            }
            let count = self.at_once(&file, tries).min(candidates.len());
            let from = candidates.iter().cycle().skip(at % candidates.len());
            let some: Vec<&Value> = from.take(count).collect();
            let tried = join_all(some.iter().map(|smaller| self.failures(smaller, tries))).await;
            let mut failed = tried.into_iter().zip(some).enumerate();
            let found = failed.find_map(|(index, (failures, smaller))| {
                Some((index, failures.into_iter().next()?, smaller.clone()))
            });
            match found {
                // The edits after the one that worked are tried next: those before it have just failed.
                Some((index, judgement, smaller)) => {
                    (file, last, in_vain) = (smaller, Some(judgement), 0);
                    at += index;
                }
                None => (at, in_vain) = (at + count, in_vain + count),
            }
        }
    }

    /// How many candidates are tried side by side.
    fn at_once(&self, file: &Value, tries: usize) -> usize {
        let alone = !self.target.isolates() && file.get("needs").is_some();
        let room = if alone { 1 } else { self.jobs / tries.max(1) };
        room.max(1)
    }

    /// The judgements that failed for the same reason, of so many.
    async fn failures(&self, file: &Value, runs: usize) -> Vec<Judgement> {
        let Ok(scenario) = parse(file) else {
            return Vec::new();
        };
        let again = iter::repeat_n(Arc::new(scenario), runs).collect();
        let (target, settings) = (Arc::clone(&self.target), self.settings.clone());
        let judged = suite::run(again, target, settings, self.jobs, |_| ()).await;
        let same = |judgement: &Judgement| fails_with(judgement, &self.requirements);
        judged.into_iter().filter(same).collect()
    }
}
