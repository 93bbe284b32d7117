//! What a scenario's schema cannot say: that requirements exist, that names are bound, that `$operators` are known.

use serde_json::Value;

use super::names::Names;
use super::{Hook, Scenario};
use crate::requirements::{self, Binds};
use crate::steps::{Step, Verb};

/// Generators: what a value may be made by.
pub const GENERATORS: &[&str] = &[
    "$repeat",
    "$nest",
    "$sum",
    "$quotient",
    "$list",
    "$object",
    "$held",
    "$absent",
];

/// Matchers: what a pattern may ask for.
pub const MATCHERS: &[&str] = &[
    "$any",
    "$absent",
    "$bind",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$not",
    "$all",
    "$contains",
    "$each",
    "$length",
    "$exactly",
    "$starts",
    "$type",
];

/// All that is wrong in a scenario, each with its place in the file.
#[must_use]
pub fn problems(scenario: &Scenario, file: &Value) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let mut add = |at: &str, reason: String| problems.push((at.to_owned(), reason));
    let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if scenario.id.is_empty() || !scenario.id.chars().all(slug) {
        add("/id", "must be made of a-z, 0-9 and -".to_owned());
    }
    if scenario.checks.is_empty() {
        add("/checks", "must name a requirement".to_owned());
    }
    for (index, id) in scenario.checks.iter().enumerate() {
        if let Some(reason) = not_judged(id) {
            add(&format!("/checks/{index}"), reason);
        }
    }
    if scenario.steps.is_empty() {
        add("/steps", "must not be empty".to_owned());
    }
    in_steps(
        &scenario.steps,
        "/steps",
        &scenario.needs.hooks,
        &mut problems,
    );
    problems.extend(Names::problems(&file["steps"]));
    operators(&file["steps"], "/steps", &mut problems);
    problems
}

fn not_judged(id: &str) -> Option<String> {
    match requirements::find(id) {
        None => Some(format!("{id} is no requirement of the specification")),
        Some(found) if found.binds == Binds::Client => {
            Some(format!("{id} binds the client: no server can break it"))
        }
        Some(_) => None,
    }
}

/// Blames that do not exist, hooks that are not asked for, and members that exclude each other.
fn in_steps(steps: &[Step], at: &str, hooks: &[Hook], problems: &mut Vec<(String, String)>) {
    for (index, step) in steps.iter().enumerate() {
        let at = format!("{at}/{index}");
        for id in &step.blames {
            problems.extend(not_judged(id).map(|reason| (format!("{at}/blames"), reason)));
        }
        let reason = match &step.verb {
            Verb::Hook(hook) if !hooks.contains(&hook.hook) => Some(format!(
                "uses the hook {}, which `needs.hooks` does not name",
                hook.hook.name()
            )),
            Verb::Send(send) => {
                let given = [
                    send.frame.is_some(),
                    send.text.is_some(),
                    send.binary.is_some(),
                ];
                let one = given.iter().filter(|given| **given).count() == 1;
                (!one).then(|| "must have exactly one of frame, text and binary".to_owned())
            }
            Verb::Push(push) if push.retry.is_empty() && push.mutations.is_empty() => {
                Some("must have mutations, or name some to retry".to_owned())
            }
            Verb::Fault(fault) => fault.problem(),
            Verb::Subscribe(subscribe)
                if subscribe.cursor.is_some() && subscribe.resume.is_some() =>
            {
                Some("cannot have both cursor and resume".to_owned())
            }
            _ => None,
        };
        problems.extend(reason.map(|reason| (at.clone(), reason)));
        match &step.verb {
            Verb::Repeat(repeat) => {
                in_steps(&repeat.steps, &format!("{at}/steps"), hooks, problems)
            }
            Verb::Parallel(parallel) => {
                for (branch, steps) in parallel.branches.iter().enumerate() {
                    in_steps(steps, &format!("{at}/branches/{branch}"), hooks, problems);
                }
            }
            _ => {}
        }
    }
}

