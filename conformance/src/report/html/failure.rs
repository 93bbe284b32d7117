//! A scenario that failed: what is broken, the diagram, the transcript, the steps, and the command that repeats it.

use maud::{Markup, html};

use super::figure::Figure;
use super::{anchor, prose, steps};
use crate::drive::Failure;
use crate::judge::Judgement;
use crate::report::json::level;
use crate::report::redact::Redaction;
use crate::report::run::{Run, different};
use crate::requirements;

/// So many violations of one scenario are told.
const TOLD_MAX: usize = 8;

/// All that is told of it.
pub(super) fn article(run: &Run<'_>, judgement: &Judgement, failures: &[Failure]) -> Markup {
    let scenario = &judgement.scenario;
    let redaction = Redaction::of(&judgement.facts.entries);
    let (told, more) = different(failures, TOLD_MAX);
    let figure = Figure::of(judgement, &told, run.summary.binds, &redaction);
    let broken_step = told.iter().find_map(|failure| failure.step.as_deref());
    html! {
        article id=(anchor(&scenario.id)) {
            h3 { span class="faint" { (scenario.chapter) "/" } (scenario.id) }
            p class="title" { (prose(&scenario.title)) }
            @if let Some(reason) = run.known.get(&scenario.id) { p class="known" { "Known to fail: " (reason) } }
            @for (index, failure) in told.iter().enumerate() { (one(index + 1, failure, &redaction)) }
            @if more > 0 { p class="faint" { "and " (more) " more of the kind, or that follow from these" } }
            (figure.diagram())
            p class="command" { span { "repeat" } code { (run.repeat.command(&scenario.id)) } }
            details {
                summary { "Transcript" span class="count" { (judgement.facts.entries.len()) " events" } }
                (figure.transcript())
            }
            details {
                summary { "Scenario" span class="count" { "why, and its steps" } }
                @if let Some(why) = &scenario.why { p { b { "Why. " } (prose(why)) } }
                @if let Some(seen) = &scenario.seen { p { b { "Seen in " } (seen) } }
                (steps::list(&scenario.steps_as_data(), broken_step))
            }
        }
    }
}

/// One thing that was done wrong.
fn one(number: usize, failure: &Failure, redaction: &Redaction) -> Markup {
    html! {
        div class="failure" {
            span class="number" { (number) }
            div {
                @for id in &failure.requirements {
                    p class="requirement" {
                        b { (id) }
                        @if let Some(requirement) = requirements::find(id) {
                            " " span class="level" { (level(requirement.level)) } " " (prose(&requirement.text))
                        }
                    }
                }
                dl {
                    dt { "expected" } dd { (redaction.apply(&failure.expected)) }
                    dt { "actual" } dd class="actual" { (redaction.apply(&failure.actual)) }
                    @if let Some(step) = &failure.step { dt { "at" } dd { code { (step) } } }
                }
            }
        }
    }
}
