//! What people and programs are told: progress, the table by chapter, the failures, the JSON report.

mod failure;
mod json;
mod progress;
mod style;
mod summary;
mod table;
mod transcript;

pub use failure::Repeat;
pub use json::Report;
pub use progress::Progress;
pub use style::{Style, text_columns, wrapped};
pub use summary::{Chapter, Summary};

use crate::judge::{Judgement, Verdict};

/// Prints the whole report.
pub fn print(
    judgements: &[Judgement],
    summary: &Summary,
    repeat: &Repeat,
    verbose: bool,
    style: Style,
) {
    if verbose {
        for judgement in judgements {
            outln!("{}", failure::head(judgement, style));
            out!("{}", transcript::whole(&judgement.facts, style));
        }
    }
    for judgement in judgements {
        if let Verdict::Fail(failures) = &judgement.verdict {
            outln!("{}", failure::render(judgement, failures, repeat, style));
        }
    }
    out!("{}", failure::unknown(judgements, repeat, style));
    out!("{}", failure::not_judged(judgements, style));
    out!("{}", table::render(summary, style));
}
