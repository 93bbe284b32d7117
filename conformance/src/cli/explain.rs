//! `explain`: what a requirement says and who checks it, or what a scenario does.

use std::process::ExitCode;

use serde_json::Value;

use super::Trouble;
use crate::coverage::UNMUTATED;
use crate::matcher::short;
use crate::report::{text_columns, wrapped};
use crate::requirements::{self, Binds, Requirement};
use crate::scenario::{LoadError, Scenario, embedded};
use crate::{checkers, client, mutants, unjudged};

pub(super) fn explain(id: &str) -> Result<ExitCode, Trouble> {
    let told = |errors: Vec<LoadError>| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        Trouble(errors.join("\n"))
    };
    let servers = embedded().map_err(told)?.into_iter().map(Story::from);
    let clients = client::scenario::embedded().map_err(told)?;
    let stories: Vec<Story> = servers
        .chain(clients.into_iter().map(Story::from))
        .collect();
    let named: Vec<_> = stories.iter().filter(|story| story.id == id).collect();
    if let Some(requirement) = requirements::find(&id.to_uppercase()) {
        explain_requirement(requirement, &stories);
    } else if named.is_empty() {
        return Err(Trouble(format!(
            "{id} is neither a requirement of the specification nor a scenario (see `syncline-conformance list` and `client --list`)"
        )));
    }
    named.into_iter().for_each(Story::tell);
    Ok(ExitCode::SUCCESS)
}

/// A scenario, for servers or for clients, as it is told.
struct Story {
    chapter: String,
    id: String,
    title: String,
    why: Option<String>,
    seen: Option<String>,
    checks: Vec<String>,
    steps: Value,
    end: &'static str,
}

impl From<Scenario> for Story {
    fn from(of: Scenario) -> Story {
        Story {
            steps: serde_json::to_value(&of.steps).expect("steps are JSON"),
            end: if of.audit {
                "  then the audit, and the checkers over all frames"
            } else {
                "  no audit; the checkers over all frames"
            },
            chapter: of.chapter,
            id: of.id,
            title: of.title,
            why: of.why,
            seen: of.seen,
            checks: of.checks,
        }
    }
}

impl From<client::Scenario> for Story {
    fn from(of: client::Scenario) -> Story {
        Story {
            steps: serde_json::to_value(&of.steps).expect("steps are JSON"),
            end: "  then the checkers over all that the client sent",
            chapter: of.chapter,
            id: of.id,
            title: of.title,
            why: of.why,
            seen: None,
            checks: of.checks,
        }
    }
}

/// So many scenarios' reasons are told of a requirement; `explain` of a scenario tells its own.
const REASONS_TOLD: usize = 5;

fn explain_requirement(requirement: &Requirement, scenarios: &[Story]) {
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
    let own: Vec<_> = scenarios
        .iter()
        .filter(|scenario| scenario.checks.contains(&requirement.id))
        .collect();
    let reasons: Vec<&str> = own
        .iter()
        .filter_map(|scenario| scenario.why.as_deref())
        .collect();
    if !reasons.is_empty() {
        outln!("Why it is there: what was seen without it, or is feared");
        for why in reasons.iter().take(REASONS_TOLD) {
            outln!("{}", wrapped(&format!("- {why}"), "  ", text_columns()));
        }
        outln!();
    }
    if !own.is_empty() {
        outln!("Scenarios that check it:");
        for scenario in own {
            outln!(
                "  {}/{}\n{}",
                scenario.chapter,
                scenario.id,
                wrapped(&scenario.title, "      ", text_columns())
            );
        }
    }
    let of_servers = checkers::ALL.iter().map(|of| (of.name, of.requirements));
    let of_clients = client::checkers::ALL
        .iter()
        .map(|of| (of.name, of.requirements));
    for (name, judged) in of_servers.chain(of_clients) {
        if judged.contains(&requirement.id.as_str()) {
            outln!(
                "The checker `{name}` judges it in every scenario's history, where there is occasion."
            );
        }
    }
    let reason =
        unjudged::reason(&requirement.id).or_else(|| client::unjudged::reason(&requirement.id));
    if let Some(reason) = reason {
        outln!(
            "Nothing judges it:\n{}",
            wrapped(reason, "  ", text_columns())
        );
    }
    for mutant in mutants::embedded() {
        if mutant.text.breaks.contains(&requirement.id) {
            let title = wrapped(&mutant.text.title, "      ", text_columns());
            outln!("The mutant {} breaks it:\n{title}", mutant.name);
        }
    }
    if let Some(reason) = UNMUTATED.get(&requirement.id) {
        let reason = wrapped(reason, "  ", text_columns());
        outln!("No mutant breaks it:\n{reason}");
    }
}

impl Story {
    fn tell(&self) {
        let columns = text_columns();
        let title = wrapped(&self.title, "  ", columns);
        outln!("{}/{}\n{title}", self.chapter, self.id);
        for (label, text) in [("Why", &self.why), ("Seen in", &self.seen)] {
            if let Some(text) = text {
                outln!("\n{label}\n{}", wrapped(text, "  ", columns));
            }
        }
        outln!("\nChecks");
        let checks = self.checks.iter().filter_map(|id| requirements::find(id));
        for Requirement { id, text, .. } in checks {
            outln!("{}", wrapped(&format!("{id}: {text}"), "  ", columns));
        }
        outln!("\nSteps");
        tell(&self.steps, 1);
        outln!("{}", self.end);
    }
}

/// Each step in a line: the verb, then its members as the file has them.
fn tell(steps: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let hanging = format!("{indent}    ");
    for members in steps
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
    {
        let plain = |(name, value): &(&String, &Value)| {
            let empty = value.is_null()
                || **value == Value::Bool(false)
                || value.as_array().is_some_and(Vec::is_empty);
            !empty && !["do", "note", "steps", "branches"].contains(&name.as_str())
        };
        let shown = members.iter().filter(plain);
        let shown: Vec<_> = shown
            .map(|(name, value)| format!("{name} {}", short(value)))
            .collect();
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let told = format!("{} {}", text("do").unwrap_or_default(), shown.join(", "));
        let told = wrapped(&told, &hanging, text_columns());
        outln!("{indent}{}", told.trim_start());
        if let Some(note) = text("note") {
            outln!(
                "{}",
                wrapped(&format!("({note})"), &hanging, text_columns())
            );
        }
        tell(
            &members.get("steps").cloned().unwrap_or_default(),
            depth + 1,
        );
        let branches = members.get("branches").and_then(Value::as_array);
        for (index, branch) in branches.into_iter().flatten().enumerate() {
            outln!("{indent}  branch {index}");
            tell(branch, depth + 2);
        }
    }
}
