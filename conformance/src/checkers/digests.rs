//! Digests: what a server says of a shape must be what it has sent of it.
//!
//! That it sent what the log says is judged by others; so a wrong digest shows here alone, and a lost row there too.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Checker, Findings, filters};
use crate::facts::{Complete, Conn, Digest, Facts, Log, Replica, Sent, Sub};
use crate::history::Frame;

pub(super) const CHECKER: Checker = Checker {
    name: "digests",
    requirements: &[
        "DIG-ANSWER",
        "DIG-SUM",
        "DIG-REPLACEMENT",
        "DIG-NOT-OFFERED",
        "DOC-DIGEST",
    ],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    for (index, conn) in facts.conns.iter().enumerate() {
        not_offered(facts, conn, findings);
        pending(facts, conn, findings);
        let told = Told::on(facts, index, conn);
        if told.is_empty() {
            continue;
        }
        answers(facts, conn, &told, findings);
        for sub in facts.subs.iter().filter(|sub| sub.conn == index) {
            let told: Vec<&Told<'_>> = told.iter().filter(|told| told.is_of(sub)).collect();
            sums(facts, sub, &told, findings);
            strays(facts, conn, sub, &told, findings);
            replacements(facts, conn, sub, &told, findings);
        }
    }
}

/// A `digested` that came.
struct Told<'a> {
    at: usize,
    frame: &'a Frame,
    /// The entry of the `digest` that it names.
    asked_at: Option<usize>,
}

