//! The report as one HTML file: readable on a phone, in the light and in the dark, without a network and without scripts.
//!
//! The verdict comes first, then the matrix, then the failures. Whatever came over the wire is escaped by `maud`, and its secrets are
//! [redacted](super::redact): such a file is passed on.

mod failure;
mod figure;
mod list;
mod matrix;
mod steps;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::run::Run;
use super::table::sentence;
use super::{Style, Summary};
use crate::judge::{Judgement, Verdict};
use crate::requirements::Binds;

/// So many failures are told with their diagrams; a server that fails more is told in a list.
const FAILURES_MAX: usize = 40;

/// The page.
#[must_use]
pub fn page(run: &Run<'_>) -> String {
    let failed: Vec<_> = run.failed().collect();
    let whom = match run.summary.binds {
        Binds::Server => "server",
        Binds::Client => "client",
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Syncline conformance: " (run.target) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header {
                    p class="kicker" { "Syncline v1 conformance of a " (whom) }
                    h1 class=(mood(run.summary)) { (verdict(run.summary)) }
                    p class="target" { (run.target) }
                    (figures(run))
                }
                main {
                    (matrix::matrix(run))
                    @if !failed.is_empty() {
                        section {
                            h2 id="failures" { "Failures" }
                            @for (judgement, failures) in failed.iter().take(FAILURES_MAX) {
                                (failure::article(run, judgement, failures))
                            }
                            @if failed.len() > FAILURES_MAX {
                                p { "Of " (failed.len()) " failed scenarios the first " (FAILURES_MAX) " are told here; the list has the others." }
                            }
                        }
                    }
                    (list::open_questions(run))
                    (list::everything(run))
                }
                footer {
                    "syncline-conformance " (env!("CARGO_PKG_VERSION"))
                    ". Client ids and tokens are replaced by names; long values are cut short."
                }
            }
        }
    }
    .into_string()
}

fn verdict(summary: &Summary) -> String {
    sentence(summary, Style::Plain)
}

fn mood(summary: &Summary) -> &'static str {
    match summary.exit_code() {
        0 => "held",
        1 => "broken",
        _ => "unknown",
    }
}

/// How many scenarios came to which verdict.
fn figures(run: &Run<'_>) -> Markup {
    let total = &run.summary.total;
    let all = [
        ("held", total.passed, "passed"),
        ("broken", total.failed, "failed"),
        ("unknown", total.unknown, "unknown"),
        ("lacking", total.not_judged, "not judged"),
    ];
    html! {
        ul class="figures" {
            @for (class, count, word) in all {
                @if count > 0 { li class=(class) { b { (count) } " " (word) } }
            }
            li { b { (total.judged) " of " (total.requirements) } " requirements judged" }
            @if !run.known.is_empty() { li { b { (run.known.len()) } " of the failures known" } }
        }
    }
}

/// The class, the sign and the word of a scenario's verdict.
fn sign(run: &Run<'_>, judgement: &Judgement) -> (&'static str, &'static str, &'static str) {
    match judgement.verdict {
        Verdict::Pass => ("held", "", "pass"),
        Verdict::Fail(_) if run.known.contains_key(&judgement.scenario.id) => {
            ("known", "×", "fail, known")
        }
        Verdict::Fail(_) => ("broken", "×", "fail"),
        Verdict::Unknown(_) => ("unknown", "?", "unknown"),
        Verdict::NotJudged(_) => ("lacking", "–", "not judged"),
    }
}

/// A text in which backticks enclose code, as the specification has it.
fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Where a failure is told.
fn anchor(scenario: &str) -> String {
    format!("failure-{scenario}")
}

#[cfg(test)]
mod tests;
