use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn rules(schema: Value) -> Result<Rules, Violation> {
    Rules::compile(&schema.into())
}

/// Where the first fault of a value is, by these rules.
#[track_caller]
fn check(schema: Value, value: Value, fault: Option<&str>) {
    let rules = rules(schema).expect("rules");
    let judged = rules.check(&value.clone().into());
    let at = judged.as_ref().err().map(|violation| violation.at.as_str());
    assert_eq!(at, fault, "{value}: {judged:?}");
}

#[test]
fn a_value_fits_or_not_and_it_is_said_where() {
    let note = json!({
        "type": "object",
        "properties": { "title": { "type": "string", "maxLength": 3 }, "tags": { "items": { "$ref": "#/$defs/tag" } } },
        "required": ["title"],
        "$defs": { "tag": { "enum": ["a", "b"] } }
    });
    check(
        note.clone(),
        json!({ "title": "abc", "tags": ["b"], "more": 1 }),
        None,
    );
    check(note.clone(), json!({ "title": "abcd" }), Some("/title"));
    check(note.clone(), json!({ "title": "é€𝄞" }), None);
    check(
        note.clone(),
        json!({ "title": "a", "tags": ["a", "c"] }),
        Some("/tags/1"),
    );
    check(note.clone(), json!({}), Some(""));
    check(note, json!([]), Some(""));
    check(json!({ "type": "integer" }), json!(1.0), None);
    check(json!(false), json!(null), Some(""));
    check(
        json!({ "properties": { "a/b": false } }),
        json!({ "a/b": 1 }),
        Some("/a~1b"),
    );
}

#[test]
fn formats_and_unknown_keywords_say_nothing() {
    check(json!({ "format": "email" }), json!("no address"), None);
    check(
        json!({ "format": "nobodys", "nobodys": { "type": 5 } }),
        json!(1),
        None,
    );
    check(
        json!({ "contentMediaType": "application/json", "contentEncoding": "base64" }),
        json!("{"),
        None,
    );
    check(
        json!({ "$id": "https://example.com/a", "$ref": "#/$defs/a%20b~1c", "$defs": { "a b/c": { "type": "null" } } }),
        json!(null),
        None,
    );
    check(
        json!({ "$ref": "#name", "$defs": { "a": { "$anchor": "name", "const": 1 } } }),
        json!(2),
        Some(""),
    );
    let draft = "https://json-schema.org/draft/2020-12/schema";
    check(
        json!({ "$schema": draft, "pattern": "^\\d+$" }),
        json!("12"),
        None,
    );
    check(
        json!({ "properties": { "$ref": { "const": "elsewhere" }, "$id": true } }),
        json!({ "$ref": "elsewhere", "$id": 1 }),
        None,
    );
    check(
        json!({ "const": { "$ref": "elsewhere" } }),
        json!({ "$ref": "elsewhere" }),
        None,
    );
}

#[track_caller]
fn check_refused(schema: Value, at: &str) {
    match rules(schema.clone()) {
        Ok(_) => panic!("{schema} is taken"),
        Err(violation) => assert_eq!(violation.at, at, "{schema}: {violation}"),
    }
}

#[test]
fn what_is_no_schema_is_refused() {
    check_refused(json!(1), "");
    check_refused(json!({ "type": "text" }), "/type");
    check_refused(
        json!({ "properties": { "a": { "minLength": -1 } } }),
        "/properties/a/minLength",
    );
    check_refused(
        json!({ "$defs": { "unused": { "type": 5 } } }),
        "/$defs/unused/type",
    );
}

#[test]
fn what_reaches_outside_is_refused() {
    for outside in [
        "https://example.com/a",
        "other.json#/a",
        "#/$defs/none",
        "#none",
        "file:///etc/passwd",
        "#/const",
        "#/%",
        "#/%f",
    ] {
        check_refused(json!({ "const": 1, "$ref": outside }), "/$ref");
        check_refused(
            json!({ "const": 1, "$defs": { "unused": { "$ref": outside } } }),
            "/$defs/unused/$ref",
        );
    }
    check_refused(
        json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
        "/$schema",
    );
    check_refused(json!({ "$dynamicRef": "#a" }), "/$dynamicRef");
    check_refused(json!({ "items": { "$id": "other" } }), "/items/$id");
    check_refused(
        json!({ "$anchor": "a", "items": { "$anchor": "a" } }),
        "/items/$anchor",
    );
}

