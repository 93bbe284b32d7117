//! The schemas' own verdict: validators built from the files themselves, by an implementation of JSON Schema that
//! shares nothing with the generated types.
//!
//! They serve where a frame does not fit (to say why, and where), where a whole history is judged, and as the
//! oracle of the generated types. There is one validator per type: a union over all messages could only say
//! "valid under none".

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, Registry, ValidationError, Validator};
use serde_json::{Value, json};

use crate::files;

pub use crate::violation::Violation;

/// Validates a frame as a message of this type.
///
/// # Errors
/// All that does not fit, or that there is no such type.
pub fn message(type_name: &str, frame: &Value) -> Result<(), Vec<Violation>> {
    match VALIDATORS.get(&format!("messages/{type_name}.json")) {
        Some(validator) => judge(validator, frame),
        None => Err(vec![Violation::new(
            "/type".to_owned(),
            format!("no message is named {type_name:?}"),
        )]),
    }
}

/// Validates a value as an op.
///
/// # Errors
/// All that does not fit.
pub fn op(value: &Value) -> Result<(), Vec<Violation>> {
    judge(&VALIDATORS["op.json"], value)
}

/// Validates a value as a filter.
///
/// # Errors
/// All that does not fit.
pub fn filter(value: &Value) -> Result<(), Vec<Violation>> {
    judge(&VALIDATORS["where.json"], value)
}

/// A validator for each schema, by its file's path.
static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let schemas: Vec<(&str, Value)> = files::SCHEMAS
        .iter()
        .map(|file| {
            (
                file.path,
                serde_json::from_str(file.text).expect("a schema is JSON: a test reads them all"),
            )
        })
        .collect();
    let registry = schemas
        .iter()
        .try_fold(Registry::new(), |registry, (path, schema)| {
            registry.add(files::id(path), schema)
        })
        .and_then(|registry| registry.prepare())
        .expect("every reference between the schemas resolves: a test builds them all");
    let validator = |path: &str| {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_registry(&registry)
            .build(&json!({ "$ref": files::id(path) }))
            .expect("a schema can be compiled: a test builds them all")
    };
    schemas
        .iter()
        .map(|(path, _)| ((*path).to_owned(), validator(path)))
        .collect()
});

fn judge(validator: &Validator, value: &Value) -> Result<(), Vec<Violation>> {
    // Errors are costly to make: the valid are told apart first.
    if validator.is_valid(value) {
        return Ok(());
    }
    Err(validator
        .iter_errors(value)
        .flat_map(|error| violations(&error))
        .collect())
}

/// What an error comes down to. A union's error alone says "valid under none of them": the arm that the tag
/// names says more.
fn violations(error: &ValidationError<'_>) -> Vec<Violation> {
    let ValidationErrorKind::OneOfNotValid { context } = error.kind() else {
        return vec![Violation::new(
            error.instance_path().to_string(),
            error.to_string(),
        )];
    };
    let of_tag =
        |error: &&ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Constant { .. });
    match context
        .iter()
        .find(|arm| !arm.iter().any(|error| of_tag(&error)))
    {
        Some(arm) => arm.iter().flat_map(violations).collect(),
        None => unknown_tag(error, context),
    }
}

/// No arm has this tag: says which there are.
fn unknown_tag(error: &ValidationError<'_>, arms: &[Vec<ValidationError<'_>>]) -> Vec<Violation> {
    let mut at = error.instance_path().to_string();
    let mut tags = Vec::new();
    for error in arms.iter().flatten() {
        if let ValidationErrorKind::Constant { expected_value } = error.kind() {
            at = error.instance_path().to_string();
            tags.push(expected_value.to_string());
        }
    }
    vec![Violation::new(
        at,
        format!("must be one of {}", tags.join(", ")),
    )]
}
