//! The schemas in a schema: where each stands, and which others it leads to.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::Violation;

/// All schemas in a schema, itself the first.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) schemas: Vec<Place>,
    /// Each pattern, and where it stands.
    pub(super) patterns: Vec<(String, String)>,
    by_pointer: BTreeMap<String, usize>,
    by_anchor: BTreeMap<String, usize>,
}

/// Where one schema leads.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) at: String,
    reference: Option<String>,
    /// Those that judge the same value.
    pub(super) same: Vec<usize>,
    /// Those that judge what is in the value: in an object, and in an array.
    pub(super) within: [Within; 2],
    /// Whether it asks once more what those of the same value say.
    pub(super) asks_again: bool,
}

/// Those that judge a member or an item.
#[derive(Debug, Default)]
pub(super) struct Within {
    /// One of them, by the name or the index.
    pub(super) one_of: Vec<usize>,
    /// Each of them, perhaps.
    pub(super) each: Vec<usize>,
}

/// What is refused, because what it says depends on where one comes from or on what is elsewhere.
const REFUSED: [&str; 4] = [
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$vocabulary",
];

/// What names another schema below the root.
const NAMES: [&str; 2] = ["$id", "$schema"];

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

impl Places {
    /// Goes through a schema that is one by its form.
    pub(super) fn of(schema: &Value) -> Result<Places, Violation> {
        let draft = schema.get("$schema").and_then(Value::as_str);
        if draft.is_some_and(|draft| draft.trim_end_matches('#') != DRAFT) {
            let reason = format!("only {DRAFT} is judged here");
            return Err(Violation::new("/$schema".to_owned(), reason));
        }
        let mut places = Places::default();
        places.add(schema, String::new())?;
        places.resolve()?;
        Ok(places)
    }

    fn add(&mut self, schema: &Value, at: String) -> Result<usize, Violation> {
        let index = self.schemas.len();
        self.by_pointer.insert(at.clone(), index);
        self.schemas.push(Place::default());
        let mut place = Place {
            at,
            ..Place::default()
        };
        if let Value::Object(members) = schema {
            self.check_names(members, &place.at, index)?;
            self.same_value(members, &mut place)?;
            self.in_objects(members, &mut place)?;
            self.in_arrays(members, &mut place)?;
            // Nothing leads to these but references.
            for name in ["$defs", "definitions"] {
                self.map(members, name, &place.at)?;
            }
            self.one(members, "contentSchema", &place.at)?;
        }
        self.schemas[index] = place;
        Ok(index)
    }

    fn check_names(
        &mut self,
        members: &Map<String, Value>,
        at: &str,
        index: usize,
    ) -> Result<(), Violation> {
        let names = NAMES.iter().filter(|_| !at.is_empty());
        if let Some(name) =
            { REFUSED.iter().chain(names) }.find(|name| members.contains_key(**name))
        {
            let reason = "this is not judged here".to_owned();
            return Err(Violation::new(format!("{at}/{name}"), reason));
        }
        if let Some(anchor) = members.get("$anchor").and_then(Value::as_str)
            && self.by_anchor.insert(anchor.to_owned(), index).is_some()
        {
            let reason = "another schema has this anchor".to_owned();
            return Err(Violation::new(format!("{at}/$anchor"), reason));
        }
        Ok(())
    }

    fn same_value(
        &mut self,
        members: &Map<String, Value>,
        place: &mut Place,
    ) -> Result<(), Violation> {
        let reference = members.get("$ref").and_then(Value::as_str);
        place.reference = reference.map(ToOwned::to_owned);
        let asks = |name| members.contains_key(name);
        place.asks_again = asks("unevaluatedProperties") || asks("unevaluatedItems");
        for name in ["allOf", "anyOf", "oneOf"] {
            place.same.extend(self.list(members, name, &place.at)?);
        }
        for name in ["not", "if", "then", "else"] {
            place.same.extend(self.one(members, name, &place.at)?);
        }
        for name in ["dependentSchemas", "dependencies"] {
            place.same.extend(self.map(members, name, &place.at)?);
        }
        Ok(())
    }

    fn in_objects(
        &mut self,
        members: &Map<String, Value>,
        place: &mut Place,
    ) -> Result<(), Violation> {
        let within = &mut place.within[0];
        within.one_of = self.map(members, "properties", &place.at)?;
        within.each = self.map(members, "patternProperties", &place.at)?;
        for name in [
            "additionalProperties",
            "unevaluatedProperties",
            "propertyNames",
        ] {
            within.each.extend(self.one(members, name, &place.at)?);
        }
        if let Some(pattern) = members.get("pattern").and_then(Value::as_str) {
            let at = format!("{}/pattern", place.at);
            self.patterns.push((at, pattern.to_owned()));
        }
        let named = members.get("patternProperties").and_then(Value::as_object);
        for pattern in named.into_iter().flatten().map(|(name, _)| name) {
            let at = format!("{}/patternProperties/{}", place.at, escaped(pattern));
            self.patterns.push((at, pattern.clone()));
        }
        Ok(())
    }

    fn in_arrays(
        &mut self,
        members: &Map<String, Value>,
        place: &mut Place,
    ) -> Result<(), Violation> {
        let within = &mut place.within[1];
        within.one_of = self.list(members, "prefixItems", &place.at)?;
        for name in ["items", "contains", "unevaluatedItems"] {
            within.each.extend(self.one(members, name, &place.at)?);
        }
        Ok(())
    }

    fn one(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        at: &str,
    ) -> Result<Option<usize>, Violation> {
        let schema = members.get(name);
        schema
            .map(|schema| self.add(schema, format!("{at}/{name}")))
            .transpose()
    }

    fn list(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        at: &str,
    ) -> Result<Vec<usize>, Violation> {
        let schemas = members.get(name).and_then(Value::as_array);
        { schemas.into_iter().flatten().enumerate() }
            .map(|(index, schema)| self.add(schema, format!("{at}/{name}/{index}")))
            .collect()
    }

    /// The schemas by their names; a list of names, as `dependencies` may have it, is none.
    fn map(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        at: &str,
    ) -> Result<Vec<usize>, Violation> {
        let schemas = members.get(name).and_then(Value::as_object);
        { schemas.into_iter().flatten() }
            .filter(|(_, schema)| !schema.is_array())
            .map(|(key, schema)| self.add(schema, format!("{at}/{name}/{}", escaped(key))))
            .collect()
    }

    /// Leads each reference to its schema.
    fn resolve(&mut self) -> Result<(), Violation> {
        for index in 0..self.schemas.len() {
            let Some(reference) = self.schemas[index].reference.take() else {
                continue;
            };
            let Some(target) = self.target(&reference) else {
                let at = format!("{}/$ref", self.schemas[index].at);
                let reason = "this names no schema in these rules".to_owned();
                return Err(Violation::new(at, reason));
            };
            self.schemas[index].same.push(target);
        }
        Ok(())
    }

    fn target(&self, reference: &str) -> Option<usize> {
        let fragment = unescaped(reference.strip_prefix('#')?)?;
        match fragment.is_empty() || fragment.starts_with('/') {
            true => self.by_pointer.get(&fragment).copied(),
            false => self.by_anchor.get(&fragment).copied(),
        }
    }
}

/// A name as a part of a JSON Pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The fragment of a URI, its `%..` read.
fn unescaped(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}
