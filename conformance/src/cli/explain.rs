//! `explain`: what a requirement says and who checks it, or what a scenario does.

use std::process::ExitCode;

use serde_json::Value;

use super::Trouble;
use crate::coverage::{Coverage, Covered};
use crate::report::{text_columns, wrapped};
use crate::requirements::{self, Binds};
use crate::scenario::{Scenario, embedded};
use crate::steps::{Step, Verb};

pub(super) fn explain(id: &str) -> Result<ExitCode, Trouble> {
    let scenarios = embedded().map_err(|errors| {
        Trouble(
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
        )
    })?;
    let upper = id.to_uppercase();
    let coverage = Coverage::of_build().map_err(Trouble)?;
    if let Some(covered) = coverage.find(&upper) {
        explain_requirement(covered);
    } else if let Some(scenario) = scenarios.iter().find(|scenario| scenario.id == id) {
        explain_scenario(scenario);
    } else {
        return Err(Trouble(format!(
            "{id} is neither a requirement of the specification nor a scenario (see `syncline-conformance list`)"
        )));
    }
    Ok(ExitCode::SUCCESS)
}

fn explain_requirement(covered: &Covered) {
    let requirement = covered.requirement;
    let binds = if requirement.binds == Binds::Server {
        "server"
    } else {
        "client"
    };
    outln!(
        "{} ({binds}), chapter {}: spec/v1/{}.md\n",
        requirement.id,
        requirement.chapter,
        requirement.chapter
    );
    outln!("{}\n", wrapped(&requirement.text, "  ", text_columns()));
    for (scenario, why) in covered.scenarios.iter().filter_map(reasoned) {
        outln!("Why, says {scenario}:\n{}\n", wrapped(why, "  ", text_columns()));
    }
    if !covered.scenarios.is_empty() {
        let paths: Vec<_> = covered.scenarios.iter().map(|(path, _)| path.as_str()).collect();
        outln!("Scenarios that check it:\n{}", wrapped(&paths.join(", "), "  ", text_columns()));
    }
    for checker in &covered.checkers {
        outln!("The checker `{checker}` judges it in every scenario's history, where there is occasion.");
    }
    if let Some(reason) = covered.unjudged() {
        outln!("Nothing judges it:\n{}", wrapped(reason, "  ", text_columns()));
    }
    if !covered.mutants.is_empty() {
        outln!("Mutants that break it, and are caught:");
        for mutant in &covered.mutants {
            outln!("  {}\n{}", mutant.name, wrapped(&mutant.text.title, "      ", text_columns()));
        }
    }
    if let Some(reason) = covered.unmutated() {
        outln!("No mutant breaks it:\n{}", wrapped(reason, "  ", text_columns()));
    }
}

/// A scenario that says why it is there.
fn reasoned((scenario, why): &(String, Option<String>)) -> Option<(&str, &str)> {
    Some((scenario, why.as_deref()?))
}

fn explain_scenario(scenario: &Scenario) {
    outln!(
        "{}/{}\n{}",
        scenario.chapter,
        scenario.id,
        wrapped(&scenario.title, "  ", text_columns())
    );
    for (label, text) in [("Why", &scenario.why), ("Seen in", &scenario.seen)] {
        if let Some(text) = text {
            outln!("\n{label}\n{}", wrapped(text, "  ", text_columns()));
        }
    }
    outln!("\nChecks");
    for requirement in scenario
        .checks
        .iter()
        .filter_map(|id| requirements::find(id))
    {
        outln!(
            "{}",
            wrapped(
                &format!("{}: {}", requirement.id, requirement.text),
                "  ",
                text_columns()
            )
        );
    }
    outln!("\nSteps");
    tell(&scenario.steps, 1);
    outln!(
        "{}",
        if scenario.audit {
            "  then the audit, and the checkers over all frames"
        } else {
            "  no audit; the checkers over all frames"
        }
    );
}

/// Each step in a line: the verb, then its members as the file has them.
fn tell(steps: &[Step], depth: usize) {
    let indent = "  ".repeat(depth);
    for step in steps {
        let members = match serde_json::to_value(&step.verb) {
            Ok(Value::Object(members)) => members,
            _ => continue,
        };
        let plain = |(name, value): &(&String, &Value)| {
            let empty = value.is_null()
                || **value == Value::Bool(false)
                || value.as_array().is_some_and(Vec::is_empty);
            !empty && !["do", "steps", "branches"].contains(&name.as_str())
        };
        let shown: Vec<_> = members
            .iter()
            .filter(plain)
            .map(|(name, value)| format!("{name} {}", crate::matcher::short(value)))
            .collect();
        let told = format!("{} {}", step.verb.name(), shown.join(", "));
        let hanging = format!("{indent}    ");
        let told = wrapped(&told, &hanging, text_columns());
        outln!("{indent}{}", told.trim_start());
        if let Some(note) = &step.note {
            outln!(
                "{}",
                wrapped(
                    &format!("({note})"),
                    &format!("{indent}    "),
                    text_columns()
                )
            );
        }
        match &step.verb {
            Verb::Repeat(repeat) => tell(&repeat.steps, depth + 1),
            Verb::Parallel(parallel) => {
                parallel
                    .branches
                    .iter()
                    .enumerate()
                    .for_each(|(index, branch)| {
                        outln!("{indent}  branch {index}");
                        tell(branch, depth + 2);
                    })
            }
            _ => {}
        }
    }
}
