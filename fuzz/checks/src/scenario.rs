//! `scenario`: scenario files, for servers and for clients: what is taken is written and read again alike, what is refused is refused with a place in the file.
//!
//! The bytes are a file's text.

use serde::Serialize;
use serde_json::Value;
use syncline_conformance::scenario::LoadError;
use syncline_conformance::{client, scenario};

/// Fails if a file is read in two ways, or refused without saying where.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let value: Option<Value> = serde_json::from_str(text).ok();
    let id = value.as_ref().and_then(|value| value.get("id")?.as_str());
    // The file is named as the scenario is, so that it can be right.
    let id = id.filter(|id| !id.contains('/')).unwrap_or("a");
    let value = value.as_ref();
    let path = format!("mutations/{id}.json");
    of_kind(value, |text| scenario::parse(&path, text), text);
    let path = format!("client/{id}.json");
    of_kind(value, |text| client::scenario::parse(&path, text), text);
}

fn of_kind<S: Serialize>(
    value: Option<&Value>,
    parse: impl Fn(&str) -> Result<S, Vec<LoadError>>,
    text: &str,
) {
    match parse(text) {
        Ok(read) => {
            let written = serde_json::to_string(&read).expect("a scenario can be written");
            let again = parse(&written).unwrap_or_else(|errors| panic!("{errors:?}: {written}"));
            let again = serde_json::to_string(&again).expect("a scenario can be written");
            assert_eq!(again, written, "written and read again: {text}");
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused for a reason: {text}");
            errors.iter().for_each(|error| is_placed(error, value));
        }
    }
}

/// An error names the file, and a place in it that is there, or whose absence is the fault.
fn is_placed(error: &LoadError, value: Option<&Value>) {
    assert!(
        !error.file.is_empty() && !error.reason.is_empty(),
        "{error:?}"
    );
    let Some(value) = value else {
        let line = error.reason.contains(" at line ");
        assert!(error.at.is_empty() && line, "not JSON, and where: {error}");
        return;
    };
    let holder = error.at.rsplit_once('/').map_or("", |(holder, _)| holder);
    let is_there = value
        .pointer(&error.at)
        .or_else(|| value.pointer(holder))
        .is_some();
    assert!(is_there, "{error} is at no place of {value}");
}
