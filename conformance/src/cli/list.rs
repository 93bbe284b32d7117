//! `list`: the scenarios, by chapter.

use std::process::ExitCode;

use super::{Selection, Trouble};

pub(super) fn list(selection: &Selection) -> Result<ExitCode, Trouble> {
    let scenarios = selection.scenarios()?;
    let widest = scenarios
        .iter()
        .map(|scenario| scenario.id.len())
        .max()
        .unwrap_or(0);
    let mut chapter = "";
    for scenario in &scenarios {
        if scenario.chapter != chapter {
            outln!(
                "{}{}",
                if chapter.is_empty() { "" } else { "\n" },
                scenario.chapter
            );
            chapter = &scenario.chapter;
        }
        let hooks: Vec<_> = scenario
            .needs
            .hooks
            .iter()
            .map(|hook| hook.name())
            .collect();
        let needs = if hooks.is_empty() {
            String::new()
        } else {
            format!(" (needs {})", hooks.join(", "))
        };
        outln!("  {:widest$}  {}{needs}", scenario.id, scenario.title);
    }
    outln!("\n{} scenarios", scenarios.len());
    Ok(ExitCode::SUCCESS)
}
