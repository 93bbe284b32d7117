//! The variables of a run, and how a template becomes a value.
//!
//! A `${name}` that nothing has bound becomes a fresh identifier at its first use, so that runs never meet each other's rows. Names that stand
//! for things (connections, mutations, subscriptions) are looked up in the facts each time: what they have grows.

mod unmade;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::facts::{Facts, RowKey};
use crate::history::{ConnIx, whole};

use unmade::DEPTH_MAX;
pub use unmade::{BYTES_MAX, COUNT_MAX, Unmade, bounded};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// A value.
    Value(Value),
    /// A connection: its welcome's members.
    Conn(ConnIx),
    /// A mutation of a client.
    Mutation {
        /// The workspace.
        workspace: String,
        /// The client.
        client: String,
        /// Its number.
        seq: u64,
        /// Its name.
        op_id: String,
    },
    /// A push: connection and frame number.
    Push(ConnIx, u64),
    /// A subscription: the entry of its `subscribe`.
    Sub(usize),
}

/// The names of one run.
#[derive(Clone, Debug)]
pub struct Vars {
    run: String,
    bound: BTreeMap<String, Bound>,
}

/// The counters of the repeats around a step; branches that run side by side have their own.
#[derive(Clone, Debug, Default)]
pub struct Scope(Vec<(String, u64)>);

impl Scope {
    /// The scope within one turn of a repeat.
    #[must_use]
    pub fn with(&self, var: &str, turn: u64) -> Scope {
        let mut inner = self.clone();
        inner.0.push((var.to_owned(), turn));
        inner
    }

    fn counter(&self, name: &str) -> Option<u64> {
        self.0
            .iter()
            .rev()
            .find(|(var, _)| var == name)
            .map(|(_, turn)| *turn)
    }
}

impl Vars {
    /// No names but `run` and `workspace`. `run` makes the fresh identifiers unique.
    #[must_use]
    pub fn new(run: &str, workspace: &str) -> Vars {
        let always = [("run", run), ("workspace", workspace)];
        let bound = always
            .map(|(name, value)| (name.to_owned(), Bound::Value(value.into())))
            .into();
        Vars {
            run: run.to_owned(),
            bound,
        }
    }

    /// Binds a name.
    pub fn bind(&mut self, name: &str, bound: Bound) {
        self.bound.insert(name.to_owned(), bound);
    }

    /// What a name stands for, if it is bound.
    #[must_use]
    pub fn bound(&self, name: &str) -> Option<&Bound> {
        self.bound.get(name)
    }

    /// The value of a template.
    ///
    /// # Errors
    /// For people: what cannot be resolved.
    pub fn resolve(
        &mut self,
        template: &Value,
        scope: &Scope,
        facts: &Facts,
    ) -> Result<Value, Unmade> {
        match template {
            Value::String(text) => self.string(text, scope, facts),
            Value::Array(items) => items
                .iter()
                .map(|item| self.resolve(item, scope, facts))
                .collect(),
            Value::Object(members) => match generator(members) {
                Some((name, argument)) => self.generate(name, argument, scope, facts),
                None => self.object(members, scope, facts),
            },
            other => Ok(other.clone()),
        }
    }

