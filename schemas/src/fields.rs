//! The fields of a row's value: how a `patch` changes them and leaves the others as the texts that they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Json, Patch};

impl Json {
    /// Whether the value is an object, and so has fields.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.get().starts_with('{')
    }

    /// The object with some fields set and others taken out; what stays keeps its text and its place, what is new comes behind (FLD-PATCH).
    /// Nothing, if the value is no object.
    #[must_use]
    pub fn patched(
        &self,
        fields: &BTreeMap<String, Json>,
        removed: &BTreeSet<String>,
    ) -> Option<Json> {
        Json::of_members(&self.members()?, fields, removed)
    }

    /// An object of these members, with some set and others taken out, as [`Json::patched`] makes it.
    #[must_use]
    pub fn of_members(
        members: &[(String, &RawValue)],
        fields: &BTreeMap<String, Json>,
        removed: &BTreeSet<String>,
    ) -> Option<Json> {
        let bytes = |(name, value): &(String, &RawValue)| name.len() + value.get().len() + 4;
        let mut text = String::with_capacity(members.iter().map(bytes).sum::<usize>() + 64);
        let mut known = BTreeSet::new();
        for (name, value) in members {
            if let Some((name, value)) = fields.get_key_value(name) {
                known.insert(name);
                push_member(&mut text, name, value.get());
            } else if !removed.contains(name) {
                push_member(&mut text, name, value.get());
            }
        }
        for (name, value) in fields.iter().filter(|(name, _)| !known.contains(name)) {
            push_member(&mut text, name, value.get());
        }
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        RawValue::from_string(text).ok().map(Json::from)
    }

    /// The object's fields in its order, each by its name and its value's text; nothing, if the value is no object.
    #[must_use]
    pub fn members(&self) -> Option<Vec<(String, &RawValue)>> {
        if !self.is_object() {
            return None;
        }
        let mut source = serde_json::Deserializer::from_str(self.get());
        source.disable_recursion_limit();
        let Members(held) = Members::deserialize(&mut source).ok()?;
        Some(held)
    }

    /// The names of the object's fields, in its order; none, if the value is no object.
    #[must_use]
    pub fn field_names(&self) -> Vec<String> {
        let members = self.members().unwrap_or_default();
        members.into_iter().map(|(name, _)| name).collect()
    }
}

impl Patch {
    /// What the value becomes: of no row, the fields that are set. Nothing, if it is no object (FLD-ABSENT, FLD-NOT-AN-OBJECT).
    #[must_use]
    pub fn applied_to(&self, value: Option<&Json>) -> Option<Json> {
        let empty = Json::empty_object();
        let removed = self.remove.iter().flatten().cloned().collect();
        let none = BTreeMap::new();
        value
            .unwrap_or(&empty)
            .patched(self.fields.as_ref().unwrap_or(&none), &removed)
    }
}

fn push_member(text: &mut String, name: &str, value: &str) {
    text.push(if text.is_empty() { '{' } else { ',' });
    text.push_str(&serde_json::to_string(name).expect("every string has a text"));
    text.push(':');
    text.push_str(value);
}

/// An object's members in its order, each value as its text.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut held = Vec::new();
                while let Some(member) = members.next_entry()? {
                    held.push(member);
                }
                Ok(Members(held))
            }
        }
        source.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, fields: &str, removed: &[&str], expected: Option<&str>) {
        let fields = serde_json::from_str(fields).expect("fields");
        let removed = removed.iter().map(ToString::to_string).collect();
        let value: Json = value.parse().expect("a value");
        let patched = value.patched(&fields, &removed);
        assert_eq!(patched.as_ref().map(Json::get), expected);
    }

    #[test]
    fn a_patch_changes_its_fields_alone() {
        check(
            r#"{"a":1,"b":2}"#,
            r#"{"b":3}"#,
            &[],
            Some(r#"{"a":1,"b":3}"#),
        );
        check(
            r#"{"b": 2 , "a":1}"#,
            r#"{"c":null}"#,
            &["b"],
            Some(r#"{"a":1,"c":null}"#),
        );
        check("{}", "{}", &["a"], Some("{}"));
        check(r#"{"a":1}"#, "{}", &["a"], Some("{}"));
        check(
            r#"{"n":1.50,"a":{"x":[1,2]}}"#,
            r#"{"a":{"y":1}}"#,
            &[],
            Some(r#"{"n":1.50,"a":{"y":1}}"#),
        );
        check(
            r#"{"\u0061":1,"\"":2}"#,
            r#"{"a":5}"#,
            &["\""],
            Some(r#"{"a":5}"#),
        );
        check(
            r#"{"__proto__":1}"#,
            r#"{"":0}"#,
            &[],
            Some(r#"{"__proto__":1,"":0}"#),
        );
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for value in ["null", "[]", "\"{}\"", "1"] {
            check(value, r#"{"a":1}"#, &[], None);
        }
    }

    #[test]
    fn values_may_nest_as_deep_as_any_frame() {
        let deep = format!("{}1{}", "[".repeat(400), "]".repeat(400));
        let value = format!(r#"{{"a":{deep}}}"#);
        let expected = format!(r#"{{"a":{deep},"b":1}}"#);
        check(&value, r#"{"b":1}"#, &[], Some(&expected));
    }
}
