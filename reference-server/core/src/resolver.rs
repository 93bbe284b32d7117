//! Resolvers: what a server makes of two concurrent writes in a table whose strategy is `custom`.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use syncline_schemas::Json;

/// Makes one value of two that were written concurrently. It must be *pure*: the same of the same, whenever and wherever it is asked. What it makes is
/// logged, so that nobody who replays asks it again.
pub trait Resolver: Send + Sync {
    /// Resolves a conflict.
    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution;
}

impl<F: Fn(&Conflict<'_>) -> Resolution + Send + Sync> Resolver for F {
    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution {
        self(conflict)
    }
}

/// Two writes of one row, of which neither writer knew the other's.
#[derive(Clone, Copy, Debug)]
pub struct Conflict<'a> {
    /// The row's table.
    pub table: &'a str,
    /// The row's key.
    pub key: &'a str,
    /// What is there; nothing, if the row was deleted.
    pub current: Option<&'a Json>,
    /// What is written; nothing, if it is to be deleted.
    pub written: Option<&'a Json>,
}

/// What becomes of the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It stays as it is: the write is superseded.
    Keep,
    /// It is as the write has it.
    Take,
    /// It has this value.
    Merge(Json),
    /// It is deleted.
    Delete,
}

/// The resolvers of a server, by the names that declarations use.
#[derive(Clone, Default)]
pub struct Resolvers(BTreeMap<String, Arc<dyn Resolver>>);

impl Resolvers {
    /// Those that come with this crate: `deep_merge`, which merges objects member by member, gives lists what they have not got yet, and takes the later write of anything
    /// else. What is there is not deleted by who has not seen it.
    #[must_use]
    pub fn built_in() -> Resolvers {
        Resolvers::default().with("deep_merge", deep_merge)
    }

    /// With one more, under this name: 1 to 64 of `A-Z a-z 0-9 _ -`. It must stay under it as long as a table names it.
    #[must_use]
    pub fn with(mut self, name: &str, resolver: impl Resolver + 'static) -> Resolvers {
        self.0.insert(name.to_owned(), Arc::new(resolver));
        self
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Resolves a conflict by the resolver of this name; if it is not there any more, the later write is taken.
    pub(crate) fn resolve(&self, name: &str, conflict: &Conflict<'_>) -> Resolution {
        let resolver = self.0.get(name);
        resolver.map_or(Resolution::Take, |resolver| resolver.resolve(conflict))
    }
}

impl fmt::Debug for Resolvers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

/// Resolvers of the same names are taken for the same: there is no comparing what they do.
impl PartialEq for Resolvers {
    fn eq(&self, other: &Resolvers) -> bool {
        self.0.keys().eq(other.0.keys())
    }
}

impl Eq for Resolvers {}

fn deep_merge(conflict: &Conflict<'_>) -> Resolution {
    let (Some(current), Some(written)) = (conflict.current, conflict.written) else {
        return match conflict.written {
            None => Resolution::Keep,
            Some(_) => Resolution::Take,
        };
    };
    match (current.to_value(), written.to_value()) {
        (Ok(current), Ok(written)) => Resolution::Merge(merged(current, written).into()),
        _ => Resolution::Take,
    }
}

fn merged(current: Value, written: Value) -> Value {
    match (current, written) {
        (Value::Object(mut all), Value::Object(written)) => {
            for (name, value) in written {
                let value = match all.remove(&name) {
                    Some(current) => merged(current, value),
                    None => value,
                };
                all.insert(name, value);
            }
            Value::Object(all)
        }
        (Value::Array(mut all), Value::Array(written)) => {
            let mut there: HashSet<String> = all.iter().map(Value::to_string).collect();
            let new = { written.into_iter() }.filter(|item| there.insert(item.to_string()));
            all.extend(new);
            Value::Array(all)
        }
        (_, written) => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(current: Option<&str>, written: Option<&str>, expected: &str) {
        let json = |text: Option<&str>| text.map(|text| Json::parse(text).expect("JSON"));
        let (current, written) = (json(current), json(written));
        let resolution = Resolvers::built_in().resolve(
            "deep_merge",
            &Conflict {
                table: "t",
                key: "k",
                current: current.as_ref(),
                written: written.as_ref(),
            },
        );
        let said = match &resolution {
            Resolution::Merge(value) => value.get().to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn deep_merge_loses_nothing_that_can_stand_beside() {
        check(
            Some(r#"{"a":{"x":1,"y":1},"l":[1,2],"s":"old"}"#),
            Some(r#"{"a":{"y":2},"l":[2,3],"s":"new","n":null}"#),
            r#"{"a":{"x":1,"y":2},"l":[1,2,3],"n":null,"s":"new"}"#,
        );
        check(Some("1"), Some("[2]"), "[2]");
        check(None, Some("1"), "Take");
        check(Some("1"), None, "Keep");
    }
}
