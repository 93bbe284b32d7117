//! What makes a scenario smaller: every single thing that could be left out of it or be less.
//!
//! It is done to the file, not to what made it, so any scenario can be made smaller, also one that a person wrote. An edit may leave a scenario that is
//! none (a name that nothing binds any more): whoever tries it finds out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// One thing to leave out, or to make less.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edit {
    /// No step that names this connection.
    WithoutConn(String),
    /// Not these items of the list at this place.
    WithoutItems(String, usize, usize),
    /// Not this member of the object at this place.
    WithoutMember(String, String),
    /// This instead of what is at this place.
    Instead(String, Value),
    /// These items instead of the item of the list at this place.
    Spliced(String, usize, Vec<Value>),
}

/// Members that a step can do without.
const OPTIONAL: [&str; 11] = [
    "copies",
    "perPush",
    "agesMs",
    "times",
    "afresh",
    "after",
    "nth",
    "jitterMs",
    "ifVersion",
    "ways",
    "await",
];

/// All edits, those first that leave out most.
pub(super) fn edits(file: &Value) -> Vec<Edit> {
    let mut names = BTreeSet::new();
    names_in(&file["steps"], &mut names);
    let mut edits: Vec<Edit> = names.into_iter().map(Edit::WithoutConn).collect();
    let mut lists = Vec::new();
    lists_in(&file["steps"], "/steps", &mut lists);
    let longest = lists.iter().map(|(_, length)| *length).max().unwrap_or(0);
    let mut size = longest.div_ceil(2);
    while size > 0 {
        for (at, length) in lists.iter().filter(|(_, length)| *length >= size) {
            let starts = (0..*length).step_by(size);
            edits.extend(
                starts.map(|start| Edit::WithoutItems(at.clone(), start, size.min(length - start))),
            );
        }
        size /= 2;
    }
    for member in ["prefers", "needs"] {
        if file.get(member).is_some() {
            edits.push(Edit::WithoutMember(String::new(), member.to_owned()));
        }
    }
    simpler(&file["steps"], "/steps", &mut edits);
    edits
}

/// The file after an edit.
pub(super) fn edited(file: &Value, edit: &Edit) -> Option<Value> {
    let mut file = file.clone();
    match edit {
        Edit::WithoutConn(name) => without_conn(file.get_mut("steps")?, name),
        Edit::WithoutItems(at, start, count) => {
            let list = file.pointer_mut(at)?.as_array_mut()?;
            list.drain(*start..(start + count).min(list.len()));
        }
        Edit::WithoutMember(at, member) => {
            file.pointer_mut(at)?.as_object_mut()?.remove(member)?;
        }
        Edit::Instead(at, value) => *file.pointer_mut(at)? = value.clone(),
        Edit::Spliced(at, index, items) => {
            let list = file.pointer_mut(at)?.as_array_mut()?;
            list.splice(*index..=*index, items.iter().cloned());
        }
    }
    without_empty(file.get_mut("steps")?);
    Some(file)
}

/// How much there is in a scenario: steps, and what is in them.
#[must_use]
pub(super) fn steps_in(steps: &Value) -> usize {
    let each = steps.as_array().into_iter().flatten();
    each.map(|step| {
        let branches = step["branches"].as_array().into_iter().flatten();
        let inner = steps_in(&step["steps"]) + branches.map(steps_in).sum::<usize>();
        if inner > 0 { inner } else { 1 }
    })
    .sum()
}

fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| names_in(item, names)),
        Value::Object(members) => {
            if let Some(conn) = members.get("conn").and_then(Value::as_str) {
                names.insert(conn.to_owned());
            }
            ["steps", "branches"]
                .into_iter()
                .filter_map(|name| members.get(name))
                .for_each(|inner| names_in(inner, names));
        }
        _ => {}
    }
}

/// The lists in steps: of steps, branches, mutations, ops, names. Not of tables: a replica that goes on has those that it had.
fn lists_in(value: &Value, at: &str, lists: &mut Vec<(String, usize)>) {
    match value {
        Value::Array(items) => {
            lists.push((at.to_owned(), items.len()));
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| lists_in(item, &format!("{at}/{index}"), lists));
        }
        Value::Object(members) => {
            for name in ["steps", "branches", "mutations", "ops", "conns"] {
                if let Some(inner) = members.get(name) {
                    lists_in(inner, &format!("{at}/{name}"), lists);
                }
            }
        }
        _ => {}
    }
}

