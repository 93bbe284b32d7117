//! Errors: registered codes in their registered form, and what goes on after one.

use serde_json::Value;
use syncline_schemas::errors::{self, Carrier};

use super::{Checker, Findings};
use crate::facts::{Conn, Facts};
use crate::history::Frame;

pub(super) const CHECKER: Checker = Checker {
    name: "codes",
    requirements: &["ERR-REGISTERED", "ERR-GOES-ON", "ERR-CLOSES"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    for conn in &facts.conns {
        for at in &conn.received {
            let Some(frame) = facts.frame(*at) else {
                continue;
            };
            match frame.kind() {
                "error" => {
                    error(*at, frame, findings);
                    aftermath(facts, conn, *at, frame, findings);
                }
                "goaway" => carried(*at, frame.string("reason"), Carrier::Goaway, findings),
                "ack" => frame
                    .member("results")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .for_each(|of| result(*at, of, findings)),
                _ => {}
            }
        }
    }
}

/// A registered code has its carrier, scope and `retryable`; of others nothing is known.
fn error(at: usize, frame: &Frame, findings: &mut Findings) {
    carried(at, frame.string("code"), Carrier::Error, findings);
    let Some(def) = frame.string("code").and_then(errors::find) else {
        return;
    };
    let scope = serde_json::to_value(def.frame_scope()).unwrap_or_default();
    let fits = frame.member("scope") == Some(&scope)
        && frame.member("retryable") == Some(&def.retryable.into());
    findings.must(
        "ERR-REGISTERED",
        fits,
        [at],
        || {
            format!(
                "{} with scope {scope} and retryable {}",
                def.code, def.retryable
            )
        },
        || frame.to_string(),
    );
}

fn result(at: usize, result: &Value, findings: &mut Findings) {
    let carrier = match result["status"].as_str() {
        Some("rejected") => Carrier::Rejected,
        Some("deferred") => Carrier::Deferred,
        Some("refused") => Carrier::Refused,
        _ => return,
    };
    carried(at, result["code"].as_str(), carrier, findings);
}

fn carried(at: usize, code: Option<&str>, by: Carrier, findings: &mut Findings) {
    if let Some(def) = code.and_then(errors::find) {
        let expected = || format!("{} is carried by {:?}", def.code, def.carrier);
        findings.must("ERR-REGISTERED", def.carrier == by, [at], expected, || {
            format!("it is carried by {by:?}")
        });
    }
}

/// After an error of scope connection nothing comes but the close; after another the connection goes on.
fn aftermath(facts: &Facts, conn: &Conn, at: usize, error: &Frame, findings: &mut Findings) {
    let later = conn.received.partition_point(|other| *other <= at);
    let next = conn.received.get(later).copied();
    match (
        error.string("scope"),
        conn.ended.filter(|end| end.by_server()),
    ) {
        (Some("connection"), end) => {
            if let Some(next) = next {
                let actual = facts
                    .frame(next)
                    .map_or_else(String::new, |frame| format!("it went on: {frame}"));
                findings.broken(
                    "ERR-CLOSES",
                    [at, next],
                    "the connection is closed after this error",
                    actual,
                );
            } else if end.is_some() {
                findings.judged("ERR-CLOSES");
            }
        }
        (Some(_), end) => {
            let by_hook = facts
                .hooks
                .iter()
                .any(|(hook, begun, _)| hook.ends_connections() && *begun > at);
            match (next, end) {
                (Some(_), _) => findings.judged("ERR-GOES-ON"),
                (None, Some(end)) if !by_hook => {
                    findings.broken(
                        "ERR-GOES-ON",
                        [at, end.at],
                        "the connection goes on after this error",
                        "the server closed it",
                    );
                }
                _ => {}
            }
        }
        (None, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_codes() {
        let text = |code: &str, scope: &str, retryable: bool| {
            format!(
                r#"a < {{"type":"error","code":"{code}","scope":"{scope}","retryable":{retryable},"re":1,"message":""}}"#
            )
        };
        let wrong_scope = text("invalid_json", "connection", false);
        let wrong_retry = text("invalid_json", "request", true);
        let wrong_carrier = text("seq_gap", "request", true);
        let unknown = text("never_heard_of", "request", true);
        table(
            &CHECKER,
            &[
                (
                    "ERR-REGISTERED ERR-GOES-ON",
                    "a > !x\na < error invalid_json 1\na > ping 1\na < pong 1",
                ),
                (
                    "ERR-REGISTERED ERR-CLOSES",
                    "a > !x\na < error hello_required 1\na closed 1008",
                ),
                ("ERR-REGISTERED", "a < goaway idle\na closed 1001"),
                (
                    "ERR-REGISTERED",
                    "a > push 1 x\na < ack 1 1 x deferred rate_limited",
                ),
                ("", &unknown),
                ("ERR-REGISTERED", "a > !x\na < error invalid_json 1\na left"),
                (
                    "ERR-REGISTERED",
                    "a > !x\na < error invalid_json 1\nhook kill\na closed",
                ),
            ],
            &[
                ("ERR-REGISTERED", &wrong_scope),
                ("ERR-REGISTERED", &wrong_retry),
                ("ERR-REGISTERED", &wrong_carrier),
                ("ERR-REGISTERED", "a < goaway invalid_json"),
                (
                    "ERR-REGISTERED",
                    "a > push 1 x\na < ack 1 1 x rejected 1 seq_gap",
                ),
                (
                    "ERR-GOES-ON",
                    "a > !x\na < error invalid_json 1\na closed 1008",
                ),
                (
                    "ERR-CLOSES",
                    "a > !x\na < error hello_required 1\na > ping 1\na < pong 1",
                ),
            ],
        );
    }
}
