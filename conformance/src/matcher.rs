//! Patterns: what a frame, a result or a row is compared with.
//!
//! Scalars are equal (numbers as doubles), arrays item by item, objects may have more members than the pattern names; matchers
//! (`{"$gte": 3}`) stand for any value. See `SCENARIOS.md` for all of them.

use serde_json::Value;

/// How the members of an object that a pattern does not name are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They may be there.
    Allowed,
    /// They may not.
    Refused,
}

/// What a pattern bound on its way: names and values.
pub type Bound = Vec<(String, Value)>;

/// Matches a value (none: the member is not there) with a pattern whose variables are resolved.
///
/// # Errors
/// Where they differ, as a JSON Pointer within the value, and how.
pub fn matches(pattern: &Value, value: Option<&Value>, others: Others) -> Result<Bound, Mismatch> {
    let mut bound = Bound::new();
    Matching {
        others,
        bound: &mut bound,
    }
    .at("", pattern, value)?;
    Ok(bound)
}

/// Where a value differs from its pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// JSON Pointer within the value; empty for all of it.
    pub at: String,
    /// What was expected there and what is.
    pub reason: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.at.is_empty() {
            out.write_str(&self.reason)
        } else {
            write!(out, "at {}: {}", self.at, self.reason)
        }
    }
}

/// Whether two values are equal as the specification means it: numbers as doubles, objects whatever their order.
#[must_use]
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

struct Matching<'a> {
    others: Others,
    bound: &'a mut Bound,
}

type Verdict = Result<(), Mismatch>;

impl Matching<'_> {
    fn at(&mut self, at: &str, pattern: &Value, value: Option<&Value>) -> Verdict {
        if let Some((name, argument)) = operator(pattern) {
            return self.operator(at, name, argument, value);
        }
        let Some(value) = value else {
            return Err(differ(at, &short(pattern), None));
        };
        match (pattern, value) {
            (Value::Object(pattern), Value::Object(members)) => {
                for (name, pattern) in pattern {
                    self.at(&pointer(at, name), pattern, members.get(name))?;
                }
                let other = members.keys().find(|name| !pattern.contains_key(*name));
                match other {
                    Some(name) if self.others == Others::Refused => Err(differ(
                        &pointer(at, name),
                        "no such member",
                        members.get(name),
                    )),
                    _ => Ok(()),
                }
            }
            (Value::Array(patterns), Value::Array(items)) => {
                for (index, pattern) in patterns.iter().enumerate() {
                    self.at(&format!("{at}/{index}"), pattern, items.get(index))?;
                }
                match items.get(patterns.len()) {
                    Some(more) => Err(differ(
                        &format!("{at}/{}", patterns.len()),
                        "no more items",
                        Some(more),
                    )),
                    None => Ok(()),
                }
            }
            _ if equal(pattern, value) => Ok(()),
            _ => Err(differ(at, &short(pattern), Some(value))),
        }
    }

    /// Whether it matches; if not, nothing of it is bound.
    fn tried(&mut self, at: &str, pattern: &Value, value: Option<&Value>) -> bool {
        let before = self.bound.len();
        let matched = self.at(at, pattern, value).is_ok();
        if !matched {
            self.bound.truncate(before);
        }
        matched
    }

    fn operator(
        &mut self,
        at: &str,
        name: &str,
        argument: &Value,
        value: Option<&Value>,
    ) -> Verdict {
        let wanted = || format!("{} {}", &name[1..], short(argument));
        if name == "$absent" {
            return if value.is_none() {
                Ok(())
            } else {
                Err(differ(at, "nothing", value))
            };
        }
        if name == "$not" {
            let before = self.bound.len();
            let matched = self.at(at, argument, value).is_ok();
            // What must not be there has nothing to bind.
            self.bound.truncate(before);
            return if matched {
                Err(differ(at, &wanted(), value))
            } else {
                Ok(())
            };
        }
        let Some(present) = value else {
            return Err(differ(at, &wanted(), None));
        };
        let holds = match name {
            "$any" => true,
            "$bind" => {
                self.bound.push((
                    argument.as_str().unwrap_or_default().to_owned(),
                    present.clone(),
                ));
                true
            }
            "$gt" | "$gte" | "$lt" | "$lte" => compares(name, present, argument),
            "$in" => list(argument)
                .iter()
                .any(|pattern| self.tried(at, pattern, value)),
            "$all" => {
                return list(argument)
                    .iter()
                    .try_for_each(|pattern| self.at(at, pattern, value));
            }
            "$contains" => match (present, argument) {
                (Value::String(text), Value::String(part)) => text.contains(part),
                _ => list(present)
                    .iter()
                    .any(|item| self.tried(at, argument, Some(item))),
            },
            "$each" => {
                let each = |(index, item): (usize, &Value)| {
                    self.at(&format!("{at}/{index}"), argument, Some(item))
                };
                return present
                    .as_array()
                    .ok_or_else(|| differ(at, "an array", value))?
                    .iter()
                    .enumerate()
                    .try_for_each(each);
            }
            "$length" => return self.at(at, argument, length(present).map(Value::from).as_ref()),
            "$exactly" => equal(argument, present),
            "$starts" => present
                .as_str()
                .zip(argument.as_str())
                .is_some_and(|(text, start)| text.starts_with(start)),
            "$type" => argument.as_str() == Some(type_name(present)),
            _ => false,
        };
        if holds {
            Ok(())
        } else {
            Err(differ(at, &wanted(), value))
        }
    }
}

