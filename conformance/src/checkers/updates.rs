//! Updates by their frames: ranges, parts, repetitions, and where a subscription begins and ends.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checker, Findings};
use crate::facts::{Facts, Sub};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "updates",
    requirements: &[
        "UPD-FROM",
        "UPD-TO",
        "UPD-RANGE",
        "UPD-NO-REPEAT",
        "SUB-PARTS",
        "SUB-FIRST-UPDATE",
        "SUB-NO-CURSOR",
        "SUB-CURSOR-EPOCH",
        "SUB-CURSOR-AHEAD",
        "SUB-UNSUBSCRIBE",
        "SUB-SUBSCRIBED",
        "SUB-SAME-AGAIN",
        "SUB-SHAPE-NAME",
    ],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    for sub in &facts.subs {
        parts(sub, findings);
        span(facts, sub, findings);
        changes(facts, sub, findings);
        first(facts, sub, findings);
        over(facts, sub, findings);
        named(facts, sub, findings);
    }
    strays(facts, findings);
}

/// Parts of one update have one `from`; each but the last says that more follow, and the last says up to where.
fn parts(sub: &Sub, findings: &mut Findings) {
    let mut open: Option<u64> = None;
    for part in &sub.parts {
        let expected =
            || "`more: true` and no `to` in each part but the last, `to` in the last".to_owned();
        findings.must(
            "SUB-PARTS",
            part.more != part.to.is_some(),
            [part.at],
            expected,
            || format!("more {}, to {:?}", part.more, part.to),
        );
        if let (Some(from), false) = (open, part.replace) {
            let actual = || part.from.to_string();
            findings.must(
                "SUB-PARTS",
                from == part.from,
                [part.at],
                || format!("from {from}, as in the part before"),
                actual,
            );
        }
        open = part.to.is_none().then_some(part.from);
    }
}

/// `from` leaves no gap, `to` never goes back nor above the head.
fn span(facts: &Facts, sub: &Sub, findings: &mut Findings) {
    for (index, complete) in sub.completes.iter().enumerate() {
        let at = [sub.parts[complete.first].at, sub.parts[complete.last].at];
        let cursor = sub.cursor_before(index);
        let (fits, expected) = match complete.replacement {
            true => (complete.from == 0, "from 0 in a replacement".to_owned()),
            false => (
                complete.from <= cursor,
                format!("from at most the subscriber's cursor, {cursor}"),
            ),
        };
        findings.must(
            "UPD-FROM",
            fits,
            at,
            || expected,
            || format!("from {}", complete.from),
        );
        let earlier = sub.completes[..index]
            .iter()
            .map(|earlier| earlier.to)
            .max()
            .unwrap_or(0);
        let least = earlier.max(complete.from);
        findings.must(
            "UPD-TO",
            complete.to >= least,
            at,
            || format!("to at least {least}"),
            || format!("to {}", complete.to),
        );
        if let Some((head, told)) = later_head(facts, sub, at[1]) {
            let expected = || format!("to at most the head, which was {head} later");
            findings.must(
                "UPD-TO",
                complete.to <= head,
                [at[1], told],
                expected,
                || format!("to {}", complete.to),
            );
        }
    }
}

/// A head of the same history that was told to a `hello` sent after this entry: the head cannot have been above it before.
fn later_head(facts: &Facts, sub: &Sub, at: usize) -> Option<(u64, usize)> {
    let workspace = facts.conns[sub.conn].workspace();
    let of_history = facts
        .conns
        .iter()
        .filter(|conn| conn.workspace() == workspace && conn.epoch.as_ref() == Some(&sub.epoch));
    let later = of_history.filter(|conn| conn.hello.as_ref().is_some_and(|hello| hello.at > at));
    let heads = later
        .filter_map(|conn| conn.welcome.as_ref())
        .filter_map(|(at, welcome)| Some((welcome.get("version").and_then(whole)?, *at)));
    heads.min()
}

