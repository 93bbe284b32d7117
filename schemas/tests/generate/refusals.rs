//! What the generator must refuse: a rule that it passed over would be kept by nobody.

use std::panic::catch_unwind;

use super::node::Node;
use super::schema::{Form, Schema};

/// Reads a schema given as text; the words of the refusal, if it is refused.
fn read(text: &str) -> Result<Schema, String> {
    catch_unwind(|| Schema::read("x.json#", &Node::parse(text)))
        .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

fn refuses(text: &str, expected: &str) {
    let refusal = read(text).expect_err(text);
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn unknown_keywords_with_their_paths() {
    refuses(
        r#"{"type": "string", "minLength": 1}"#,
        "x.json#: the generator does not understand the keyword \"minLength\"",
    );
    refuses(
        r#"{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "boolean", "not": {}}}}}"#,
        "x.json#/properties/a/items: the generator does not understand the keyword \"not\"",
    );
    refuses(
        r#"{"type": "object", "properties": {}, "additionalProperties": false}"#,
        "additionalProperties",
    );
    refuses(r##"{"$ref": "#/$defs/a", "minimum": 1}"##, "minimum");
    refuses(r#"{"enum": ["a"]}"#, "enum");
}

#[test]
fn types_without_all_that_makes_them_definite() {
    refuses(r#"{"type": "integer", "minimum": 0}"#, "without maximum");
    refuses(
        r#"{"type": "integer", "minimum": 0, "maximum": 9007199254740992}"#,
        "above 2^53 - 1",
    );
    refuses(r#"{"type": "number"}"#, "number");
    refuses(r#"{"type": "null"}"#, "null");
    refuses(
        r#"{"type": "object", "properties": {}, "required": ["a"]}"#,
        "\"a\"",
    );
}

#[test]
fn patterns_beyond_a_counted_class() {
    for pattern in [
        "^[a-z]+$",
        "[a-z]{1,2}",
        "^[^a]{1,2}$",
        "^[a-z]{1,2}x$",
        r"^[\\w]{1,2}$",
        "^[é]{1,2}$",
        "^[z-a]{1,2}$",
    ] {
        refuses(
            &format!(r#"{{"type": "string", "pattern": "{pattern}"}}"#),
            "the pattern",
        );
    }
}

#[test]
fn unions_whose_arms_cannot_be_told_apart() {
    let arm = |title: &str, tag: &str| {
        format!(
            r#"{{"title": "{title}", "type": "object", "required": ["{tag}"], "properties": {{"{tag}": {{"const": "{title}"}}}}}}"#
        )
    };
    let union = |arms: &[String]| format!(r#"{{"oneOf": [{}]}}"#, arms.join(","));
    assert!(matches!(
        read(&union(&[arm("a", "t"), arm("b", "t")])).map(|schema| schema.form),
        Ok(Form::Union { .. })
    ));
    refuses(
        &union(&[arm("a", "t"), arm("b", "u")]),
        "whose required constant",
    );
    refuses(
        &union(&[
            arm("a", "t"),
            arm("b", "t").replace("\"const\": \"b\"", "\"const\": \"c\""),
        ]),
        "whose required constant",
    );
    refuses(
        &union(&[r#"{"type": "string"}"#.to_owned()]),
        "a union without a constant",
    );
}