/// The name and the argument of a matcher.
fn operator(pattern: &Value) -> Option<(&str, &Value)> {
    let members = pattern.as_object().filter(|members| members.len() == 1)?;
    members
        .iter()
        .next()
        .filter(|(name, _)| name.starts_with('$'))
        .map(|(name, argument)| (name.as_str(), argument))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn compares(name: &str, value: &Value, with: &Value) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let ordering = match (value.as_i64(), with.as_i64()) {
        (Some(value), Some(with)) => Some(value.cmp(&with)),
        _ => value
            .as_f64()
            .zip(with.as_f64())
            .and_then(|(value, with)| value.partial_cmp(&with)),
    };
    match name {
        "$gt" => ordering == Some(Greater),
        "$gte" => matches!(ordering, Some(Greater | Equal)),
        "$lt" => ordering == Some(Less),
        _ => matches!(ordering, Some(Less | Equal)),
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        Value::String(text) => Some(text.chars().count()),
        _ => None,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn differ(at: &str, expected: &str, value: Option<&Value>) -> Mismatch {
    let is = value.map_or_else(
        || "there is nothing".to_owned(),
        |value| format!("it is {}", short(value)),
    );
    Mismatch {
        at: at.to_owned(),
        reason: format!("expected {expected}, {is}"),
    }
}

/// A value in so few characters that a line holds it.
#[must_use]
pub fn short(value: &Value) -> String {
    const CHARS: usize = 160;
    let text = value.to_string();
    match text.char_indices().nth(CHARS) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Each line: pattern, value, whether it matches.
    #[test]
    fn patterns_and_values() {
        let table = [
            (json!(1), json!(1.0), true),
            (json!(9007199254740991u64), json!(9007199254740991.0), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
            (json!({"a": 1}), json!({"b": 2}), false),
            (json!([1, 2]), json!([1, 2, 3]), false),
            (json!([1, 2]), json!([1]), false),
            (json!({"a": {"$absent": true}}), json!({"b": 2}), true),
            (json!({"a": {"$absent": true}}), json!({"a": null}), false),
            (json!({"a": {"$any": true}}), json!({"a": null}), true),
            (json!({"a": {"$any": true}}), json!({}), false),
            (json!({"$gte": 3}), json!(3), true),
            (json!({"$gt": 3}), json!(3), false),
            (json!({"$lt": 3.5}), json!(3), true),
            (json!({"$lte": 2}), json!(3), false),
            (json!({"$gte": 3}), json!("4"), false),
            (json!({"$in": [1, {"$type": "string"}]}), json!("x"), true),
            (json!({"$in": [1, 2]}), json!(3), false),
            (json!({"$not": {"a": 1}}), json!({"a": 2}), true),
            (json!({"$not": {"$any": true}}), json!(1), false),
            (json!({"$all": [{"$gt": 1}, {"$lt": 3}]}), json!(2), true),
            (json!({"$all": [{"$gt": 1}, {"$lt": 3}]}), json!(3), false),
            (
                json!({"$contains": {"a": 1}}),
                json!([{"a": 2}, {"a": 1, "b": 1}]),
                true,
            ),
            (json!({"$contains": "ell"}), json!("hello"), true),
            (json!({"$contains": 1}), json!([]), false),
            (json!({"$each": {"$gt": 1}}), json!([2, 3]), true),
            (json!({"$each": {"$gt": 1}}), json!([2, 1]), false),
            (json!({"$length": 2}), json!([1, 2]), true),
            (json!({"$length": {"$gte": 2}}), json!("ä"), false),
            (
                json!({"$exactly": {"a": 1}}),
                json!({"a": 1, "b": 2}),
                false,
            ),
            (json!({"$exactly": {"a": 1}}), json!({"a": 1.0}), true),
            (json!({"$starts": "/ops/1"}), json!("/ops/1/key"), true),
            (json!({"$type": "null"}), json!(null), true),
        ];
        for (pattern, value, expected) in table {
            assert_eq!(
                matches(&pattern, Some(&value), Others::Allowed).is_ok(),
                expected,
                "{pattern} with {value}"
            );
        }
    }

    #[test]
    fn in_rows_objects_have_no_other_members() {
        let (pattern, value) = (json!({"a": 1}), json!({"a": 1, "b": 2}));
        let mismatch = matches(&pattern, Some(&value), Others::Refused).expect_err("b is too much");
        assert_eq!(
            mismatch.to_string(),
            "at /b: expected no such member, it is 2"
        );
    }

    #[test]
    fn what_is_bound_comes_back() {
        let bound = matches(
            &json!({"a": {"$bind": "x"}}),
            Some(&json!({"a": [1]})),
            Others::Allowed,
        );
        assert_eq!(bound, Ok(vec![("x".to_owned(), json!([1]))]));
    }

    #[test]
    fn what_did_not_match_binds_nothing() {
        let bind = |name: &str| json!({ "a": { "$bind": name }, "b": 1 });
        let patterns = [
            json!({ "$in": [bind("x"), { "b": 2 }] }),
            json!({ "$not": bind("x") }),
            json!({ "$contains": bind("x") }),
        ];
        let values = [json!({"a": 0, "b": 2}), json!({"a": 0, "b": 2}), json!([])];
        for (pattern, value) in patterns[..2].iter().zip(&values) {
            assert_eq!(matches(pattern, Some(value), Others::Allowed), Ok(vec![]));
        }
        assert!(matches(&patterns[2], Some(&values[2]), Others::Allowed).is_err());
    }
}
