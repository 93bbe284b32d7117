//! Writes a scenario file as a person would: one step a line, `do` first.

use std::fmt::Write;

use serde_json::{Map, Value};

/// The members of a file, and of a step, in the order in which one reads them; others come behind.
const FIRST: [&str; 14] = [
    "id", "title", "why", "seen", "checks", "needs", "prefers", "audit", "do", "conns", "conn",
    "client", "op", "times",
];
const LAST: [&str; 4] = ["mutations", "tables", "branches", "steps"];

/// The file's text.
pub(super) fn printed(file: &Value) -> String {
    let members = file.as_object().map(ordered).unwrap_or_default();
    let mut text = "{\n".to_owned();
    for (index, (name, value)) in members.iter().enumerate() {
        let value = if *name == "steps" {
            steps(value, 2)
        } else {
            line(value)
        };
        let comma = if index + 1 < members.len() { "," } else { "" };
        writeln!(text, "  {}: {value}{comma}", Value::from(*name))
            .expect("a text takes everything");
    }
    text + "}\n"
}

fn steps(list: &Value, indent: usize) -> String {
    let inner = " ".repeat(indent + 2);
    let each = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| format!("{inner}{}", step(item, indent + 2)));
    format!(
        "[\n{}\n{}]",
        each.collect::<Vec<_>>().join(",\n"),
        " ".repeat(indent)
    )
}

/// A step in a line, but steps within it in lines of their own.
fn step(step: &Value, indent: usize) -> String {
    let Some(members) = step.as_object() else {
        return line(step);
    };
    let member = |(name, value): (&str, &Value)| {
        let value = match name {
            "steps" => steps(value, indent),
            "branches" => {
                let branches = value.as_array().into_iter().flatten();
                let inner = " ".repeat(indent + 2);
                let each = branches.map(|branch| format!("{inner}{}", steps(branch, indent + 2)));
                format!(
                    "[\n{}\n{}]",
                    each.collect::<Vec<_>>().join(",\n"),
                    " ".repeat(indent)
                )
            }
            _ => line(value),
        };
        format!("{}: {value}", Value::from(name))
    };
    let each = ordered(members).into_iter().map(member);
    format!("{{ {} }}", each.collect::<Vec<_>>().join(", "))
}

/// A value in one line.
fn line(value: &Value) -> String {
    match value {
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(line).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let each = ordered(members)
                .into_iter()
                .map(|(name, value)| format!("{}: {}", Value::from(name), line(value)));
            format!("{{ {} }}", each.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn ordered(members: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let place = |name: &str| {
        let first = FIRST.iter().position(|of| *of == name);
        let last = LAST
            .iter()
            .position(|of| *of == name)
            .map(|last| FIRST.len() + 1 + last);
        first.or(last).unwrap_or(FIRST.len())
    };
    let mut ordered: Vec<_> = members
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    ordered.sort_by_key(|(name, _)| place(name));
    ordered
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_reads_well_and_says_the_same() {
        let file = json!({ "steps": [{ "conn": "a", "do": "cut" }, { "do": "parallel", "branches": [[{ "do": "converge" }], []] }], "checks": ["A", "B"], "id": "x" });
        let text = printed(&file);
        assert_eq!(
            serde_json::from_str::<Value>(&text).expect("it is JSON"),
            file
        );
        insta::assert_snapshot!(text, @r#"
        {
          "id": "x",
          "checks": ["A", "B"],
          "steps": [
            { "do": "cut", "conn": "a" },
            { "do": "parallel", "branches": [
              [
                { "do": "converge" }
              ],
              [

              ]
            ] }
          ]
        }
        "#);
    }
}
