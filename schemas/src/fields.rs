//! The fields of a row's value: how a `patch` changes them and leaves the others as the texts that they are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::tagged::Name;
use crate::text::push_string;
use crate::{Json, Patch};

/// A field of an object, as its text has it: the name, and the value's text.
pub type Member<'t> = (Cow<'t, str>, &'t RawValue);

/// What becomes of a field: its name, and the text of its new value; nothing: it goes.
pub type FieldChange<'c> = (&'c str, Option<&'c str>);

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
        let removed = { removed.iter() }.map(String::as_str);
        Json::of_members(&self.members()?, &field_changes(fields, removed))
    }

    /// An object of these members, with changes: these in the order of the names, each name once. What stays keeps its text and its place, what is new
    /// comes behind.
    #[must_use]
    pub fn of_members(members: &[Member<'_>], changes: &[FieldChange<'_>]) -> Option<Json> {
        let bytes = |(name, value): &Member<'_>| name.len() + value.get().len() + 4;
        let mut text = String::with_capacity(members.iter().map(bytes).sum::<usize>() + 64);
        let mut met = vec![false; changes.len()];
        for (name, value) in members {
            let change = changes.binary_search_by_key(&&**name, |(name, _)| name);
            let stands = match change {
                Err(_) => Some(value.get()),
                Ok(index) => {
                    met[index] = true;
                    changes[index].1
                }
            };
            if let Some(value) = stands {
                push_member(&mut text, name, value);
            }
        }
        for ((name, value), _) in changes.iter().zip(met).filter(|(_, met)| !met) {
            if let Some(value) = value {
                push_member(&mut text, name, value);
            }
        }
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        RawValue::from_string(text).ok().map(Json::from)
    }

    /// The object with these members behind its own, in this order. Nothing, if the value is no object; none of the names may be in it.
    #[must_use]
    pub fn followed_by<'m>(
        &self,
        members: impl Iterator<Item = (&'m str, &'m Json)>,
    ) -> Option<Json> {
        let held = self.get().strip_suffix('}').filter(|_| self.is_object())?;
        let held = held.trim_end();
        let mut text = if held == "{" {
            String::new()
        } else {
            held.to_owned()
        };
        for (name, value) in members {
            push_member(&mut text, name, value.get());
        }
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        RawValue::from_string(text).ok().map(Json::from)
    }

    /// The object's fields in its order, each by its name and its value's text; nothing, if the value is no object.
    #[must_use]
    pub fn members(&self) -> Option<Vec<Member<'_>>> {
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
        let names = members.into_iter().map(|(name, _)| name.into_owned());
        names.collect()
    }
}

impl Patch {
    /// What the value becomes: of no row, the fields that are set. Nothing, if it is no object (FLD-ABSENT, FLD-NOT-AN-OBJECT).
    #[must_use]
    pub fn applied_to(&self, value: Option<&Json>) -> Option<Json> {
        let none = BTreeMap::new();
        let removed = { self.remove.iter().flatten() }.map(String::as_str);
        let changes = field_changes(self.fields.as_ref().unwrap_or(&none), removed);
        let members = value.map_or_else(|| Some(Vec::new()), Json::members)?;
        Json::of_members(&members, &changes)
    }
}

/// Changes in the order of the names. What is set as well as taken out is set.
fn field_changes<'c>(
    fields: &'c BTreeMap<String, Json>,
    removed: impl Iterator<Item = &'c str>,
) -> Vec<FieldChange<'c>> {
    let set = { fields.iter() }.map(|(name, value)| (&**name, Some(value.get())));
    let removed = removed.map(|name| (name, None));
    let mut changes: Vec<FieldChange<'c>> = set.chain(removed).collect();
    changes.sort_by_key(|(name, _)| *name);
    changes.dedup_by_key(|(name, _)| *name);
    changes
}

fn push_member(text: &mut String, name: &str, value: &str) {
    text.push(if text.is_empty() { '{' } else { ',' });
    push_string(text, name);
    text.push(':');
    text.push_str(value);
}

/// An object's members in its order, each value as its text.
struct Members<'t>(Vec<Member<'t>>);

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
                while let Some(name) = members.next_key_seed(Name)? {
                    held.push((name, members.next_value()?));
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
