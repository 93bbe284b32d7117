//! What people and programs are told: progress, the table by chapter, the failures; and files for pages, programs and pull requests.

mod badge;
mod baseline;
mod diagram;
mod failure;
mod html;
mod json;
mod junit;
mod latency;
mod markdown;
mod progress;
mod redact;
mod run;
#[cfg(test)]
mod samples;
mod style;
mod summary;
mod table;
pub(crate) mod transcript;
mod words;

pub use badge::badge;
pub use baseline::{Baseline, Compared, Known};
pub use failure::Repeat;
pub use html::page;
pub use json::{Report, level};
pub use junit::junit;
pub use latency::Latency;
pub use markdown::markdown;
pub use progress::Progress;
pub use run::Run;
pub use style::{Style, text_columns, wrapped};
pub use summary::{Chapter, Summary};

/// Prints the whole report.
pub fn print(run: &Run<'_>, verbose: bool, style: Style) {
    let Run {
        judgements, repeat, ..
    } = run;
    if verbose {
        for judgement in *judgements {
            outln!("{}", failure::head(judgement, style));
            out!("{}", transcript::whole(&judgement.facts, style));
        }
    }
    for (index, (judgement, failures)) in run.failed().enumerate() {
        outln!("{}", failure::render(judgement, failures, repeat, style));
        // One picture says how it is; more of them only push each other off the screen.
        if index == 0 {
            out!(
                "{}",
                failure::picture(judgement, failures, run.summary.binds, style)
            );
        }
    }
    out!("{}", failure::unknown(judgements, repeat, style));
    out!("{}", failure::not_judged(judgements, style));
    out!("{}", table::render(run.summary, style));
}
