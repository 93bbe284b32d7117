//! Scenarios for clients: what the app does and what the server says, and which requirements that checks, as data.
//!
//! One JSON file each in `conformance/client-scenarios/<chapter>/`, whose schema is `conformance/client-scenario.schema.json` and whose guide is
//! `conformance/CLIENT-SCENARIOS.md`.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::adapter::Ability;
use super::steps::Step;
use crate::requirements::{self, Binds};
use crate::scenario::{LoadError, operators};

/// The scenario files of this build: path under `client-scenarios/`, text.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/client_scenarios.rs"));

/// One scenario.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Client scenario")]
pub struct Scenario {
    /// The file's name without `.json`: a slug that never changes and is never given to another.
    pub id: String,
    /// What must hold, in one sentence.
    pub title: String,
    /// Why it is worth checking: the bug that it is after.
    pub why: Option<String>,
    /// The IDs of the requirements that it checks. They are blamed when a step fails.
    pub checks: Vec<String>,
    /// What the client must offer beyond the least.
    #[serde(default)]
    pub needs: Vec<Ability>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The chapter: the folder's name.
    #[serde(skip)]
    pub chapter: String,
}

impl Scenario {
    /// The JSON Schema of a scenario file, as text.
    #[must_use]
    pub fn schema() -> String {
        let schema = schemars::schema_for!(Scenario);
        serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n"
    }
}

/// All scenarios of this build, by chapter and id.
///
/// # Errors
/// Every fault of every file.
pub fn embedded() -> Result<Vec<Scenario>, Vec<LoadError>> {
    collect(EMBEDDED.iter().map(|(path, text)| parse(path, text)))
}

/// The scenarios of these files.
///
/// # Errors
/// Every fault of every file, or that one cannot be read.
pub fn files(paths: &[std::path::PathBuf]) -> Result<Vec<Scenario>, Vec<LoadError>> {
    let read = |path: &std::path::PathBuf| {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => parse(&name, &text),
            Err(error) => Err(vec![LoadError {
                file: name,
                at: String::new(),
                reason: format!("cannot be read: {error}"),
            }]),
        }
    };
    collect(paths.iter().map(read))
}

fn collect(
    read: impl Iterator<Item = Result<Scenario, Vec<LoadError>>>,
) -> Result<Vec<Scenario>, Vec<LoadError>> {
    let (mut scenarios, mut errors) = (Vec::new(), Vec::new());
    for one in read {
        match one {
            Ok(scenario) => scenarios.push(scenario),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() {
        Ok(scenarios)
    } else {
        Err(errors)
    }
}

/// Reads a scenario; the chapter is the folder in `path`, the id its file name.
///
/// # Errors
/// All that is wrong in it.
pub fn parse(path: &str, text: &str) -> Result<Scenario, Vec<LoadError>> {
    let fault = |(at, reason): (String, String)| LoadError {
        file: path.to_owned(),
        at,
        reason,
    };
    let whole = |reason: String| vec![fault((String::new(), reason))];
    let value: Value =
        serde_json::from_str(text).map_err(|error| whole(format!("is not JSON: {error}")))?;
    let mut scenario: Scenario =
        serde_json::from_value(value.clone()).map_err(|error| match bad_step(&value["steps"]) {
            Some(found) => vec![fault(found)],
            None => whole(error.to_string()),
        })?;
    let name = |part: Option<&std::ffi::OsStr>| {
        part.map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let path = Path::new(path);
    scenario.chapter = name(path.parent().and_then(Path::file_name));
    let faults = problems(&scenario, &name(path.file_stem()), &value);
    if faults.is_empty() {
        Ok(scenario)
    } else {
        Err(faults.into_iter().map(fault).collect())
    }
}

/// The first step that does not fit, with the reason.
fn bad_step(steps: &Value) -> Option<(String, String)> {
    let mut steps = steps.as_array()?.iter().enumerate();
    steps.find_map(|(index, step)| {
        let error = serde_json::from_value::<Step>(step.clone()).err()?;
        Some((format!("/steps/{index}"), error.to_string()))
    })
}

/// What the schema cannot say.
fn problems(scenario: &Scenario, file_name: &str, file: &Value) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let mut add = |at: &str, reason: String| problems.push((at.to_owned(), reason));
    if scenario.id != file_name {
        add("/id", format!("is {:?}, not the file's name", scenario.id));
    }
    if !requirements::CHAPTERS.contains(&scenario.chapter.as_str()) {
        let chapter = &scenario.chapter;
        add(
            "",
            format!("lies in a folder {chapter:?}, which is no chapter of the specification"),
        );
    }
    if scenario.checks.is_empty() {
        add("/checks", "must name a requirement".to_owned());
    }
    let blamed = scenario.steps.iter().flat_map(|step| &step.blames);
    for id in scenario.checks.iter().chain(blamed) {
        if requirements::find(id).is_none_or(|found| found.binds != Binds::Client) {
            add(
                "/checks",
                format!("{id} is no requirement that binds clients"),
            );
        }
    }
    operators(&file["steps"], "/steps", &mut problems);
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(checks: &str, steps: &str) -> String {
        let text =
            format!(r#"{{"id": "a", "title": "t", "checks": [{checks}], "steps": {steps}}}"#);
        let errors = parse("client/a.json", &text).err().unwrap_or_default();
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        errors.join("\n")
    }

    #[test]
    fn bad_ones_are_named() {
        let good = r#"[{"do": "start", "client": "a"}]"#;
        assert_eq!(faults(r#""CLIENT-SEQ""#, good), "");
        assert_eq!(
            faults(r#""PUSH-ONCE""#, good),
            "client/a.json: /checks: PUSH-ONCE is no requirement that binds clients"
        );
        assert!(
            faults(r#""CLIENT-SEQ""#, r#"[{"do": "dance"}]"#)
                .starts_with("client/a.json: /steps/0: `do` is")
        );
        let dreams = r#"[{"do": "expect", "conn": "a", "frame": {"$dream": 1}}]"#;
        assert!(
            faults(r#""CLIENT-SEQ""#, dreams)
                .ends_with("$dream is neither a generator nor a matcher")
        );
    }

    #[test]
    fn every_embedded_scenario_is_valid() {
        if let Err(errors) = embedded() {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", errors.join("\n"));
        }
    }
}
