//! Reads scenario files, and says of a bad one where it is bad: the file, and the JSON Pointer.

use std::fmt;
use std::path::Path;

use serde_json::Value;

use super::{Scenario, problems};
use crate::steps::Step;

/// The scenario files of this build: path under `scenarios/`, text.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// Why a scenario cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The file.
    pub file: String,
    /// JSON Pointer to what is wrong; empty for the whole.
    pub at: String,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadError { file, at, reason } = self;
        if at.is_empty() {
            write!(out, "{file}: {reason}")
        } else {
            write!(out, "{file}: {at}: {reason}")
        }
    }
}

impl std::error::Error for LoadError {}

/// All scenarios of this build, by chapter and id.
///
/// # Errors
/// Every fault of every file.
pub fn embedded() -> Result<Vec<Scenario>, Vec<LoadError>> {
    let mut scenarios = Vec::new();
    let mut errors = Vec::new();
    for (path, text) in EMBEDDED {
        match parse(path, text) {
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

/// The scenario of a file.
///
/// # Errors
/// That it cannot be read, or all that is wrong in it.
pub fn file(path: &Path) -> Result<Scenario, Vec<LoadError>> {
    let name = path.display().to_string();
    let fault = |reason: String| {
        vec![LoadError {
            file: name.clone(),
            at: String::new(),
            reason,
        }]
    };
    let text =
        std::fs::read_to_string(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
    parse(&name, &text)
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
    let value: Value = serde_json::from_str(text)
        .map_err(|error| vec![fault((String::new(), format!("is not JSON: {error}")))])?;
    let mut scenario: Scenario = serde_json::from_value(value.clone()).map_err(|error| {
        let steps = value
            .get("steps")
            .and_then(|steps| deepest(steps, "/steps"));
        vec![fault(steps.unwrap_or((String::new(), error.to_string())))]
    })?;
    let path = Path::new(path);
    let name = |part: Option<&std::ffi::OsStr>| {
        part.map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    scenario.chapter = name(path.parent().and_then(Path::file_name));
    let mut faults: Vec<_> = problems(&scenario, &value).into_iter().map(fault).collect();
    if name(path.file_stem()) != scenario.id {
        faults.push(fault((
            "/id".to_owned(),
            format!("is {:?}, not the file's name", scenario.id),
        )));
    }
    if faults.is_empty() {
        Ok(scenario)
    } else {
        Err(faults)
    }
}

/// The innermost step of this list that does not fit, with the reason.
fn deepest(steps: &Value, at: &str) -> Option<(String, String)> {
    for (index, step) in steps.as_array()?.iter().enumerate() {
        let at = format!("{at}/{index}");
        let Err(error) = serde_json::from_value::<Step>(step.clone()) else {
            continue;
        };
        let nested = step
            .get("steps")
            .and_then(|inner| deepest(inner, &format!("{at}/steps")));
        let branches = step.get("branches").and_then(Value::as_array);
        let branched = || {
            let mut each = branches.into_iter().flatten().enumerate();
            each.find_map(|(branch, steps)| deepest(steps, &format!("{at}/branches/{branch}")))
        };
        return Some(
            nested
                .or_else(branched)
                .unwrap_or_else(|| (at.clone(), error.to_string())),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(steps: &str) -> String {
        let text =
            format!(r#"{{"id": "a", "title": "t", "checks": ["PUSH-ONCE"], "steps": {steps}}}"#);
        let errors = parse("mutations/a.json", &text).expect_err("it is bad");
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_fault_is_named_with_its_place() {
        insta::assert_snapshot!(fault(r#"[{"do": "dance"}]"#).split(" (there").next().expect("a text"), @r#"mutations/a.json: /steps/0: `do` is "dance", which is no verb"#);
        insta::assert_snapshot!(fault(r#"[{"do": "cut", "conn": "a", "how": 1}]"#), @"mutations/a.json: /steps/0: unknown field `how`, expected `conn`");
        insta::assert_snapshot!(
            fault(r#"[{"do": "repeat", "times": 2, "steps": [{"do": "parallel", "branches": [[], [{"do": "cut"}]]}]}]"#),
            @"mutations/a.json: /steps/0/steps/0/branches/1/0: missing field `conn`"
        );
    }

    #[test]
    fn the_id_is_the_files_name() {
        let text = r#"{"id": "b", "title": "t", "checks": ["PUSH-ONCE"], "steps": [{"do": "open", "conn": "a"}]}"#;
        let errors = parse("mutations/a.json", text).expect_err("it is another");
        assert_eq!(errors[0].at, "/id");
    }

    #[test]
    fn every_embedded_scenario_is_valid_and_in_a_chapter() {
        match embedded() {
            Err(errors) => panic!(
                "{}",
                errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n")
            ),
            Ok(scenarios) => {
                let chapters = crate::requirements::CHAPTERS;
                let stray = |scenario: &&Scenario| !chapters.contains(&scenario.chapter.as_str());
                assert_eq!(scenarios.iter().find(stray).map(|stray| &stray.id), None);
            }
        }
    }
}