    /// A string: one variable alone keeps its type, others are put in as text.
    fn string(&mut self, text: &str, scope: &Scope, facts: &Facts) -> Result<Value, Unmade> {
        if let Some(name) = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .filter(|name| !name.contains('}'))
        {
            return self.variable(name, scope, facts);
        }
        let mut made = String::with_capacity(text.len());
        let mut parts = text.split("${");
        made.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (name, rest) = part
                .split_once('}')
                .ok_or_else(|| format!("{text:?} has a `${{` that nothing closes"))?;
            match self.variable(name, scope, facts)? {
                Value::String(value) => made.push_str(&value),
                value => made.push_str(&value.to_string()),
            }
            made.push_str(rest);
        }
        Ok(made.into())
    }

    fn variable(&mut self, name: &str, scope: &Scope, facts: &Facts) -> Result<Value, Unmade> {
        if let Some(turn) = scope.counter(name) {
            return Ok(turn.into());
        }
        let (root, path) = name
            .split_once('.')
            .map_or((name, None), |(root, path)| (root, Some(path)));
        let Some(bound) = self.bound.get(root) else {
            return match path {
                None => self.fresh(name),
                Some(_) => Err(format!("${{{name}}}: nothing has bound {root:?}").into()),
            };
        };
        let mut value = &look(bound, facts)?;
        for step in path.into_iter().flat_map(|path| path.split('.')) {
            let inner = match value {
                Value::Array(items) => step
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index)),
                Value::Object(members) => members.get(step),
                _ => None,
            };
            value = inner.ok_or_else(|| format!("${{{name}}}: there is no {step:?} (yet)"))?;
        }
        Ok(value.clone())
    }

    fn fresh(&mut self, name: &str) -> Result<Value, Unmade> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
            return Err(format!("{name:?} is no name for a variable").into());
        }
        let value: Value = format!("{name}-{}", self.run).into();
        self.bind(name, Bound::Value(value.clone()));
        Ok(value)
    }

    fn object(
        &mut self,
        members: &Map<String, Value>,
        scope: &Scope,
        facts: &Facts,
    ) -> Result<Value, Unmade> {
        let mut made = Map::new();
        for (name, template) in members {
            let Value::String(name) = text_of(self.string(name, scope, facts)?) else {
                unreachable!("text_of makes strings")
            };
            made.insert(name, self.resolve(template, scope, facts)?);
        }
        Ok(Value::Object(made))
    }

    fn generate(
        &mut self,
        name: &str,
        argument: &Value,
        scope: &Scope,
        facts: &Facts,
    ) -> Result<Value, Unmade> {
        let var = argument.get("var").and_then(Value::as_str).unwrap_or("i");
        let mut number = |member: &str| {
            let value = self.resolve(argument.get(member).unwrap_or(&Value::Null), scope, facts)?;
            let wrong = || format!("{name}: `{member}` is {value}, not a number");
            Ok::<_, Unmade>(whole(&value).ok_or_else(wrong)?)
        };
        match name {
            "$repeat" => {
                let count = number("count")?;
                let text = self.resolve(&argument["text"], scope, facts)?;
                let text = text.as_str().ok_or("$repeat: `text` is no string")?;
                bounded("a text", count.saturating_mul(text.len() as u64), BYTES_MAX)?;
                Ok(text.repeat(count as usize).into())
            }
            "$nest" => {
                let depth = number("depth")?;
                bounded("a depth", depth, DEPTH_MAX)?;
                let inner = argument
                    .get("inner")
                    .map(|inner| self.resolve(inner, scope, facts))
                    .transpose()?;
                let innermost = Value::Array(inner.into_iter().collect());
                Ok((1..depth).fold(innermost, |inside, _| Value::Array(vec![inside])))
            }
            "$sum" => {
                let terms = self.resolve(argument, scope, facts)?;
                let terms = terms.as_array().ok_or("$sum: not a list")?;
                let each = terms.iter().map(|term| {
                    term.as_i64()
                        .ok_or_else(|| format!("$sum: {term} is no whole number"))
                });
                Ok(each.sum::<Result<i64, _>>()?.into())
            }
            "$quotient" => {
                let terms = self.resolve(argument, scope, facts)?;
                let each: Vec<u64> = { terms.as_array().into_iter().flatten() }
                    .filter_map(whole)
                    .collect();
                match each[..] {
                    [whole, part] if part > 0 => Ok((whole / part).into()),
                    _ => Err("$quotient: not two whole numbers, the second above 0".into()),
                }
            }
            "$list" => {
                let count = number("count")?;
                bounded("a list", count, COUNT_MAX)?;
                let item = argument.get("item").ok_or("$list: no `item`")?;
                (0..count)
                    .map(|turn| self.resolve(item, &scope.with(var, turn), facts))
                    .collect()
            }
            "$object" => {
                let count = number("count")?;
                bounded("an object", count, COUNT_MAX)?;
                let (key, value) = argument
                    .get("key")
                    .zip(argument.get("value"))
                    .ok_or("$object: no `key` or no `value`")?;
                let mut members = Map::new();
                for turn in 0..count {
                    let scope = scope.with(var, turn);
                    let name = self.resolve(key, &scope, facts)?;
                    members.insert(
                        name.as_str().unwrap_or_default().to_owned(),
                        self.resolve(value, &scope, facts)?,
                    );
                }
                Ok(Value::Object(members))
            }
            "$held" => {
                let mut text = |member: &str| {
                    let value = self.resolve(&argument[member], scope, facts)?;
                    let text = value.as_str().map(ToOwned::to_owned);
                    text.ok_or_else(|| Unmade::from(format!("$held: `{member}` is no string")))
                };
                let (sub, row) = (text("sub")?, (text("table")?, text("key")?));
                Ok(self.held(&sub, &row, facts).into())
            }
            _ => Err(format!("{name} is no generator").into()),
        }
    }
}

