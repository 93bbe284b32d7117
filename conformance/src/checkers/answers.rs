//! Answers: that each frame that must be answered is, once, in its turn.

use std::collections::BTreeMap;

use serde_json::Value;
use syncline_schemas::{errors, validate};

use super::{Checker, Findings};
use crate::facts::{Conn, Facts};
use crate::history::{Frame, whole};

pub(super) const CHECKER: Checker = Checker {
    name: "answers",
    requirements: &[
        "PUSH-ONE-ACK",
        "PUSH-RESULTS",
        "CONN-ANSWER-ORDER",
        "CONN-WELCOME-FIRST",
        "CONN-PING",
        "SUB-SUBSCRIBED",
        "ERR-RE",
    ],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    for conn in &facts.conns {
        first(facts, conn, findings);
        order(facts, conn, findings);
        unanswered(facts, conn, findings);
        acks(facts, conn, findings);
        errors_name_frames(facts, conn, findings);
    }
}

/// `welcome` is the first frame of a session.
fn first(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    let (Some((welcome, _)), Some(first)) = (&conn.welcome, conn.received.first()) else {
        return;
    };
    let actual = || shown(facts, *first);
    findings.must(
        "CONN-WELCOME-FIRST",
        welcome == first,
        [*first],
        || "welcome first".to_owned(),
        actual,
    );
}

/// The answers come in the order of what they answer.
fn order(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    let answered: Vec<_> = conn
        .sent
        .iter()
        .filter_map(|sent| Some((sent.at, sent.answer?)))
        .filter(|(at, _)| {
            facts
                .frame(*at)
                .is_none_or(|frame| !matches!(frame.kind(), "digest" | "history"))
        })
        .collect();
    for pair in answered.windows(2) {
        let [(earlier, first), (later, second)] = pair else {
            continue;
        };
        let actual = || {
            format!(
                "{} came before {}",
                shown(facts, *second),
                shown(facts, *first)
            )
        };
        let expected = || {
            format!(
                "the answer to {} before that to {}",
                shown(facts, *earlier),
                shown(facts, *later)
            )
        };
        findings.must(
            "CONN-ANSWER-ORDER",
            first < second,
            [*earlier, *later, *second, *first],
            expected,
            actual,
        );
    }
}

/// What must be answered is answered before what was sent after it.
fn unanswered(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    let Some(last) = conn.sent.iter().rposition(|sent| sent.answer.is_some()) else {
        return;
    };
    for sent in &conn.sent[..=last] {
        let Some(frame) = facts.frame(sent.at) else {
            continue;
        };
        let requirement = match frame.kind() {
            "ping" => "CONN-PING",
            "subscribe" => "SUB-SUBSCRIBED",
            "push" => "PUSH-ONE-ACK",
            _ => continue,
        };
        // That an answered one fits says nothing new once there was occasion.
        let known = sent.answer.is_some() && findings.judged.contains(requirement);
        if known || conn.welcome.is_none() || !fits(frame) {
            continue;
        }
        let later = conn.sent[last].answer;
        let expected = || format!("an answer to {frame}");
        let actual = || "none came before that to a later frame".to_owned();
        findings.must(
            requirement,
            sent.answer.is_some(),
            [sent.at].into_iter().chain(later),
            expected,
            actual,
        );
    }
}

/// Each push has one ack, which names it, and whose results are those of its mutations.
fn acks(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    for at in &conn.received {
        let Some(ack) = facts.frame(*at).filter(|frame| frame.kind() == "ack") else {
            continue;
        };
        let Some(re) = ack.number("re") else { continue };
        let sent = usize::try_from(re)
            .ok()
            .and_then(|re| conn.sent.get(re.checked_sub(1)?))
            .filter(|sent| sent.at < *at);
        let push = sent
            .and_then(|sent| facts.frame(sent.at))
            .filter(|frame| frame.kind() == "push");
        let (Some(sent), Some(push)) = (sent, push) else {
            findings.broken(
                "PUSH-ONE-ACK",
                [*at],
                "the `re` of an ack names a push",
                format!("frame {re} was none"),
            );
            continue;
        };
        let before = seen.insert(re, *at);
        findings.must(
            "PUSH-ONE-ACK",
            before.is_none(),
            [sent.at].into_iter().chain(before).chain([*at]),
            || "one ack".to_owned(),
            || format!("frame {re} was acknowledged again"),
        );
        let why = mismatch(push, ack);
        let expected = || {
            "the results of the push's mutations, in order, up to the last or the first that is no outcome".to_owned()
        };
        findings.must(
            "PUSH-RESULTS",
            why.is_none(),
            [sent.at, *at],
            expected,
            || why.unwrap_or_default(),
        );
    }
}