/// What begins with `$` in a JSON Schema, and stands for itself.
const OF_SCHEMAS: [&str; 5] = ["$anchor", "$defs", "$id", "$ref", "$schema"];

/// Members that begin with `$` and are neither a generator nor a matcher, or do not stand alone.
pub(crate) fn operators(value: &Value, at: &str, problems: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| operators(item, &format!("{at}/{index}"), problems));
        }
        Value::Object(members) => {
            for (name, inner) in members {
                let itself = name.starts_with("${") || OF_SCHEMAS.contains(&name.as_str());
                if name.starts_with('$') && !itself {
                    if !GENERATORS.contains(&name.as_str()) && !MATCHERS.contains(&name.as_str()) {
                        problems.push((
                            at.to_owned(),
                            format!("{name} is neither a generator nor a matcher"),
                        ));
                    } else if members.len() > 1 {
                        problems.push((
                            at.to_owned(),
                            format!("{name} must be the only member of its object (see $all)"),
                        ));
                    }
                }
                operators(inner, &format!("{at}/{name}"), problems);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::parse;

    fn faults(checks: &str, steps: &str) -> Vec<String> {
        let text =
            format!(r#"{{"id": "a", "title": "t", "checks": [{checks}], "steps": {steps}}}"#);
        match parse("mutations/a.json", &text) {
            Ok(_) => Vec::new(),
            Err(errors) => errors
                .iter()
                .map(|error| format!("{}: {}", error.at, error.reason))
                .collect(),
        }
    }

    #[test]
    fn good_ones_pass() {
        let steps = r#"[{"do": "repeat", "times": 2, "steps": [{"do": "connect", "conn": "c${i}", "client": "${x}"}]},
                        {"do": "expect", "conn": "c1", "frame": {"type": {"$bind": "seen"}, "n": {"$gte": "${c0.version}"}}},
                        {"do": "send", "conn": "c0", "frame": {"seen": "${seen.inner}", "k": {"$repeat": {"text": "x", "count": 3}}}}]"#;
        assert_eq!(faults(r#""PUSH-ONCE""#, steps), [] as [&str; 0]);
    }

    #[test]
    fn bad_ones_are_named() {
        let open = r#"[{"do": "open", "conn": "a"}]"#;
        assert_eq!(
            faults(r#""NO-SUCH""#, open),
            ["/checks/0: NO-SUCH is no requirement of the specification"]
        );
        assert_eq!(
            faults(r#""CLIENT-SEQ""#, open),
            ["/checks/0: CLIENT-SEQ binds the client: no server can break it"]
        );
        assert_eq!(faults("", open), ["/checks: must name a requirement"]);
        let check = |steps: &str| faults(r#""PUSH-ONCE""#, steps);
        assert_eq!(
            check(r#"[{"do": "cut", "conn": "b"}]"#),
            [r#"/steps/0/conn: nothing before has bound "b""#]
        );
        assert_eq!(
            check(
                r#"[{"do": "open", "conn": "a"}, {"do": "send", "conn": "a", "text": "${b.c}"}]"#
            ),
            [r#"/steps/1/text: nothing before has bound "b""#]
        );
        assert_eq!(
            check(
                r#"[{"do": "open", "conn": "a"}, {"do": "send", "conn": "a", "frame": {"x": {"$dream": 1}}}]"#
            ),
            ["/steps/1/frame/x: $dream is neither a generator nor a matcher"]
        );
        assert_eq!(
            check(r#"[{"do": "hook", "hook": "kill"}]"#),
            ["/steps/0: uses the hook kill, which `needs.hooks` does not name"]
        );
        assert_eq!(
            check(r#"[{"do": "open", "conn": "a"}, {"do": "send", "conn": "a"}]"#),
            ["/steps/1: must have exactly one of frame, text and binary"]
        );
    }
}
