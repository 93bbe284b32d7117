//! [`Filter`]: which rows of a table a shape has, as `where.json` has it: reading, writing, and what it costs. Whether a row matches is for whoever holds rows.

use serde_json::{Map, Value, json};

use crate::violation::Violation;

/// A filter (chapter *filters*).
///
/// ```
/// use syncline_schemas::Filter;
///
/// let open = Filter::eq("done", false).and(Filter::within("list", ["home", "work"]));
/// assert_eq!(open.to_value().to_string(), r#"{"and":[{"eq":false,"field":"done"},{"field":"list","in":["home","work"]}]}"#);
/// assert_eq!(Filter::read(&open.to_value()), Ok(open));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// The field is there, and equal to this.
    Eq {
        /// The field's name.
        field: String,
        /// What it equals.
        value: Value,
    },
    /// The field is there, and equal to one of these.
    In {
        /// The field's name.
        field: String,
        /// What it may equal.
        values: Vec<Value>,
    },
    /// The field is there, and within all of these bounds, of which there is one at least.
    Range {
        /// The field's name.
        field: String,
        /// The bounds.
        bounds: Vec<(Side, Bound)>,
    },
    /// Its key is one of these.
    Keys(Vec<String>),
    /// All of these match.
    And(Vec<Filter>),
    /// One of these matches.
    Or(Vec<Filter>),
    /// This does not match.
    Not(Box<Filter>),
}

/// On which side of a bound a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Above it.
    Gt,
    /// At it or above.
    Gte,
    /// Below it.
    Lt,
    /// At it or below.
    Lte,
}

/// A bound of a range.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// Compared by value, as doubles.
    Number(f64),
    /// Compared by code points.
    Text(String),
}

impl Side {
    const ALL: [(&'static str, Side); 4] = [
        ("gt", Side::Gt),
        ("gte", Side::Gte),
        ("lt", Side::Lt),
        ("lte", Side::Lte),
    ];

    fn name(self) -> &'static str {
        let named = Side::ALL.iter().find(|(_, side)| *side == self);
        named.map_or("", |(name, _)| name)
    }
}

impl From<f64> for Bound {
    fn from(number: f64) -> Bound {
        Bound::Number(number)
    }
}

impl From<&str> for Bound {
    fn from(text: &str) -> Bound {
        Bound::Text(text.to_owned())
    }
}

/// Making one.
impl Filter {
    /// The field is there, and equal to this.
    pub fn eq(field: impl Into<String>, value: impl Into<Value>) -> Filter {
        let (field, value) = (field.into(), value.into());
        Filter::Eq { field, value }
    }

    /// The field is there, and equal to one of these.
    pub fn within<V: Into<Value>>(
        field: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Filter {
        let values = values.into_iter().map(Into::into).collect();
        let field = field.into();
        Filter::In { field, values }
    }

    /// The field is there, and on this side of a bound of its own type.
    pub fn range(field: impl Into<String>, side: Side, bound: impl Into<Bound>) -> Filter {
        let bounds = vec![(side, bound.into())];
        let field = field.into();
        Filter::Range { field, bounds }
    }

    /// The row's key, or the document's, is one of these.
    pub fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Filter {
        Filter::Keys(keys.into_iter().map(Into::into).collect())
    }

    /// This matches, and another.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        match self {
            Filter::And(mut all) => {
                all.push(other);
                Filter::And(all)
            }
            one => Filter::And(vec![one, other]),
        }
    }

    /// This matches, or another.
    #[must_use]
    pub fn or(self, other: Filter) -> Filter {
        match self {
            Filter::Or(mut all) => {
                all.push(other);
                Filter::Or(all)
            }
            one => Filter::Or(vec![one, other]),
        }
    }

    /// This does not match.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "it is said as `and` and `or` are"
    )]
    pub fn not(self) -> Filter {
        Filter::Not(Box::new(self))
    }
}

/// Reading and writing.
impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// The value is none: where in it, and why.
    pub fn read(value: &Value) -> Result<Filter, Violation> {
        read(value, "")
    }

    /// The filter as frames have it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let all = |filters: &[Filter]| filters.iter().map(Filter::to_value).collect::<Value>();
        match self {
            Filter::Eq { field, value } => json!({ "field": field, "eq": value }),
            Filter::In { field, values } => json!({ "field": field, "in": values }),
            Filter::Range { field, bounds } => {
                let mut range = Map::from_iter([("field".to_owned(), json!(field))]);
                for (side, bound) in bounds {
                    let bound = match bound {
                        Bound::Number(number) => json!(number),
                        Bound::Text(text) => json!(text),
                    };
                    range.insert(side.name().to_owned(), bound);
                }
                range.into()
            }
            Filter::Keys(keys) => json!({ "keys": keys }),
            Filter::And(filters) => json!({ "and": all(filters) }),
            Filter::Or(filters) => json!({ "or": all(filters) }),
            Filter::Not(filter) => json!({ "not": filter.to_value() }),
        }
    }

    /// Its canonical form (RFC 8785): two filters are the same if theirs is.
    #[must_use]
    pub fn canonical(&self) -> String {
        // Only a number that no JSON has, put in by hand, has none.
        serde_json_canonicalizer::to_string(&self.to_value()).unwrap_or_default()
    }

    /// How many nodes it has (`limits.filterNodesMax`): each expression is one, and each value of an `in` and each key.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        match self {
            Filter::Eq { .. } | Filter::Range { .. } => 1,
            Filter::In { values, .. } => 1 + values.len() as u64,
            Filter::Keys(keys) => 1 + keys.len() as u64,
            Filter::And(filters) | Filter::Or(filters) => {
                1 + filters.iter().map(Filter::nodes).sum::<u64>()
            }
            Filter::Not(filter) => 1 + filter.nodes(),
        }
    }
}

