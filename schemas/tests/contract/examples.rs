//! The examples of `v1/examples/`: whole frames (and ops), each judged as its folder says. `frame/` holds what concerns
//! the text of any frame, so that schemas cannot judge it: syntax, duplicate names, depth, number range, surrogates.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::kinds;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("v1/examples")
}

/// The examples of a kind in one of its folders: file name and text.
pub(crate) fn examples(kind: &str, verdict: &str) -> Vec<(String, String)> {
    let folder = folder().join(kind).join(verdict);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = |path: PathBuf| {
        (
            path.display().to_string(),
            fs::read_to_string(&path).unwrap(),
        )
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

#[test]
fn there_are_examples_of_every_kind_and_of_nothing_else() {
    let folders: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let kinds = kinds::all()
        .into_iter()
        .chain(["frame"])
        .map(str::to_owned)
        .collect();
    assert_eq!(folders, kinds);
    for kind in &folders {
        assert!(
            examples(kind, "valid").len() >= 2 && examples(kind, "invalid").len() >= 3,
            "{kind}"
        );
    }
}

#[test]
fn valid_examples_fit_and_come_back_as_they_were() {
    for kind in kinds::all() {
        for (name, text) in examples(kind, "valid") {
            let value: Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(kinds::judge(kind, &value), Ok(()), "{name}");
            let again =
                kinds::recode(kind, &text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let again: Value = serde_json::from_str(&again).unwrap();
            assert!(is_kept(&again, &value), "{name}: {again}");
        }
    }
}

#[test]
fn invalid_examples_are_refused_for_one_reason() {
    for kind in kinds::all() {
        for (name, text) in examples(kind, "invalid") {
            let value: Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let violations = kinds::judge(kind, &value).expect_err(&name);
            let places: BTreeSet<&str> = violations
                .iter()
                .map(|violation| violation.at.as_str())
                .collect();
            assert_eq!(places.len(), 1, "{name}: {violations:?}");
            let (code, at) = kinds::recode(kind, &text).expect_err(&name);
            assert_ne!(code, "invalid_json", "{name}");
            assert_eq!(at, violations[0].at, "{name}");
        }
    }
}

#[test]
fn frames_are_judged_by_the_rules_for_all_texts() {
    for (name, text) in examples("frame", "valid") {
        assert!(kinds::recode("ping", &text).is_ok(), "{name}");
    }
    for (name, text) in examples("frame", "invalid") {
        let (code, _) = kinds::recode("ping", &text).expect_err(&name);
        assert_eq!(code, "invalid_json", "{name}");
    }
}

/// Whether all that `again` says stands in `value` too: what is unknown to the types may have been dropped, and a
/// flag that is false. Numbers are equal if their doubles are.
pub(crate) fn is_kept(again: &Value, value: &Value) -> bool {
    match (again, value) {
        (Value::Object(again), Value::Object(value)) => again
            .iter()
            .all(|(name, member)| value.get(name).is_some_and(|own| is_kept(member, own))),
        (Value::Array(again), Value::Array(value)) => {
            again.len() == value.len()
                && again.iter().zip(value).all(|(one, two)| is_kept(one, two))
        }
        (Value::Number(again), Value::Number(value)) => again.as_f64() == value.as_f64(),
        _ => again == value,
    }
}
