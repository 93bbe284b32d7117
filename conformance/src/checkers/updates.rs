//! Updates by their frames: ranges, parts, repetitions, and where a subscription begins and ends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Checker, Findings};
use crate::facts::{Facts, Sub};
use crate::history::{ConnIx, whole};

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
    let heads = heads(facts);
    let acked = acked(facts);
    // Of each connection the subscriptions that were not over before the next began.
    let mut open: BTreeMap<ConnIx, Vec<&Sub>> = BTreeMap::new();
    for sub in &facts.subs {
        let history = (facts.conns[sub.conn].workspace(), sub.epoch.as_str());
        let heads = heads.get(&history).map_or(&[][..], Vec::as_slice);
        parts(sub, findings);
        span(sub, heads, findings);
        changes(facts, sub, findings);
        first(facts, sub, (heads, &acked[sub.conn]), findings);
        let others = open.entry(sub.conn).or_default();
        others.retain(|other| {
            other
                .ended_at
                .is_none_or(|ended| ended >= sub.subscribed_at)
        });
        named(sub, others, findings);
        others.push(sub);
    }
    over(facts, findings);
    strays(facts, findings);
}

/// An entry, and what is least or most from there on or up to there, with the entry that told it.
type Told = (usize, u64, usize);

/// The heads of each history that were told to a `hello` at an entry or to later ones, the least.
fn heads(facts: &Facts) -> BTreeMap<(&str, &str), Vec<Told>> {
    let mut heads: BTreeMap<_, Vec<Told>> = BTreeMap::new();
    for conn in &facts.conns {
        if let (Some(hello), Some(epoch), Some((at, welcome))) =
            (&conn.hello, &conn.epoch, &conn.welcome)
            && let Some(head) = welcome.get("version").and_then(whole)
        {
            let history = (conn.workspace(), epoch.as_str());
            heads
                .entry(history)
                .or_default()
                .push((hello.at, head, *at));
        }
    }
    for heads in heads.values_mut() {
        heads.sort_unstable();
        let mut least = (u64::MAX, usize::MAX);
        for (_, head, told) in heads.iter_mut().rev() {
            least = least.min((*head, *told));
            (*head, *told) = least;
        }
    }
    heads
}

/// A head of the same history that was told to a `hello` sent after this entry: the head cannot have been above it before.
fn later_head(heads: &[Told], at: usize) -> Option<(u64, usize)> {
    let later = heads.partition_point(|(hello, _, _)| *hello <= at);
    heads.get(later).map(|(_, head, told)| (*head, *told))
}