const FORMS: &str = "a filter is {field, eq}, {field, in}, {field, gt, gte, lt, lte}, {keys}, {and}, {or} or {not}, and has no other members";

fn read(value: &Value, at: &str) -> Result<Filter, Violation> {
    let refused = |reason: &str| Err(Violation::new(at.to_owned(), reason.to_owned()));
    let Some(members) = value.as_object() else {
        return refused("a filter is an object");
    };
    if members.contains_key("field") {
        return read_leaf(members, at);
    }
    let mut entries = members.iter();
    let (Some((name, operand)), None) = (entries.next(), entries.next()) else {
        return refused(FORMS);
    };
    let within = format!("{at}/{name}");
    match name.as_str() {
        "keys" => Ok(Filter::Keys(read_keys(operand, &within)?)),
        "and" => Ok(Filter::And(read_all(operand, &within)?)),
        "or" => Ok(Filter::Or(read_all(operand, &within)?)),
        "not" => Ok(Filter::Not(Box::new(read(operand, &within)?))),
        _ => refused(FORMS),
    }
}

fn read_all(value: &Value, at: &str) -> Result<Vec<Filter>, Violation> {
    let filters = list(value, at)?.iter().enumerate();
    filters
        .map(|(index, filter)| read(filter, &format!("{at}/{index}")))
        .collect()
}

fn read_keys(value: &Value, at: &str) -> Result<Vec<String>, Violation> {
    let keys = list(value, at)?.iter().enumerate();
    keys.map(|(index, key)| {
        let refused = || Violation::new(format!("{at}/{index}"), "a key is a string".to_owned());
        key.as_str().map(str::to_owned).ok_or_else(refused)
    })
    .collect()
}

fn list<'v>(value: &'v Value, at: &str) -> Result<&'v Vec<Value>, Violation> {
    let refused = || Violation::new(at.to_owned(), "this is a list".to_owned());
    value.as_array().ok_or_else(refused)
}

fn read_leaf(members: &Map<String, Value>, at: &str) -> Result<Filter, Violation> {
    let Some(field) = members.get("field").and_then(Value::as_str) else {
        let reason = "a field's name is a string".to_owned();
        return Err(Violation::new(format!("{at}/field"), reason));
    };
    let field = field.to_owned();
    let others = members.len() - 1;
    if let (Some(value), 1) = (members.get("eq"), others) {
        let value = value.clone();
        return Ok(Filter::Eq { field, value });
    }
    if let (Some(values), 1) = (members.get("in"), others) {
        let values = list(values, &format!("{at}/in"))?.clone();
        return Ok(Filter::In { field, values });
    }
    let mut bounds = Vec::new();
    for (name, side) in Side::ALL {
        if let Some(bound) = members.get(name) {
            bounds.push((side, read_bound(bound, &format!("{at}/{name}"))?));
        }
    }
    if bounds.is_empty() || bounds.len() < others {
        return Err(Violation::new(at.to_owned(), FORMS.to_owned()));
    }
    Ok(Filter::Range { field, bounds })
}

fn read_bound(value: &Value, at: &str) -> Result<Bound, Violation> {
    match (value.as_f64(), value.as_str()) {
        (Some(number), _) => Ok(Bound::Number(number)),
        (_, Some(text)) => Ok(Bound::Text(text.to_owned())),
        _ => {
            let reason = "a bound is a number or a string".to_owned();
            Err(Violation::new(at.to_owned(), reason))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use crate::validate;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../v1/vectors/filters.json")).unwrap()
    }

    #[test]
    fn the_vectors_are_read_as_the_schema_says() {
        let vectors = vectors();
        for vector in vectors["filters"].as_array().unwrap() {
            let filter =
                Filter::read(&vector["where"]).unwrap_or_else(|why| panic!("{why}: {vector}"));
            assert_eq!(validate::filter(&vector["where"]), Ok(()), "{vector}");
            assert_eq!(filter.nodes(), vector["nodes"], "{vector}");
            assert_eq!(filter.canonical(), vector["canonical"].as_str().unwrap());
            let again: Value = serde_json::from_str(&filter.canonical()).unwrap();
            assert_eq!(
                Filter::read(&again).unwrap().canonical(),
                filter.canonical()
            );
        }
        for vector in vectors["invalid"].as_array().unwrap() {
            let violation = Filter::read(&vector["where"]).expect_err(&vector.to_string());
            assert_eq!(violation.at, vector["at"].as_str().unwrap(), "{vector}");
            assert!(validate::filter(&vector["where"]).is_err(), "{vector}");
        }
    }

    #[test]
    fn filters_are_put_together() {
        let one = || Filter::eq("a", 1);
        let all = one().and(one()).and(one());
        assert_eq!(all, Filter::And(vec![one(), one(), one()]));
        assert_eq!(one().or(one()).or(one()).not().nodes(), 5);
        let two = Filter::keys(["d1", "d2"]).and(one());
        assert_eq!(
            (two.nodes(), Filter::read(&two.to_value())),
            (5, Ok(two.clone()))
        );
        let range = Filter::range("a", Side::Gte, 1.0);
        assert_eq!(range.canonical(), r#"{"field":"a","gte":1}"#);
    }
}