/// Each change is of the shape and within the update's range, and comes once.
fn changes(facts: &Facts, sub: &Sub, findings: &mut Findings) {
    let mut sent: BTreeSet<(String, String, u64)> = BTreeSet::new();
    for (index, part) in sub.parts.iter().enumerate() {
        let complete = sub
            .completes
            .iter()
            .find(|complete| (complete.first..=complete.last).contains(&index));
        let replacement = sub.parts[..=index]
            .iter()
            .rev()
            .take_while(|part| part.replace || part.to.is_none() || part.at == sub.parts[index].at);
        let in_replacement = complete.map_or_else(
            || replacement.clone().any(|part| part.replace),
            |complete| complete.replacement,
        );
        let Some(frame) = facts.frame(part.at) else {
            continue;
        };
        for change in frame
            .member("changes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = |name: &str| {
                change
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let (table, key) = (text("table"), text("key"));
            let version = change.get("version").and_then(whole).unwrap_or(0);
            let to = complete.map_or(u64::MAX, |complete| complete.to);
            let fits = sub.tables.contains(&table) && version > part.from && version <= to;
            let expected = || {
                format!(
                    "changes of the shape's tables, above {} and up to the update's `to`",
                    part.from
                )
            };
            findings.must("UPD-RANGE", fits, [part.at], expected, || {
                format!("{table}/{key} at {version}")
            });
            // What a replacement brought may come once more: one live update serves all subscribers of a shape.
            if !in_replacement {
                let new = sent.insert((table.clone(), key.clone(), version));
                let actual = || format!("{table}/{key} at {version} again");
                let expected = || "each change once".to_owned();
                findings.must("UPD-NO-REPEAT", new, [part.at], expected, actual);
            }
        }
    }
}

/// The first complete update: far enough, and a replacement where it must be one.
fn first(facts: &Facts, sub: &Sub, findings: &mut Findings) {
    let Some(first) = sub.completes.first() else {
        return;
    };
    let conn = &facts.conns[sub.conn];
    let at = sub.parts[first.last].at;
    let acked = facts
        .ledger
        .mutations
        .iter()
        .flat_map(|mutation| &mutation.outcomes);
    let acked = acked
        .filter(|outcome| outcome.conn == sub.conn && outcome.at < sub.subscribed_at)
        .map(|outcome| outcome.version)
        .max();
    let head = conn
        .welcome
        .as_ref()
        .and_then(|(_, welcome)| welcome.get("version").and_then(whole));
    let least = head.max(acked).unwrap_or(0);
    let expected = || format!("to at least {least}: the welcome's version and the acks before");
    findings.must(
        "SUB-FIRST-UPDATE",
        first.to >= least,
        [sub.asked_at, at],
        expected,
        || format!("to {}", first.to),
    );
    let requirement = match &sub.cursor {
        None => Some("SUB-NO-CURSOR"),
        Some((epoch, _)) if *epoch != sub.epoch => Some("SUB-CURSOR-EPOCH"),
        Some((_, version))
            if later_head(facts, sub, sub.subscribed_at)
                .is_some_and(|(head, _)| *version > head) =>
        {
            Some("SUB-CURSOR-AHEAD")
        }
        Some(_) => None,
    };
    if let Some(requirement) = requirement {
        let actual = || "an update that is none".to_owned();
        findings.must(
            requirement,
            first.replacement,
            [sub.asked_at, at],
            || "a replacement".to_owned(),
            actual,
        );
    }
}

/// After what answers a frame sent after `unsubscribe`, no update of the shape comes.
fn over(facts: &Facts, sub: &Sub, findings: &mut Findings) {
    let Some(unsubscribed) = sub.unsubscribed_at else {
        return;
    };
    let later = facts.conns[sub.conn]
        .sent
        .iter()
        .filter(|sent| sent.at > unsubscribed);
    let Some(fence) = later.filter_map(|sent| sent.answer).min() else {
        return;
    };
    let late = sub.parts.iter().map(|part| part.at).find(|at| *at > fence);
    let expected = || "no update of the shape after the answer to a later frame".to_owned();
    findings.must(
        "SUB-UNSUBSCRIBE",
        late.is_none(),
        [unsubscribed, fence].into_iter().chain(late),
        expected,
        || "one came".to_owned(),
    );
}

/// Shapes that are live at once have different names.
fn named(facts: &Facts, sub: &Sub, findings: &mut Findings) {
    for other in facts
        .subs
        .iter()
        .filter(|other| other.conn == sub.conn && other.subscribed_at < sub.subscribed_at)
    {
        let replaced = other.ended_at == Some(sub.subscribed_at)
            && other.unsubscribed_at.is_none()
            && other.tables != sub.tables;
        let both = other.ended_at.is_none_or(|ended| ended > sub.subscribed_at);
        if replaced || both {
            let expected = || format!("another name than {}, which is live", other.shape);
            findings.must(
                "SUB-SHAPE-NAME",
                other.shape != sub.shape,
                [other.subscribed_at, sub.subscribed_at],
                expected,
                || sub.shape.clone(),
            );
        }
    }
}

