//! Pushes that were answered by an error that trying again would not change.

use std::collections::BTreeMap;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Facts, Said, mutations};

pub(super) const CHECKER: Checker = Checker {
    name: "refused",
    requirements: &["CLIENT-PUSH-ERROR"],
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut refused: BTreeMap<&str, Refused<'_>> = BTreeMap::new();
    for conn in &facts.conns {
        let mut sent: Vec<&Said<'_>> = Vec::new();
        for said in &conn.frames {
            let known = refused.entry(conn.client_id()).or_default();
            if said.by_client {
                known.again(said, findings);
                sent.push(said);
            } else if ends_a_push(said) {
                let re = said
                    .frame
                    .number("re")
                    .and_then(|re| usize::try_from(re).ok());
                if let Some(push) = re.and_then(|re| sent.get(re.checked_sub(1)?)) {
                    known.learn(push, said.at);
                }
            }
        }
    }
}

fn ends_a_push(said: &Said<'_>) -> bool {
    let is = |name: &str, value: &str| said.frame.string(name) == Some(value);
    is("type", "error")
        && is("scope", "request")
        && said.frame.member("retryable") == Some(&false.into())
}

/// What was refused of one `clientId`: the names of mutations of which several were refused together, and of those that were refused alone, each with when.
#[derive(Default)]
struct Refused<'a> {
    together: BTreeMap<&'a str, usize>,
    alone: BTreeMap<&'a str, usize>,
}

impl<'a> Refused<'a> {
    fn learn(&mut self, push: &Said<'a>, at: usize) {
        let names: Vec<&str> = mutations(push.frame)
            .filter_map(|(_, mutation)| mutation["opId"].as_str())
            .collect();
        let list = if names.len() == 1 {
            &mut self.alone
        } else {
            &mut self.together
        };
        list.extend(names.into_iter().map(|name| (name, at)));
    }

    fn again(&self, said: &Said<'_>, findings: &mut Findings) {
        if said.frame.kind() != "push" {
            return;
        }
        let count = mutations(said.frame).count();
        for (_, mutation) in mutations(said.frame) {
            let name = mutation["opId"].as_str().unwrap_or_default();
            let empty = mutation["ops"].as_array().is_some_and(Vec::is_empty);
            if let Some(at) = self.alone.get(name) {
                let expected =
                    || format!("{name}, refused alone, is sent without ops or not at all");
                findings.must("CLIENT-PUSH-ERROR", empty, [*at, said.at], expected, || {
                    said.frame.to_string()
                });
            } else if let Some(at) = self.together.get(name) {
                let expected = || format!("{name}, refused with others, is sent alone");
                let actual = || format!("a push of {count} mutations");
                findings.must(
                    "CLIENT-PUSH-ERROR",
                    count == 1,
                    [*at, said.at],
                    expected,
                    actual,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::{judge, opens};

    #[test]
    fn refusals() {
        let push = |mutations: &str| {
            format!(r#"a/s > {{"type":"push","epoch":"e","mutations":[{mutations}]}}"#)
        };
        let error = |re: u64, retryable: bool| {
            format!(
                r#"a/s < {{"type":"error","code":"x","scope":"request","retryable":{retryable},"message":"","re":{re}}}"#
            )
        };
        let (m, n) = (
            r#"{"seq":1,"opId":"m","ops":[1]}"#,
            r#"{"seq":2,"opId":"n","ops":[1]}"#,
        );
        let given_up = r#"{"seq":1,"opId":"m","ops":[]}"#;
        let both = format!("{m},{n}");
        let table = [
            (vec![push(&both), error(2, false), push(m), push(n)], ""),
            (
                vec![push(&both), error(2, false), push(&both)],
                "CLIENT-PUSH-ERROR",
            ),
            (vec![push(&both), error(2, true), push(&both)], ""),
            (vec![push(m), error(2, false), push(given_up)], ""),
            (vec![push(m), error(2, false), push(m)], "CLIENT-PUSH-ERROR"),
            (
                vec![push(m), push(n), error(2, false), push(given_up), push(n)],
                "",
            ),
        ];
        for (history, broken) in table {
            let history = [opens("a/s", "x", 0), history].concat();
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }
}