/// The versions that each connection was told of, up to an entry: the highest.
fn acked(facts: &Facts) -> Vec<Vec<(usize, u64)>> {
    let mut acked = vec![Vec::new(); facts.conns.len()];
    let mutations = facts.ledger.mutations.iter();
    for outcome in mutations.flat_map(|mutation| &mutation.outcomes) {
        acked[outcome.conn].push((outcome.at, outcome.version));
    }
    for acked in &mut acked {
        acked.sort_unstable();
        let mut highest = 0;
        for (_, version) in acked {
            highest = highest.max(*version);
            *version = highest;
        }
    }
    acked
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
fn span(sub: &Sub, heads: &[Told], findings: &mut Findings) {
    let mut cursor = sub.cursor_at_first();
    let mut earlier = 0;
    for complete in &sub.completes {
        let at = [sub.parts[complete.first].at, sub.parts[complete.last].at];
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
        let least = earlier.max(complete.from);
        findings.must(
            "UPD-TO",
            complete.to >= least,
            at,
            || format!("to at least {least}"),
            || format!("to {}", complete.to),
        );
        earlier = earlier.max(complete.to);
        cursor = earlier;
        if let Some((head, told)) = later_head(heads, at[1]) {
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

/// Each change is of the shape and within the update's range, and comes once.
fn changes(facts: &Facts, sub: &Sub, findings: &mut Findings) {
    let mut sent: BTreeSet<(u64, &str, &str)> = BTreeSet::new();
    // Whether a part that is not complete is of a replacement: one before it began one, and none between ended it.
    let mut replacing = false;
    for (index, part) in sub.parts.iter().enumerate() {
        replacing |= part.replace;
        let in_open = replacing;
        replacing &= part.to.is_none();
        let last = { &sub.completes }.partition_point(|complete| complete.last < index);
        let complete = { sub.completes.get(last) }.filter(|complete| complete.first <= index);
        let in_replacement = complete.map_or(in_open, |complete| complete.replacement);
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
                let text = change.get(name).and_then(Value::as_str);
                text.unwrap_or_default()
            };
            let (table, key) = (text("table"), text("key"));
            let version = change.get("version").and_then(whole).unwrap_or(0);
            let to = complete.map_or(u64::MAX, |complete| complete.to);
            let fits = sub.tables.contains(table) && version > part.from && version <= to;
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
                let new = sent.insert((version, table, key));
                let actual = || format!("{table}/{key} at {version} again");
                let expected = || "each change once".to_owned();
                findings.must("UPD-NO-REPEAT", new, [part.at], expected, actual);
            }
        }
    }
}

/// The first complete update: far enough, and a replacement where it must be one.
fn first(
    facts: &Facts,
    sub: &Sub,
    (heads, acked): (&[Told], &[(usize, u64)]),
    findings: &mut Findings,
) {
    let Some(first) = sub.completes.first() else {
        return;
    };
    let conn = &facts.conns[sub.conn];
    let at = sub.parts[first.last].at;
    let before = acked.partition_point(|(told, _)| *told < sub.subscribed_at);
    let acked = before.checked_sub(1).map(|index| acked[index].1);
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
            if later_head(heads, sub.subscribed_at).is_some_and(|(head, _)| *version > head) =>
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
fn over(facts: &Facts, findings: &mut Findings) {
    // Of each connection the first answer to what was sent from a frame on.
    let mut answers: BTreeMap<ConnIx, Vec<usize>> = BTreeMap::new();
    for sub in &facts.subs {
        let Some(unsubscribed) = sub.unsubscribed_at else {
            continue;
        };
        let sent = &facts.conns[sub.conn].sent;
        let answers = answers.entry(sub.conn).or_insert_with(|| {
            let mut answers: Vec<usize> = { sent.iter().rev() }
                .scan(usize::MAX, |least, sent| {
                    *least = sent.answer.unwrap_or(usize::MAX).min(*least);
                    Some(*least)
                })
                .collect();
            answers.reverse();
            answers
        });
        let later = sent.partition_point(|sent| sent.at <= unsubscribed);
        let Some(fence) = answers.get(later).copied().filter(|at| *at < usize::MAX) else {
            continue;
        };
        let after = sub.parts.partition_point(|part| part.at <= fence);
        let late = sub.parts.get(after).map(|part| part.at);
        let expected = || "no update of the shape after the answer to a later frame".to_owned();
        findings.must(
            "SUB-UNSUBSCRIBE",
            late.is_none(),
            [unsubscribed, fence].into_iter().chain(late),
            expected,
            || "one came".to_owned(),
        );
    }
}

/// Shapes that are live at once have different names.
fn named(sub: &Sub, others: &[&Sub], findings: &mut Findings) {
    for other in others {
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
    let mut begun: BTreeMap<(ConnIx, &str), usize> = BTreeMap::new();
    for sub in &facts.subs {
        begun
            .entry((sub.conn, &sub.shape))
            .or_insert(sub.subscribed_at);
    }
    for (index, conn) in facts.conns.iter().enumerate() {
        for at in &conn.stray_updates {
            let shape = facts
                .frame(*at)
                .and_then(|frame| frame.string("shape"))
                .unwrap_or_default();
            let ended = { begun.get(&(index, shape)) }.is_some_and(|begun| begun < at);
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
        let anew = |rest: &str| {
            begun(&format!(
                "a < update s 0.. replace t/k=1@5\na < update s 0.. t/j=1@5\n\
                 a < update s 0.. replace t/k=1@5\na < update s 0.. t/j=1@5\na < update s 0..6 t/j=2@6\n{rest}"
            ))
        };
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
            // What was brought by parts of a replacement that another cut short may come in that, and once more after it.
            ("UPD-NO-REPEAT", anew("a < update s 4..6 t/j=1@5 t/j=2@6")),
            // Also if the other is never ended.
            (
                "",
                begun(&"a < update s 0.. replace t/k=1@5\na < update s 0.. t/j=1@5\n".repeat(2)),
            ),
            // The name of a shape that is over may be used again: because its tables have another, or its client wants it no more.
            (
                "SUB-SHAPE-NAME",
                live(
                    "a > subscribe j t\na < subscribed j r t\na > subscribe k u\na < subscribed k s u",
                ),
            ),
            (
                "",
                live("a > unsubscribe s\na > subscribe j u\na < subscribed j s u"),
            ),
            // Another connection has names of its own.
            (
                "",
                live("b > hello\nb < welcome 5 0\nb > subscribe i u\nb < subscribed i s u"),
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
            ("UPD-NO-REPEAT", anew("a < update s 4..6 t/j=2@6\na < update s 5..7 t/j=2@6")),
            // A replacement is over with its last part, which may be its first; what begins after it is none, though it is never ended.
            ("UPD-NO-REPEAT", anew("a < update s 6.. t/k=2@7\na < update s 6.. t/k=2@7")),
            ("UPD-NO-REPEAT", live("a < update s 5.. t/k=2@6\na < update s 5.. t/k=2@6\na < update s 0..7 replace t/k=2@6")),
            // Of three the first and the last have one name.
            ("SUB-SHAPE-NAME", live("a > subscribe j u\na < subscribed j r u\na > subscribe k v\na < subscribed k s v")),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
