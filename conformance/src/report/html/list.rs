//! What cannot be said, with the reasons; and the list of all requirements and scenarios.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::matrix::Found;
use super::{prose, sign};
use crate::judge::Verdict;
use crate::report::json::level;
use crate::report::run::Run;

/// The scenarios of which nothing can be said, by reason.
pub(super) fn open_questions(run: &Run<'_>) -> Markup {
    let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for judgement in run.judgements {
        let reason = match &judgement.verdict {
            Verdict::Unknown(why) => ("unknown", why.as_str()),
            Verdict::NotJudged(why) => ("not judged", why.as_str()),
            _ => continue,
        };
        reasons
            .entry(reason)
            .or_default()
            .push(&judgement.scenario.id);
    }
    html! {
        @if !reasons.is_empty() {
            section {
                h2 { "What cannot be said" }
                @for ((verdict, why), scenarios) in &reasons {
                    div class="reason" {
                        p { b { (verdict) } ": " (prose(why)) }
                        p class="ids" { (scenarios.join(", ")) }
                    }
                }
            }
        }
    }
}

/// The list of everything.
pub(super) fn everything(run: &Run<'_>) -> Markup {
    let found = Found::of(run);
    html! {
        section {
            h2 { "Everything" }
            @for chapter in &run.summary.chapters {
                details {
                    summary {
                        (chapter.name)
                        span class="count" { (chapter.judged) " of " (chapter.requirements) " requirements, " (chapter.scenarios()) " scenarios" }
                    }
                    ul class="list" {
                        @for requirement in found.requirements(&chapter.name) {
                            @let (class, sign, word) = found.sign(requirement);
                            li id=(requirement.id) {
                                i class=(format!("cell square {class}")) title=(word) { (sign) }
                                div { b { (requirement.id) } " " span class="level" { (level(requirement.level)) } p { (prose(&requirement.text)) } }
                            }
                        }
                    }
                    ul class="list" {
                        @for judgement in run.chapter(&chapter.name) {
                            @let (class, sign, word) = sign(run, judgement);
                            @let scenario = &judgement.scenario;
                            li id=(format!("scenario-{}", scenario.id)) {
                                i class=(format!("cell {class}")) title=(word) { (sign) }
                                div {
                                    b { (scenario.id) } " " span class="level" { (word) }
                                    p { (prose(&scenario.title)) }
                                    @if let Some(reason) = run.known.get(&scenario.id) { p class="known" { "Known: " (reason) } }
                                    p class="ids" { (scenario.checks.join(", ")) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
