//! `coverage`: which checks and mutants stand behind each requirement.

use std::process::ExitCode;

use super::Trouble;
use crate::coverage::{Coverage, Covered};
use crate::report::{Style, level};

/// Prints it; fails if something is missing.
pub(super) fn coverage(markdown: bool) -> Result<ExitCode, Trouble> {
    let coverage = Coverage::of_build().map_err(Trouble)?;
    if markdown {
        out!("{}", coverage.markdown());
    } else {
        table(&coverage, Style::of(&std::io::stdout()));
    }
    let amiss = coverage.amiss();
    for line in &amiss {
        eprintln!("{line}");
    }
    Ok(ExitCode::from(u8::from(!amiss.is_empty())))
}

fn table(coverage: &Coverage, style: Style) {
    let lengths = coverage
        .all
        .iter()
        .map(|covered| covered.requirement.id.len());
    let widest = lengths.max().unwrap_or(0);
    let head = format!(
        "{:widest$}  level   scenarios  checkers  mutants",
        "requirement"
    );
    outln!("{}", style.faint(&head));
    for covered in &coverage.all {
        let told = line(covered, widest);
        let told = match covered.lacks() {
            Some(lacks) => style.bad(&format!("{told}  lacks {lacks}")),
            None => told,
        };
        outln!("{told}");
    }
}

fn line(covered: &Covered, widest: usize) -> String {
    let reason = covered
        .unjudged()
        .map_or("", |_| "  not judged, with a reason");
    format!(
        "{:widest$}  {:6}  {:>9}  {:>8}  {:>7}{reason}",
        covered.requirement.id,
        level(covered.requirement.level),
        covered.scenarios.len(),
        covered.checkers.len(),
        covered.mutants.len()
    )
}
