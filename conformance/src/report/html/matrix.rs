//! Everything at a glance: a square for each requirement and a dot for each scenario, by chapter.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{anchor, sign};
use crate::report::run::Run;
use crate::report::summary::{broken, judged};
use crate::requirements::{self, Binds, Level, Requirement};

/// The requirements of a run, and what was found of them.
pub(super) struct Found {
    binds: Binds,
    judged: BTreeSet<String>,
    broken: BTreeSet<String>,
}

impl Found {
    pub(super) fn of(run: &Run<'_>) -> Found {
        Found {
            binds: run.summary.binds,
            judged: judged(run.judgements),
            broken: broken(run.judgements),
        }
    }

    /// The requirements of a chapter that bind what was judged.
    pub(super) fn requirements(&self, chapter: &str) -> impl Iterator<Item = &'static Requirement> {
        let bound = requirements::ALL.iter();
        bound.filter(move |of| of.binds == self.binds && of.chapter == chapter)
    }

    /// The class, the sign and the word of what was found of a requirement.
    pub(super) fn sign(
        &self,
        requirement: &Requirement,
    ) -> (&'static str, &'static str, &'static str) {
        let has = |set: &BTreeSet<String>| set.contains(&requirement.id);
        match (has(&self.broken), has(&self.judged), requirement.level) {
            (true, ..) => ("broken", "×", "broken"),
            (_, true, _) => ("held", "", "held"),
            (_, _, Level::May) => ("lacking", "", "optional"),
            _ => ("lacking", "–", "not judged"),
        }
    }
}

/// The matrix.
pub(super) fn matrix(run: &Run<'_>) -> Markup {
    let found = Found::of(run);
    html! {
        section class="matrix" {
            div class="heads" {
                span { "chapter" } span { "requirements" } span { "scenarios" }
            }
            @for chapter in &run.summary.chapters {
                div class="chapter" {
                    h3 { (chapter.name) }
                    div class="cells squares" {
                        @for requirement in found.requirements(&chapter.name) {
                            (requirement_cell(run, &found, requirement))
                        }
                    }
                    div class="cells dots" {
                        @for judgement in run.chapter(&chapter.name) {
                            (scenario_cell(run, judgement))
                        }
                    }
                }
            }
            p class="key" {
                span { i class="cell held" {} " holds" }
                span { i class="cell broken" { "×" } " broken" }
                span { i class="cell unknown" { "?" } " unknown" }
                span { i class="cell lacking" { "–" } " not judged" }
            }
        }
    }
}

fn requirement_cell(run: &Run<'_>, found: &Found, requirement: &Requirement) -> Markup {
    let (class, sign, word) = found.sign(requirement);
    let breaks = run.failed().find(|(_, failures)| {
        let mut ids = failures.iter().flat_map(|failure| &failure.requirements);
        ids.any(|id| *id == requirement.id)
    });
    let link = match breaks {
        Some((judgement, _)) => anchor(&judgement.scenario.id),
        None => requirement.id.clone(),
    };
    let title = format!("{} ({word}): {}", requirement.id, requirement.text);
    html! { a class=(format!("cell {class}")) href=(format!("#{link}")) title=(title) aria-label=(title) { (sign) } }
}

fn scenario_cell(run: &Run<'_>, judgement: &crate::judge::Judgement) -> Markup {
    let (class, sign, word) = sign(run, judgement);
    let scenario = &judgement.scenario;
    let link = match class {
        "broken" | "known" => anchor(&scenario.id),
        _ => format!("scenario-{}", scenario.id),
    };
    let title = format!("{} ({word}): {}", scenario.id, scenario.title);
    html! { a class=(format!("cell {class}")) href=(format!("#{link}")) title=(title) aria-label=(title) { (sign) } }
}