/// Edits that leave all steps, but make them less.
fn simpler(steps: &Value, at: &str, edits: &mut Vec<Edit>) {
    for (index, step) in steps.as_array().into_iter().flatten().enumerate() {
        let here = format!("{at}/{index}");
        if let Some(branches) = step["branches"].as_array() {
            // One after the other instead of all at once.
            let all = branches
                .iter()
                .filter_map(Value::as_array)
                .flatten()
                .cloned();
            edits.push(Edit::Spliced(at.to_owned(), index, all.collect()));
            for (branch, steps) in branches.iter().enumerate() {
                simpler(steps, &format!("{here}/branches/{branch}"), edits);
            }
        }
        simpler(&step["steps"], &format!("{here}/steps"), edits);
        members(step, &here, edits);
    }
}

fn members(value: &Value, at: &str, edits: &mut Vec<Edit>) {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| members(item, &format!("{at}/{index}"), edits)),
        Value::Object(object) => {
            for (name, inner) in object
                .iter()
                .filter(|(name, _)| !["steps", "branches"].contains(&name.as_str()))
            {
                let here = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                if OPTIONAL.contains(&name.as_str()) {
                    edits.push(Edit::WithoutMember(at.to_owned(), name.clone()));
                }
                match inner.as_u64().filter(|_| {
                    ["times", "ms", "jitterMs", "count", "copies", "nth"].contains(&name.as_str())
                }) {
                    Some(number) if number > 1 => {
                        edits.push(Edit::Instead(here, json!(number / 2)))
                    }
                    Some(_) => {}
                    None if name == "value" && inner.is_object() => {
                        edits.push(Edit::Instead(here, json!(1)))
                    }
                    None => members(inner, &here, edits),
                }
            }
        }
        _ => {}
    }
}

fn without_conn(steps: &mut Value, name: &str) {
    let Some(list) = steps.as_array_mut() else {
        return;
    };
    let names = |step: &Value| {
        ["conn", "of"]
            .into_iter()
            .any(|member| step[member] == name)
    };
    list.retain(|step| !names(step));
    for step in list {
        without_conn(&mut step["steps"], name);
        for branch in step["branches"].as_array_mut().into_iter().flatten() {
            without_conn(branch, name);
        }
        if let Some(conns) = step["conns"].as_array_mut() {
            conns.retain(|conn| conn != name);
        }
        if let Some(object) = step.as_object_mut() {
            object.retain(|_, member| !member.is_null());
        }
    }
}

/// Branches without steps, steps that are about nothing, and what holds only one branch are left out.
fn without_empty(steps: &mut Value) {
    let Some(list) = steps.as_array_mut() else {
        return;
    };
    for step in list.iter_mut().filter(|step| step.is_object()) {
        if let Some(inner) = step.get_mut("steps") {
            without_empty(inner);
        }
        if let Some(branches) = step.get_mut("branches").and_then(Value::as_array_mut) {
            branches.iter_mut().for_each(without_empty);
            branches.retain(|branch| branch.as_array().is_some_and(|steps| !steps.is_empty()));
        }
    }
    let empty = |step: &Value, name: &str| {
        step.get(name)
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
    };
    list.retain(|step| {
        !["steps", "branches", "conns"]
            .into_iter()
            .any(|name| empty(step, name))
    });
    let alone = |step: &Value| {
        step["branches"]
            .as_array()
            .filter(|branches| branches.len() == 1)
            .and_then(|branches| branches[0].as_array().cloned())
    };
    *list = list
        .drain(..)
        .flat_map(|step| alone(&step).unwrap_or_else(|| vec![step]))
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Value {
        json!({ "id": "a", "steps": [
            { "do": "parallel", "branches": [
                [{ "do": "online", "conn": "a" }, { "do": "write", "conn": "a", "times": 4, "mutations": [[1, 2]] }],
                [{ "do": "online", "conn": "b" }] ] },
            { "do": "fault", "conns": ["a", "b"], "kind": "cut" },
            { "do": "converge" } ] })
    }

    #[test]
    fn a_connection_goes_with_all_that_names_it() {
        let without = edited(&file(), &Edit::WithoutConn("a".to_owned())).expect("it is there");
        let expected = json!([{ "do": "online", "conn": "b" }, { "do": "fault", "conns": ["b"], "kind": "cut" }, { "do": "converge" }]);
        assert_eq!(without["steps"], expected);
    }

    #[test]
    fn everything_can_be_left_out() {
        let mut file = file();
        let mut before = file.to_string().len();
        let edits_before = edits(&file);
        assert!(edits_before.contains(&Edit::WithoutMember(
            "/steps/0/branches/0/1".to_owned(),
            "times".to_owned()
        )));
        assert!(edits_before.contains(&Edit::WithoutItems(
            "/steps/0/branches/0/1/mutations/0".to_owned(),
            1,
            1
        )));
        while steps_in(&file["steps"]) > 0 {
            let smaller = edits(&file)
                .iter()
                .filter_map(|edit| edited(&file, edit))
                .min_by_key(|file| file.to_string().len());
            file = smaller.expect("there is an edit");
            assert!(file.to_string().len() < before, "{file}");
            before = file.to_string().len();
        }
    }
}