impl<'a> Told<'a> {
    fn on(facts: &'a Facts, index: usize, conn: &Conn) -> Vec<Told<'a>> {
        let subscribed = facts.subs.iter().any(|sub| sub.conn == index);
        let received = conn.received.iter().filter(|_| subscribed);
        let told = received.filter_map(|at| {
            let frame = facts
                .frame(*at)
                .filter(|frame| frame.kind() == "digested")?;
            let re = frame.number("re").and_then(|re| usize::try_from(re).ok());
            let asked = re.and_then(|re| conn.sent.get(re.checked_sub(1)?));
            let asked_at = asked.map(|sent| sent.at).filter(|asked| asked < at);
            Some(Told {
                at: *at,
                frame,
                asked_at,
            })
        });
        told.collect()
    }

    fn is_unasked(&self) -> bool {
        self.frame.member("re").is_none()
    }

    /// Whether it is of this subscription, which was live then.
    fn is_of(&self, sub: &Sub) -> bool {
        let begun = sub.subscribed_at < self.at;
        let over = sub.ended_at.is_some_and(|ended| ended < self.at);
        begun && !over && self.frame.string("shape") == Some(&sub.shape)
    }
}

/// Each names a `digest` of its shape, and is the only one that does.
fn answers(facts: &Facts, conn: &Conn, told: &[Told<'_>], findings: &mut Findings) {
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    for told in told.iter().filter(|told| told.frame.member("re").is_some()) {
        let asked = told.asked_at.and_then(|at| facts.frame(at));
        let same = |asked: &Frame| {
            asked.kind() == "digest" && asked.string("shape") == told.frame.string("shape")
        };
        let expected = || "`re` names a digest of the shape".to_owned();
        let actual = || told.frame.to_string();
        findings.must(
            "DIG-ANSWER",
            asked.is_some_and(same),
            [told.at],
            expected,
            actual,
        );
        let before = told
            .asked_at
            .and_then(|asked_at| seen.insert(asked_at, told.at));
        let expected = || format!("one answer to a digest on {}", conn.name);
        findings.must(
            "DIG-ANSWER",
            before.is_none(),
            [told.at].into_iter().chain(before),
            expected,
            actual,
        );
    }
}

/// Only while an earlier one of the shape is unanswered may another be put off.
fn pending(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    let mut asked: BTreeMap<&str, Vec<Sent>> = BTreeMap::new();
    for sent in &conn.sent {
        let Some(digest) = facts
            .frame(sent.at)
            .filter(|frame| frame.kind() == "digest")
        else {
            continue;
        };
        let earlier = asked
            .entry(digest.string("shape").unwrap_or_default())
            .or_default();
        let put_off = |at: &usize| {
            facts
                .frame(*at)
                .is_some_and(|answer| answer.string("code") == Some("digest_pending"))
        };
        if let Some(at) = sent.answer.filter(put_off) {
            let open = earlier
                .iter()
                .any(|earlier| earlier.answer.is_none_or(|answer| answer > at));
            let expected = || "an answer: no earlier digest of the shape waits for one".to_owned();
            findings.must("DIG-ANSWER", open, [sent.at, at], expected, || {
                "digest_pending".to_owned()
            });
        } else {
            earlier.push(*sent);
        }
    }
}

/// Walks through a subscription's updates, and compares what is held with what is told.
fn sums(facts: &Facts, sub: &Sub, told: &[&Told<'_>], findings: &mut Findings) {
    let Some(mut replica) = base(facts, sub) else {
        return;
    };
    let mut parts = sub.parts.iter().peekable();
    let mut last = None;
    for told in told {
        while let Some(part) = parts.next_if(|part| part.at < told.at) {
            if let Some(frame) = facts.frame(part.at) {
                replica.take(&sub.epoch, frame);
            }
            last = part.to.or(last);
        }
        let at = told.frame.number("at");
        let held = Some(replica.version(&sub.epoch)).filter(|_| last.is_some());
        let expected = || {
            format!("the digest at {held:?}, where the last complete update has brought the shape")
        };
        findings.must("DIG-ANSWER", at == held, [told.at], expected, || {
            told.frame.to_string()
        });
        let digest = Digest::of(&replica);
        let says = (
            told.frame.number("count"),
            told.frame.string("sum").unwrap_or_default(),
        );
        let expected = || format!("count {}, sum {}", digest.count, digest.hex());
        // Where there are documents, what is most likely is that they are counted.
        let documents = replica.rows.values().any(|row| row.document);
        let requirement = if documents { "DOC-DIGEST" } else { "DIG-SUM" };
        findings.must(
            requirement,
            says == (Some(digest.count), &digest.hex()),
            [told.at],
            expected,
            || told.frame.to_string(),
        );
    }
}

/// What the subscriber held at first. One with a cursor of its own is taken at its word: nothing can be said if the log says too little of what that was.
fn base(facts: &Facts, sub: &Sub) -> Option<Replica> {
    match &sub.cursor {
        Some((epoch, version)) if sub.resumes.is_none() && *epoch == sub.epoch => {
            let log = Log::of(facts, facts.conns[sub.conn].workspace(), epoch);
            let unknown = log
                .indefinite
                .iter()
                .any(|(table, _)| sub.tables.contains(*table));
            let rows = log.rows_at(*version, &sub.tables);
            let rows = sub.filters.among(&rows);
            (!unknown).then(|| Replica::at((epoch.clone(), *version), rows))
        }
        _ => Some(sub.base.resumed()),
    }
}

/// Before a later digest is answered, that of a replacement has been told.
fn replacements(
    facts: &Facts,
    conn: &Conn,
    sub: &Sub,
    told: &[&Told<'_>],
    findings: &mut Findings,
) {
    // Where there may be too many rows to look at, it may be left out (FLT-DIGEST).
    if !names_digests(facts, conn) || filters::may_be_too_large(facts, sub) {
        return;
    }
    for complete in sub.completes.iter().filter(|complete| complete.replacement) {
        let ended = sub.parts[complete.last].at;
        let later = told
            .iter()
            .find(|told| told.asked_at.is_some_and(|asked| asked > ended));
        let Some(later) = later else { continue };
        let unasked = told
            .iter()
            .any(|told| told.is_unasked() && (ended..later.at).contains(&told.at));
        let expected = || "the digest at the end of the replacement, unasked".to_owned();
        let actual = || "a later one was answered, this never came".to_owned();
        findings.must(
            "DIG-REPLACEMENT",
            unasked,
            [ended, later.at],
            expected,
            actual,
        );
    }
}

/// Whether the client named the capability.
fn names_digests(facts: &Facts, conn: &Conn) -> bool {
    let hello = conn.hello.as_ref().and_then(|hello| facts.frame(hello.at));
    let named = hello.and_then(|hello| hello.member("capabilities")?.as_array());
    named.is_some_and(|named| named.contains(&Value::from("digests")))
}

/// What nobody asked for comes at the end of a replacement alone, and only to who named the capability.
fn strays(facts: &Facts, conn: &Conn, sub: &Sub, told: &[&Told<'_>], findings: &mut Findings) {
    let named = names_digests(facts, conn);
    let unasked = told.iter().filter(|told| told.is_unasked());
    for (before, told) in unasked.enumerate() {
        let ended =
            |complete: &&Complete| complete.replacement && sub.parts[complete.last].at < told.at;
        let ends = { sub.completes.iter() }.filter(ended).count();
        let expected =
            || format!("one at the end of each of {ends} replacements, if `digests` was named");
        findings.must(
            "DIG-REPLACEMENT",
            named && before < ends,
            [told.at],
            expected,
            || told.frame.to_string(),
        );
    }
}

/// Where it is not offered, `digest` is a type that nobody knows.
fn not_offered(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    if conn.welcome.is_none() || conn.offers("digests") {
        return;
    }
    for sent in &conn.sent {
        let Some(answer) = sent.answer.and_then(|at| facts.frame(at)) else {
            continue;
        };
        if facts
            .frame(sent.at)
            .is_some_and(|frame| frame.kind() == "digest")
        {
            let refused = answer.string("code") == Some("unknown_type");
            let expected = || "the error unknown_type".to_owned();
            findings.must(
                "DIG-NOT-OFFERED",
                refused,
                [sent.at].into_iter().chain(sent.answer),
                expected,
                || answer.to_string(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    const EMPTY: &str = r#""count":0,"sum":"00000000000000000000000000000000""#;
    /// One row, and the same with another sum.
    const MILK: &str = r#""count":1,"sum":"2ce5e3f871776c41b7476b71581f9397""#;
    const OTHER: &str = r#""count":1,"sum":"3ce5e3f871776c41b7476b71581f9397""#;

    fn told(re: &str, at: u64, what: &str) -> String {
        format!(r#"a < {{"type":"digested",{re}"shape":"s","at":{at},{what}}}"#)
    }

    #[test]
    fn good_and_bad_digests() {
        let welcome = |capabilities: &str| {
            format!(
                r#"a < {{"type":"welcome","epoch":"e","version":0,"capabilities":{capabilities}}}"#
            )
        };
        let begun = |hello: &str, rest: &str| {
            format!(
                "a > {hello}\n{}\na > subscribe i notes\na < subscribed i s notes\n{rest}",
                welcome(r#"["digests"]"#)
            )
        };
        let plain = |rest: &str| begun("hello", rest);
        let named = |rest: &str| {
            begun(
                r#"{"type":"hello","workspace":"w","capabilities":["digests"]}"#,
                rest,
            )
        };
        let without = |rest: &str| format!("a > hello\n{}\n{rest}", welcome("[]"));
        let whole = "a < update s 0..0 replace\n";
        let milk = "a < {\"type\":\"update\",\"shape\":\"s\",\"from\":0,\"to\":1,\"changes\":[{\"op\":\"set\",\"table\":\"notes\",\"key\":\"1\",\"version\":1,\"value\":\"buy milk\"}]}
";
        let entry = "a < update s 0..1 notes/1>AQ==@1\n";
        let ask = r#"a > {"type":"digest","shape":"s"}"#;
        let first = r#""re":3,"#;
        let good = [
            (
                "DIG-ANSWER DIG-SUM",
                plain(&format!("{whole}{ask}\n{}", told(first, 0, EMPTY))),
            ),
            (
                "DIG-ANSWER DIG-SUM",
                plain(&format!("{whole}{ask}\n{milk}{}", told(first, 1, MILK))),
            ),
            (
                "DOC-DIGEST",
                plain(&format!("{whole}{ask}\n{entry}{}", told(first, 1, EMPTY))),
            ),
            (
                "DIG-REPLACEMENT",
                named(&format!(
                    "{whole}{}\n{ask}\n{}",
                    told("", 0, EMPTY),
                    told(first, 0, EMPTY)
                )),
            ),
            // An update is being sent in parts: what came last is whole.
            (
                "DIG-SUM",
                plain(&format!(
                    "{whole}{ask}\na < update s 0.. notes/2=1@2\n{}",
                    told(first, 0, EMPTY)
                )),
            ),
            (
                "DIG-NOT-OFFERED",
                without(&format!("{ask}\na < error unknown_type 2")),
            ),
            (
                "DIG-ANSWER",
                plain(&format!(
                    "{whole}{ask}\n{ask}\na < error digest_pending 4\n{}",
                    told(first, 0, EMPTY)
                )),
            ),
            // It may be asked for before the replacement ends.
            (
                "DIG-SUM",
                named(&format!("{ask}\n{whole}{}", told(first, 0, EMPTY))),
            ),
        ];
        let bad = [
            (
                "DOC-DIGEST",
                plain(&format!("{whole}{ask}\n{entry}{}", told(first, 1, MILK))),
            ),
            (
                "DIG-SUM",
                plain(&format!("{whole}{ask}\n{milk}{}", told(first, 1, EMPTY))),
            ),
            (
                "DIG-SUM",
                plain(&format!("{whole}{ask}\n{milk}{}", told(first, 1, OTHER))),
            ),
            (
                "DIG-ANSWER",
                plain(&format!("{whole}{ask}\n{milk}{}", told(first, 0, MILK))),
            ),
            (
                "DIG-ANSWER",
                plain(&format!("{ask}\n{}", told(first, 0, EMPTY))),
            ),
            (
                "DIG-ANSWER",
                plain(&format!(
                    "{whole}{ask}\n{}\n{}",
                    told(first, 0, EMPTY),
                    told(first, 0, EMPTY)
                )),
            ),
            (
                "DIG-ANSWER",
                plain(&format!("{whole}{ask}\n{}", told(r#""re":2,"#, 0, EMPTY))),
            ),
            (
                "DIG-REPLACEMENT",
                named(&format!("{whole}{ask}\n{}", told(first, 0, EMPTY))),
            ),
            (
                "DIG-NOT-OFFERED",
                without(&format!("{ask}\na < error unknown_shape 2")),
            ),
            (
                "DIG-REPLACEMENT",
                plain(&format!("{whole}{}", told("", 0, EMPTY))),
            ),
            (
                "DIG-REPLACEMENT",
                named(&format!(
                    "{whole}{}\n{}",
                    told("", 0, EMPTY),
                    told("", 0, EMPTY)
                )),
            ),
            (
                "DIG-ANSWER",
                plain(&format!("{whole}{ask}\na < error digest_pending 3")),
            ),
            (
                "DIG-ANSWER",
                plain(&format!(
                    "{whole}{ask}\n{}\n{ask}\na < error digest_pending 4",
                    told(first, 0, EMPTY)
                )),
            ),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