impl Vars {
    /// The version at which a subscription's replica holds a row now; 0 if it holds none.
    fn held(&self, sub: &str, row: &RowKey, facts: &Facts) -> u64 {
        let Some(Bound::Sub(asked_at)) = self.bound(sub) else {
            return 0;
        };
        let sub = facts.sub_of(*asked_at).map(|sub| &facts.subs[sub]);
        sub.and_then(|sub| sub.replica.rows.get(row))
            .map_or(0, |row| row.version)
    }
}

/// The name and argument of an object that is a generator.
fn generator(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = members.iter().next().filter(|_| members.len() == 1)?;
    let is_one = crate::scenario::GENERATORS.contains(&name.as_str()) && name != "$absent";
    is_one.then_some((name.as_str(), argument))
}

/// Leaves out every member whose value is `{"$absent": true}`: for what is sent, not for patterns.
#[must_use]
pub fn without_absent(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(without_absent).collect()),
        Value::Object(members) => {
            let absent = json!({ "$absent": true });
            let there = members.into_iter().filter(|(_, value)| *value != absent);
            Value::Object(
                there
                    .map(|(name, value)| (name, without_absent(value)))
                    .collect(),
            )
        }
        other => other,
    }
}

fn text_of(value: Value) -> Value {
    if value.is_string() {
        value
    } else {
        value.to_string().into()
    }
}

