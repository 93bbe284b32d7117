//! The figures: by chapter and in all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::latency::Latency;
use crate::judge::{Judgement, Verdict};
use crate::requirements::{self, Binds, CHAPTERS, Level, Requirement};

/// All figures of a run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// By chapter, in the order of the specification; only those with scenarios.
    pub chapters: Vec<Chapter>,
    /// In all.
    pub total: Chapter,
    /// How long it took.
    pub took: Duration,
    /// Who was judged.
    pub binds: Binds,
    /// How long replicas took to converge.
    pub latency: Option<Latency>,
}

/// The figures of a chapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chapter {
    /// Its name.
    pub name: String,
    /// Scenarios that passed.
    pub passed: usize,
    /// Scenarios that failed.
    pub failed: usize,
    /// Scenarios of which nothing can be said.
    pub unknown: usize,
    /// Scenarios for which the target lacks something.
    pub not_judged: usize,
    /// Requirements that there was occasion to judge.
    pub judged: usize,
    /// Requirements that were found broken.
    pub broken: usize,
    /// Requirements that bind who was judged, those of level MAY left out.
    pub requirements: usize,
}

impl Summary {
    /// The figures of these judgements.
    #[must_use]
    pub fn of(binds: Binds, judgements: &[Judgement], took: Duration) -> Summary {
        let mut chapters: BTreeMap<&str, Chapter> = BTreeMap::new();
        for judgement in judgements {
            let chapter = chapters.entry(&judgement.scenario.chapter).or_default();
            *match judgement.verdict {
                Verdict::Pass => &mut chapter.passed,
                Verdict::Fail(_) => &mut chapter.failed,
                Verdict::Unknown(_) => &mut chapter.unknown,
                Verdict::NotJudged(_) => &mut chapter.not_judged,
            } += 1;
        }
        let (judged, broken) = (judged(judgements), broken(judgements));
        // What one MAY do cannot be broken by not doing it.
        let owed = |of: &&Requirement| of.binds == binds && of.level != Level::May;
        for requirement in requirements::ALL.iter().filter(owed) {
            let chapter = chapters.entry(&requirement.chapter).or_default();
            chapter.requirements += 1;
            chapter.judged +=
                usize::from(judged.contains(&requirement.id) || broken.contains(&requirement.id));
            chapter.broken += usize::from(broken.contains(&requirement.id));
        }
        let mut total = Chapter {
            name: "all".to_owned(),
            ..Chapter::default()
        };
        for chapter in chapters.values() {
            total.add(chapter);
        }
        // Files of one's own lie where one likes.
        let others: Vec<&str> = chapters
            .keys()
            .filter(|name| !CHAPTERS.contains(name))
            .copied()
            .collect();
        let named = |name: &&str| {
            let chapter = chapters.get(*name)?.clone();
            Some(Chapter {
                name: (*name).to_owned(),
                ..chapter
            })
        };
        Summary {
            chapters: CHAPTERS
                .iter()
                .chain(&others)
                .filter_map(named)
                .filter(Chapter::has_any)
                .collect(),
            total,
            took,
            binds,
            latency: Latency::of(judgements),
        }
    }

    /// 0: all that was judged passed. 1: something failed. 2: it cannot be said.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code_without(0)
    }

    /// The same, where so many of the failures are known and count as none.
    #[must_use]
    pub fn exit_code_without(&self, known: usize) -> u8 {
        match &self.total {
            total if total.failed > known => 1,
            total if total.unknown > 0 || total.passed + known == 0 => 2,
            _ => 0,
        }
    }
}

impl Chapter {
    /// Scenarios of all verdicts.
    #[must_use]
    pub fn scenarios(&self) -> usize {
        self.passed + self.failed + self.unknown + self.not_judged
    }

    fn has_any(&self) -> bool {
        self.scenarios() > 0
    }

    fn add(&mut self, other: &Chapter) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.not_judged += other.not_judged;
        self.judged += other.judged;
        self.broken += other.broken;
        self.requirements += other.requirements;
    }
}

/// The requirements that some history gave occasion to judge.
pub(super) fn judged(judgements: &[Judgement]) -> BTreeSet<String> {
    judgements
        .iter()
        .flat_map(|judgement| judgement.judged.iter().cloned())
        .collect()
}

/// The requirements that were found broken.
pub(super) fn broken(judgements: &[Judgement]) -> BTreeSet<String> {
    let failures = judgements
        .iter()
        .filter_map(|judgement| match &judgement.verdict {
            Verdict::Fail(failures) => Some(failures),
            _ => None,
        });
    failures
        .flatten()
        .flat_map(|failure| failure.requirements.iter().cloned())
        .collect()
}
