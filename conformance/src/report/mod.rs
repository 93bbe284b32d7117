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
            println!("{}", failure::head(judgement, style));
            print!("{}", transcript::whole(&judgement.facts, style));
        }
    }
    for judgement in judgements {
        if let Verdict::Fail(failures) = &judgement.verdict {
            println!("{}", failure::render(judgement, failures, repeat, style));
        }
    }
    print!("{}", failure::unknown(judgements, repeat, style));
    print!("{}", failure::not_judged(judgements, style));
    print!("{}", table::render(summary, style));
}