#[test]
fn patterns_take_linear_time() {
    for pattern in ["(?=a)", "(a)\\1", "a(?<!b)", "(", "(a{1000}){1000}"] {
        check_refused(json!({ "pattern": pattern }), "/pattern");
        check_refused(
            json!({ "$defs": { "unused": { "patternProperties": { pattern: true } } } }),
            &format!("/$defs/unused/patternProperties/{pattern}"),
        );
    }
    let evil = rules(json!({ "pattern": "^(a+)+$" })).expect("rules");
    let long = format!("{}!", "a".repeat(200_000));
    assert!(evil.check(&json!(long).into()).is_err());
}

/// `levels` schemas, each with `arms` references to the next.
fn multiplying(levels: usize, arms: usize) -> Value {
    let mut all = serde_json::Map::new();
    for level in 0..levels {
        let arm = json!({ "$ref": format!("#/$defs/l{}", level + 1) });
        all.insert(format!("l{level}"), json!({ "allOf": vec![arm; arms] }));
    }
    all.insert(format!("l{levels}"), json!({ "type": "null" }));
    json!({ "$ref": "#/$defs/l0", "$defs": all })
}

#[test]
fn what_multiplies_is_refused_before_it_is_compiled() {
    check_refused(multiplying(40, 2), "");
    check_refused(multiplying(9, 2), "");
    assert!(rules(multiplying(7, 2)).is_ok());
    let again = json!({ "$ref": "#" });
    let recursive = |arms| json!({ "anyOf": vec![json!({ "properties": { "a": again } }); arms] });
    check_refused(recursive(2), "");
    assert!(rules(recursive(1)).is_ok());
    check_refused(
        json!({ "unevaluatedItems": false, "anyOf": [{ "items": again }] }),
        "",
    );
    check_refused(json!({ "$ref": "#" }), "");
    check_refused(
        json!({ "$defs": { "a": { "not": { "$ref": "#/$defs/a" } } } }),
        "/$defs/a/not",
    );
}

/// Unions of exactly so many schemas, the root included.
fn union(schemas: u64) -> Value {
    let arms: Vec<Value> = (1..schemas).map(|arm| json!({ "const": arm })).collect();
    json!({ "anyOf": arms })
}

#[test]
fn a_part_may_be_judged_so_often_and_not_once_more() {
    assert!(rules(union(JUDGED_MAX - 1)).is_ok());
    assert!(rules(union(JUDGED_MAX)).is_ok());
    check_refused(union(JUDGED_MAX + 1), "");
}

#[test]
fn rules_nest_so_deep_and_not_deeper() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "not": inner }));
    assert!(rules(nested(63)).is_ok());
    assert!(rules(nested(64)).is_ok());
    assert!(rules(nested(65)).is_err());
}

#[test]
fn the_deepest_value_is_judged_by_the_longest_way() {
    let tree = json!({ "anyOf": [{ "allOf": [{ "items": { "$ref": "#" } }] }] });
    let deep: Json = format!("{}1{}", "[".repeat(511), "]".repeat(511))
        .parse()
        .expect("JSON");
    assert_eq!(rules(tree).expect("rules").check(&deep), Ok(()));
    let long =
        json!({ "anyOf": [{ "allOf": [{ "not": { "not": { "items": { "$ref": "#" } } } }] }] });
    check_refused(long, "");
}

