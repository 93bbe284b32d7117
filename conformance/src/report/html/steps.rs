//! The steps of a scenario as data: a line each, as the file has them, those within others indented.

use maud::{Markup, html};
use serde_json::Value;

/// The members that come first, as one would write them.
const FIRST: [&str; 4] = ["do", "conn", "client", "sub"];

/// The members that hold steps, which have lines of their own.
const INNER: [&str; 2] = ["steps", "branches"];

/// The steps; the one at this place, a JSON Pointer, is marked.
pub(super) fn list(steps: &[Value], broken: Option<&str>) -> Markup {
    within(steps, "/steps", broken)
}

fn within(steps: &[Value], place: &str, broken: Option<&str>) -> Markup {
    html! {
        ol class="steps" start="0" {
            @for (index, step) in steps.iter().enumerate() {
                @let place = format!("{place}/{index}");
                li class=[(broken == Some(place.as_str())).then_some("marked")] {
                    code { (line(step)) }
                    @if let Some(note) = step.get("note").and_then(Value::as_str) { p class="faint" { (note) } }
                    @if let Some(inner) = step.get("steps").and_then(Value::as_array) {
                        (within(inner, &format!("{place}/steps"), broken))
                    }
                    @for (index, branch) in step.get("branches").and_then(Value::as_array).into_iter().flatten().enumerate() {
                        p class="faint" { "branch " (index) }
                        @if let Some(branch) = branch.as_array() {
                            (within(branch, &format!("{place}/branches/{index}"), broken))
                        }
                    }
                }
            }
        }
    }
}

/// A step in a line, without the members that say nothing.
fn line(step: &Value) -> String {
    let Value::Object(members) = step else {
        return step.to_string();
    };
    let says = |name: &str, value: &Value| {
        let empty = value.is_null()
            || *value == Value::Bool(false)
            || value.as_array().is_some_and(Vec::is_empty);
        !empty && name != "note" && !INNER.contains(&name)
    };
    let first = FIRST.iter().filter_map(|name| members.get_key_value(*name));
    let others = members
        .iter()
        .filter(|(name, _)| !FIRST.contains(&name.as_str()));
    let shown = first
        .chain(others)
        .filter(|(name, value)| says(name, value));
    let shown: Vec<_> = shown
        .map(|(name, value)| format!("{name:?}: {value}"))
        .collect();
    format!("{{ {} }}", shown.join(", "))
}