/// What a name stands for, as JSON.
fn look(bound: &Bound, facts: &Facts) -> Result<Value, Unmade> {
    Ok(match bound {
        Bound::Value(value) => value.clone(),
        Bound::Conn(conn) => {
            let welcome = facts.conns[*conn].welcome.as_ref();
            welcome
                .map(|(_, welcome)| welcome.clone())
                .ok_or("the connection has had no welcome")?
        }
        Bound::Mutation {
            workspace,
            client,
            seq,
            op_id,
        } => {
            let outcome = facts
                .ledger
                .find(workspace, client, *seq, op_id)
                .and_then(|mutation| mutation.latest());
            let mut known = json!({ "seq": seq, "opId": op_id });
            if let Some(outcome) = outcome {
                known["status"] = outcome.status.as_str().into();
                known["version"] = outcome.version.into();
                known["code"] = outcome.code.clone().into();
                known["told"] = outcome.told.clone().into();
            }
            known
        }
        Bound::Push(conn, ordinal) => {
            let mut known = json!({ "re": ordinal });
            let sent = facts.conns[*conn].sent.get(*ordinal as usize - 1);
            if let Some(ack) = sent.and_then(|sent| facts.frame(sent.answer?)) {
                known["results"] = ack.member("results").cloned().unwrap_or_default();
            }
            known
        }
        Bound::Sub(asked_at) => {
            let sub = facts
                .sub_of(*asked_at)
                .ok_or("the subscription is not accepted (yet)")?;
            let sub = &facts.subs[sub];
            let mut known = json!({ "id": sub.id, "shape": sub.shape });
            if let Some(first) = sub.completes.first() {
                known["to"] = first.to.into();
                known["replaced"] = first.replacement.into();
            }
            known
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(template: Value) -> Result<Value, Unmade> {
        let mut vars = Vars::new("r1", "w");
        vars.bind(
            "a",
            Bound::Value(json!({ "limits": { "n": 3 }, "list": [1, { "x": "y" }] })),
        );
        vars.resolve(&template, &Scope::default().with("i", 7), &Facts::default())
    }

    /// Each line: template, value.
    #[test]
    fn templates_and_values() {
        let table = [
            (json!("plain"), json!("plain")),
            (json!("${notes}"), json!("notes-r1")),
            (json!("${a.limits.n}"), json!(3)),
            (
                json!("n is ${a.limits.n}, ${notes}!"),
                json!("n is 3, notes-r1!"),
            ),
            (json!("${a.list.1.x}"), json!("y")),
            (json!("${i}"), json!(7)),
            (json!("k${i}"), json!("k7")),
            (json!({ "${notes}": {} }), json!({ "notes-r1": {} })),
            (
                json!({ "$repeat": { "text": "ab", "count": 2 } }),
                json!("abab"),
            ),
            (
                json!({ "$repeat": { "text": "x", "count": { "$sum": ["${a.limits.n}", -1] } } }),
                json!("xx"),
            ),
            (json!({ "$quotient": [20, "${a.limits.n}"] }), json!(6)),
            (json!({ "$nest": { "depth": 2 } }), json!([[]])),
            (
                json!({ "$nest": { "depth": 2, "inner": "${i}" } }),
                json!([[7]]),
            ),
            (
                json!({ "$list": { "count": 2, "item": "${i}" } }),
                json!([0, 1]),
            ),
            (
                json!({ "$list": { "count": 2, "var": "j", "item": "${i}${j}" } }),
                json!(["70", "71"]),
            ),
            (
                json!({ "$object": { "count": 2, "key": "t${i}", "value": {} } }),
                json!({ "t0": {}, "t1": {} }),
            ),
            (json!({ "$gte": "${a.limits.n}" }), json!({ "$gte": 3 })),
        ];
        for (template, value) in table {
            assert_eq!(resolved(template.clone()), Ok(value), "{template}");
        }
    }

    #[test]
    fn what_cannot_be_resolved_is_said() {
        assert_eq!(
            resolved(json!("${b.c}")),
            Err("${b.c}: nothing has bound \"b\"".into())
        );
        assert_eq!(
            resolved(json!("${a.none}")),
            Err("${a.none}: there is no \"none\" (yet)".into())
        );
        assert!(resolved(json!("x ${a")).is_err());
    }

    #[test]
    fn what_is_too_large_is_not_made() {
        let much = 9_007_199_254_740_991_u64;
        let templates = [
            json!({ "$repeat": { "text": "x", "count": much } }),
            json!({ "$nest": { "depth": 200_000 } }),
            json!({ "$list": { "count": much, "item": 1 } }),
            json!({ "$object": { "count": much, "key": "${i}", "value": 1 } }),
        ];
        for template in templates {
            let made = resolved(template.clone());
            assert!(matches!(made, Err(Unmade::TooLarge(_))), "{template}");
        }
    }

    #[test]
    fn absent_members_are_left_out() {
        let sent = without_absent(
            json!({ "a": { "$absent": true }, "b": [{ "c": { "$absent": true }, "d": null }] }),
        );
        assert_eq!(sent, json!({ "b": [{ "d": null }] }));
    }
}