#[test]
fn rules_are_compared_as_values() {
    let of = |text: &str| Rules::compile(&text.parse().expect("JSON")).expect("rules");
    assert_eq!(
        of(r#"{"minimum":1,"type":"number"}"#),
        of("{ \"type\" : \"number\", \"minimum\": 1.0 }")
    );
    assert_ne!(of(r#"{"minimum":1}"#), of(r#"{"minimum":2}"#));
    let kept = serde_json::to_string(&of(r#"{ "minimum":1.0 }"#)).expect("JSON");
    assert_eq!(kept, r#"{ "minimum":1.0 }"#);
    assert_eq!(
        serde_json::from_str::<Rules>(&kept).expect("rules"),
        of(r#"{"minimum":1}"#)
    );
}

#[test]
fn a_large_fault_is_found_without_its_place() {
    let schema = json!({ "items": union(900) });
    let rules = rules(schema).expect("rules");
    let many: Vec<u64> = vec![5_000; 2_000];
    let violation = rules.check(&json!(many).into()).expect_err("a fault");
    assert_eq!(violation.at, "");
}

/// What a schema says, by an evaluation that shares nothing with the one above.
fn fits(schema: &Value, value: &Value) -> bool {
    let Some(rules) = schema.as_object() else {
        return schema == &json!(true);
    };
    rules.iter().all(|(keyword, says)| match keyword.as_str() {
        "type" => match says.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64(),
            Some("null") => value.is_null(),
            other => panic!("{other:?}"),
        },
        "minimum" => value
            .as_i64()
            .is_none_or(|number| number >= says.as_i64().expect("a number")),
        "maxLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 <= says.as_u64().expect("a number")),
        "required" => value.as_object().is_none_or(|members| {
            let mut names = says.as_array().into_iter().flatten();
            names.all(|name| members.contains_key(name.as_str().expect("a name")))
        }),
        "properties" => value.as_object().is_none_or(|members| {
            members
                .iter()
                .all(|(name, member)| says.get(name).is_none_or(|says| fits(says, member)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|members| {
            let named = |name: &String| {
                rules
                    .get("properties")
                    .and_then(|all| all.get(name))
                    .is_some()
            };
            members
                .iter()
                .all(|(name, member)| named(name) || fits(says, member))
        }),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| fits(says, item))),
        "anyOf" => says
            .as_array()
            .into_iter()
            .flatten()
            .any(|arm| fits(arm, value)),
        "oneOf" => {
            says.as_array()
                .into_iter()
                .flatten()
                .filter(|arm| fits(arm, value))
                .count()
                == 1
        }
        "not" => !fits(says, value),
        "enum" => says
            .as_array()
            .into_iter()
            .flatten()
            .any(|one| one == value),
        other => panic!("{other}"),
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (-2_i64..3).prop_map(Value::from),
        "[ab]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec!["object", "array", "string", "integer", "null"])
            .prop_map(|kind| json!({ "type": kind })),
        (-2_i64..3).prop_map(|least| json!({ "minimum": least })),
        (0_u64..3).prop_map(|most| json!({ "maxLength": most })),
        prop::collection::btree_set("[abc]", 0..3).prop_map(|names| json!({ "required": names })),
        prop::collection::vec(value(), 1..3).prop_map(|values| json!({ "enum": values })),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let map = prop::collection::btree_map("[abc]", inner.clone(), 0..3);
        let list = prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            (map, inner.clone()).prop_map(
                |(named, other)| json!({ "properties": named, "additionalProperties": other })
            ),
            inner
                .clone()
                .prop_map(|item| json!({ "type": "array", "items": item })),
            list.clone().prop_map(|arms| json!({ "anyOf": arms })),
            list.prop_map(|arms| json!({ "oneOf": arms })),
            inner.prop_map(|inner| json!({ "not": inner })),
        ]
    })
}

proptest! {
    #[test]
    fn rules_judge_as_the_keywords_say((schema, values) in (schema(), prop::collection::vec(value(), 1..8))) {
        let rules = rules(schema.clone()).expect("rules");
        for value in values {
            let judged = rules.check(&value.clone().into());
            prop_assert_eq!(judged.is_ok(), fits(&schema, &value), "{} by {}", value, schema);
        }
    }
}
