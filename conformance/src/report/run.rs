//! What a run found, as every report is given it.

use std::collections::BTreeMap;

use super::{Repeat, Summary};
use crate::drive::Failure;
use crate::judge::{Judgement, Verdict};

/// What a run found.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What was judged.
    pub target: &'a str,
    /// What came of each scenario.
    pub judgements: &'a [Judgement],
    /// The figures.
    pub summary: &'a Summary,
    /// How to repeat a scenario.
    pub repeat: &'a Repeat,
    /// The scenarios that are known to fail, each with the reason.
    pub known: &'a BTreeMap<String, String>,
}

impl<'a> Run<'a> {
    /// The scenarios that failed, each with what it found.
    pub(super) fn failed(&self) -> impl Iterator<Item = (&'a Judgement, &'a [Failure])> + use<'a> {
        let judgements = self.judgements.iter();
        judgements.filter_map(|judgement| match &judgement.verdict {
            Verdict::Fail(failures) => Some((judgement, failures.as_slice())),
            _ => None,
        })
    }

    /// The scenarios of a chapter.
    pub(super) fn chapter(&self, name: &str) -> impl Iterator<Item = &'a Judgement> {
        let judgements = self.judgements.iter();
        judgements.filter(move |judgement| judgement.scenario.chapter == name)
    }
}

/// The failures of a scenario that are worth telling: the first of each kind, in the order in which they showed, and how many more there are.
pub(super) fn different(failures: &[Failure], most: usize) -> (Vec<Failure>, usize) {
    let mut kinds: Vec<&[String]> = Vec::new();
    let mut told = Vec::new();
    let mut by_time: Vec<&Failure> = failures.iter().collect();
    by_time.sort_by_key(|failure| failure.at.iter().min().copied().unwrap_or(usize::MAX));
    for failure in by_time {
        if told.len() < most && !kinds.contains(&failure.requirements.as_slice()) {
            kinds.push(&failure.requirements);
            told.push(failure.clone());
        }
    }
    let more = failures.len() - told.len();
    (told, more)
}
