//! Which names a scenario binds and which it refers to: `${a.epoch}` must follow a step that binds `a`.
//!
//! A plain `${name}` needs no binding: at its first use it becomes a fresh identifier. A dotted one looks into something.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Names that are bound before the first step.
const ALWAYS: [&str; 2] = ["workspace", "run"];

/// Goes over steps in order and collects references to what nothing before has bound.
pub(super) struct Names {
    bound: BTreeSet<String>,
    /// Some names are made of variables: what they will be is not known before the run.
    open: Vec<(String, String)>,
    problems: Vec<(String, String)>,
}

impl Names {
    /// The problems of a list of steps, each with its place.
    pub(super) fn problems(steps: &Value) -> Vec<(String, String)> {
        let bound = ALWAYS.map(ToOwned::to_owned).into();
        let mut names = Names {
            bound,
            open: Vec::new(),
            problems: Vec::new(),
        };
        names.steps(steps, "/steps");
        names.problems
    }

    fn steps(&mut self, steps: &Value, at: &str) {
        for (index, step) in steps.as_array().into_iter().flatten().enumerate() {
            let Some(members) = step.as_object() else {
                continue;
            };
            self.step(members, &format!("{at}/{index}"));
        }
    }

    fn step(&mut self, members: &Map<String, Value>, at: &str) {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let verb = text("do").unwrap_or_default();
        if let (Some(var), "repeat" | "push_many") = (text("var").or(Some("i")), verb) {
            self.bind(var);
        }
        for (name, value) in members
            .iter()
            .filter(|(name, _)| !["steps", "branches"].contains(&name.as_str()))
        {
            self.uses(value, &format!("{at}/{name}"));
        }
        self.refers(members, verb, at);
        if let (Some(conn), "open" | "connect" | "online" | "replay") = (text("conn"), verb) {
            self.bind(conn);
        }
        if let Some(name) = text("as") {
            self.bind(name);
        }
        for mutation in members
            .get("mutations")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(name) = mutation.get("as").and_then(Value::as_str) {
                self.bind(name);
            }
        }
        let binds = ["bind", "values"]
            .into_iter()
            .filter_map(|member| members.get(member)?.as_object());
        for name in binds.flat_map(Map::keys).cloned().collect::<Vec<_>>() {
            self.bind(&name);
        }
        if let Some(steps) = members.get("steps") {
            self.steps(steps, &format!("{at}/steps"));
        }
        for (index, branch) in members
            .get("branches")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            self.steps(branch, &format!("{at}/branches/{index}"));
        }
    }

    /// Members that name a connection, a subscription or a mutation.
    fn refers(&mut self, members: &Map<String, Value>, verb: &str, at: &str) {
        // A client may write, and the network fail, where there is no connection yet.
        if ["write", "fault", "heal"].contains(&verb) {
            return;
        }
        let one = ["conn", "sub", "resume", "of"]
            .into_iter()
            .filter_map(|member| Some((member, members.get(member)?)));
        let many = ["retry", "conns"].into_iter().flat_map(|member| {
            members
                .get(member)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(move |name| (member, name))
        });
        for (member, name) in one.chain(many) {
            let opens = member == "conn" && ["open", "connect", "online", "replay"].contains(&verb);
            if let (Some(name), false) = (name.as_str(), opens) {
                self.needs(name, &format!("{at}/{member}"));
            }
        }
    }

    /// The variables in a value; matchers in it may bind others.
    fn uses(&mut self, value: &Value, at: &str) {
        match value {
            Value::String(text) => {
                for reference in references(text) {
                    if let Some((root, _)) = reference.split_once('.') {
                        self.needs(root, at);
                    }
                }
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(i, item)| self.uses(item, &format!("{at}/{i}"))),
            Value::Object(members) => {
                // What a generator counts by is bound inside it.
                if let Some(inner) = ["$list", "$object"]
                    .into_iter()
                    .find_map(|name| members.get(name))
                {
                    self.bind(inner.get("var").and_then(Value::as_str).unwrap_or("i"));
                }
                for (name, inner) in members {
                    self.uses(&Value::String(name.clone()), at);
                    self.uses(inner, &format!("{at}/{name}"));
                    if let ("$bind", Some(bound)) = (name.as_str(), inner.as_str()) {
                        self.bind(bound);
                    }
                }
            }
            _ => {}
        }
    }

    fn bind(&mut self, name: &str) {
        match name.split_once("${") {
            None => {
                self.bound.insert(name.to_owned());
            }
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                self.open.push((before.to_owned(), after.to_owned()));
            }
        }
    }

    fn needs(&mut self, name: &str, at: &str) {
        let open = |(before, after): &(String, String)| {
            name.len() > before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        };
        if !name.contains("${") && !self.bound.contains(name) && !self.open.iter().any(open) {
            self.problems
                .push((at.to_owned(), format!("nothing before has bound {name:?}")));
        }
    }
}

/// The insides of all `${...}` in a text.
pub(crate) fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(inside, _)| inside))
}