/// What is wrong with an ack's list of results.
fn mismatch(push: &Frame, ack: &Frame) -> Option<String> {
    let (mutations, results) = (list(push, "mutations"), list(ack, "results"));
    if results.len() > mutations.len() {
        return Some(format!(
            "{} results for {} mutations",
            results.len(),
            mutations.len()
        ));
    }
    let other = results
        .iter()
        .zip(mutations)
        .position(|(result, mutation)| name(result) != name(mutation));
    if let Some(index) = other {
        return Some(format!(
            "result {index} is of seq {}, opId {}",
            results[index]["seq"], results[index]["opId"]
        ));
    }
    let is_outcome =
        |result: &Value| matches!(result["status"].as_str(), Some("applied" | "rejected"));
    let end = results.iter().position(|result| !is_outcome(result));
    match end {
        Some(index) if index + 1 < results.len() => Some(format!(
            "it goes on behind result {index}, which is no outcome"
        )),
        None if results.len() < mutations.len() => Some(format!(
            "only {} of {} results",
            results.len(),
            mutations.len()
        )),
        _ => None,
    }
}

fn list<'a>(frame: &'a Frame, name: &str) -> &'a [Value] {
    let list = frame.member(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn name(of: &Value) -> (Option<u64>, Option<&str>) {
    (
        of.get("seq").and_then(whole),
        of.get("opId").and_then(Value::as_str),
    )
}

/// Errors whose code has a `re` say what they answer, and it is something that was sent.
fn errors_name_frames(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    for at in &conn.received {
        let Some(error) = facts.frame(*at).filter(|frame| frame.kind() == "error") else {
            continue;
        };
        let has = |def: &errors::ErrorDef, member| def.members.contains(&member);
        let names = errors::find(error.string("code").unwrap_or_default()).is_some_and(|def| {
            // What ends a shape that was live answers nothing.
            let ends = has(def, "shape") && error.member("shape").is_some();
            has(def, "re") && !ends
        });
        let sent = conn.sent_before(*at) as u64;
        let fits = error
            .number("re")
            .is_some_and(|re| (1..=sent).contains(&re));
        if names && sent > 0 {
            findings.must(
                "ERR-RE",
                fits,
                [*at],
                || "an error that names the frame that it answers".to_owned(),
                || error.to_string(),
            );
        }
    }
}

fn fits(frame: &Frame) -> bool {
    frame
        .json
        .as_ref()
        .is_some_and(|message| validate::message(frame.kind(), message).is_ok())
}

fn shown(facts: &Facts, at: usize) -> String {
    facts
        .frame(at)
        .map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_answers() {
        let begun = |rest: &str| format!("a > hello alice\na < welcome 0 0\n{rest}");
        let good = [
            ("CONN-WELCOME-FIRST", begun("")),
            (
                "PUSH-ONE-ACK PUSH-RESULTS",
                begun("a > push 1 x t/k=1 | 2 y\na < ack 2 1 x applied 1, 2 y rejected 2 no_ops"),
            ),
            (
                "PUSH-RESULTS",
                begun("a > push 1 x | 3 y | 4 z\na < ack 2 1 x applied 1, 3 y refused seq_gap"),
            ),
            (
                "CONN-PING CONN-ANSWER-ORDER",
                begun(
                    "a > ping 1\na > push 1 x\na < pong 1\na < ack - 1 x applied 1\na < ack 3 1 x applied 1",
                ),
            ),
            (
                "CONN-PING",
                begun("a > ping 1\na > ping 1\na < pong 1\na < pong 1"),
            ),
            ("ERR-RE", begun("a > !x\na < error invalid_json 2")),
            (
                "SUB-SUBSCRIBED",
                begun("a > subscribe i t\na > ping 1\na < subscribed i s t\na < pong 1"),
            ),
            // Nobody knows yet whether the ping will be answered.
            ("", begun("a > ping 1")),
        ];
        let bad = [
            (
                "CONN-WELCOME-FIRST",
                "a > hello alice\na < pong 1\na < welcome 0 0".to_owned(),
            ),
            (
                "PUSH-ONE-ACK",
                begun("a > push 1 x\na < ack 2 1 x applied 1\na < ack 2 1 x applied 1"),
            ),
            (
                "PUSH-ONE-ACK",
                begun("a > push 1 x\na > ping 1\na < pong 1"),
            ),
            (
                "PUSH-ONE-ACK",
                begun("a > ping 1\na < pong 1\na < ack 2 1 x applied 1"),
            ),
            (
                "PUSH-RESULTS",
                begun("a > push 1 x | 2 y\na < ack 2 2 y applied 1, 1 x applied 2"),
            ),
            (
                "PUSH-RESULTS",
                begun("a > push 1 x | 2 y\na < ack 2 1 x applied 1"),
            ),
            (
                "PUSH-RESULTS",
                begun(
                    "a > push 1 x | 2 y\na < ack 2 1 x deferred server_busy, 2 y refused seq_gap",
                ),
            ),
            (
                "CONN-ANSWER-ORDER",
                begun("a > push 1 x\na > ping 1\na < pong 1\na < ack 2 1 x applied 1"),
            ),
            ("CONN-PING", begun("a > ping 1\na > ping 2\na < pong 2")),
            (
                "SUB-SUBSCRIBED",
                begun("a > subscribe i t\na > ping 1\na < pong 1"),
            ),
            ("ERR-RE", begun("a > !x\na < error invalid_json")),
            ("ERR-RE", begun("a > !x\na < error invalid_json 9")),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