/// Updates of shapes that are not live.
fn strays(facts: &Facts, findings: &mut Findings) {
    for (index, conn) in facts.conns.iter().enumerate() {
        for at in &conn.stray_updates {
            let shape = facts
                .frame(*at)
                .and_then(|frame| frame.string("shape"))
                .unwrap_or_default();
            let ended = facts
                .subs
                .iter()
                .any(|sub| sub.conn == index && sub.shape == shape && sub.subscribed_at < *at);
            let requirement = if ended {
                "SUB-SAME-AGAIN"
            } else {
                "SUB-SUBSCRIBED"
            };
            findings.broken(
                requirement,
                [*at],
                "updates of live shapes",
                format!("an update of {shape:?}, which is not"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_updates() {
        let begun = |rest: &str| {
            format!("a > hello\na < welcome 5 0\na > subscribe i t\na < subscribed i s t\n{rest}")
        };
        let resumed = |rest: &str| {
            format!(
                "a > hello\na < welcome 5 0\na > subscribe i t @3\na < subscribed i s t\n{rest}"
            )
        };
        let whole = "a < update s 0..5 replace t/k=1@5\n";
        let live = |rest: &str| begun(&format!("{whole}{rest}"));
        let good = [
            (
                "UPD-FROM UPD-TO UPD-RANGE SUB-PARTS SUB-FIRST-UPDATE SUB-NO-CURSOR",
                begun(whole),
            ),
            (
                "UPD-NO-REPEAT",
                live("a < update s 5..6 t/k=2@6\na < update s 4..8 t/k=3@8"),
            ),
            (
                "SUB-PARTS",
                begun("a < update s 0.. replace t/k=1@5\na < update s 0..6 t/k=2@6"),
            ),
            ("UPD-NO-REPEAT", live("a < update s 4..6 t/k=1@5")),
            // A replacement may start at any time, also amid another, and bring again what was sent.
            (
                "SUB-PARTS",
                begun(
                    "a < update s 0.. replace t/k=1@5\na < update s 0.. replace t/k=1@5\na < update s 0..6 t/j=2@6",
                ),
            ),
            (
                "UPD-FROM",
                live("a < update s 5.. t/k=2@6\na < update s 0..7 replace t/k=1@7"),
            ),
            ("UPD-FROM", resumed("a < update s 3..5 t/k=1@4")),
            ("SUB-FIRST-UPDATE", resumed("a < update s 3..5")),
            (
                "SUB-UNSUBSCRIBE",
                live("a > unsubscribe s\na > ping 1\na < update s 5..6 t/k=2@6\na < pong 1"),
            ),
            (
                "SUB-SHAPE-NAME",
                live("a > subscribe j u\na < subscribed j r u\na < update r 0..5 replace"),
            ),
            (
                "SUB-NO-CURSOR",
                live("a > subscribe j t\na < subscribed j s t\na < update s 0..5 replace t/k=1@5"),
            ),
        ];
        let bad = [
            ("UPD-FROM", live("a < update s 6..7 t/k=2@7")),
            ("UPD-FROM", resumed("a < update s 4..5 t/k=1@5")),
            ("UPD-FROM", begun("a < update s 1..5 replace t/k=1@5")),
            ("UPD-TO", live("a < update s 3..4 t/k=2@4")),
            ("UPD-TO", live("a < update s 5..9\nb > hello\nb < welcome 8 0")),
            ("UPD-RANGE", live("a < update s 5..6 u/k=2@6")),
            ("UPD-RANGE", live("a < update s 5..6 t/k=2@7")),
            ("UPD-RANGE", live("a < update s 5..6 t/k=1@5")),
            ("UPD-NO-REPEAT", live("a < update s 5..6 t/k=2@6\na < update s 5..7 t/k=2@6")),
            ("SUB-PARTS", begun("a < update s 0.. replace t/k=1@5\na < update s 0..6 more t/k=2@6")),
            ("SUB-PARTS UPD-FROM", begun("a < update s 0.. replace t/k=1@5\na < update s 1..6 t/k=2@6")),
            ("SUB-PARTS", live("a < update s 5.. t/k=2@6\na < update s 4..7 t/j=2@7")),
            ("SUB-FIRST-UPDATE", begun("a < update s 0..4 replace")),
            ("SUB-NO-CURSOR", begun("a < update s 0..5 t/k=1@5")),
            ("UPD-TO SUB-CURSOR-AHEAD", format!("{}b > hello\nb < welcome 2 0", resumed("a < update s 3..3\n").replace("welcome 5", "welcome 2"))),
            ("SUB-UNSUBSCRIBE", live("a > unsubscribe s\na > ping 1\na < pong 1\na < update s 5..6 t/k=2@6")),
            ("SUB-SHAPE-NAME", live("a > subscribe j u\na < subscribed j s u\na < update s 0..5 replace")),
            ("SUB-SUBSCRIBED", "a > hello\na < welcome 5 0\na > subscribe i t\na < update s 0..5 replace\na < subscribed i s t".to_owned()),
            ("SUB-SAME-AGAIN", live("a > subscribe j t\na < subscribed j r t\na < update r 0..5 replace t/k=1@5\na < update s 5..6 t/k=2@6")),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
