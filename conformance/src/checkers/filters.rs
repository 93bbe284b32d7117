//! Filters by their frames: how a `subscribe` with one is answered, what is removed, and where a replacement is due. What rows a shape comes to have is
//! judged with all others (`rows`).

use std::collections::BTreeMap;

use serde_json::Value;
use syncline_schemas::validate;

use super::{Checker, Findings};
use crate::facts::{Conn, Effect, Facts, Filters, Log, RowName, Sub};
use crate::history::{Frame, whole};
use crate::matcher::equal;

pub(super) const CHECKER: Checker = Checker {
    name: "filters",
    requirements: &[
        "FLT-NOT-OFFERED",
        "FLT-LIMITS",
        "FLT-INVALID",
        "FLT-SIZE",
        "FLT-TOLD",
        "FLT-REMOVE",
        "FLT-CHANGE",
        "FLT-DIGEST",
        "DOC-FILTER",
    ],
    check,
};

const LIMITS: [&str; 3] = ["filterNodesMax", "filterBytesMax", "digestScanRowsMax"];

fn check(facts: &Facts, findings: &mut Findings) {
    for (index, conn) in facts.conns.iter().enumerate() {
        limits(facts, index, findings);
        asked(facts, index, findings);
        digests(facts, index, findings);
        if !conn.offers("filters") && conn.welcome.is_some() {
            let removes = conn.received.iter().filter(|at| has_removes(facts, **at));
            for at in removes {
                let expected = "no remove: filters are not offered";
                findings.broken("FLT-NOT-OFFERED", [*at], expected, "a remove");
            }
        }
    }
    let mut logs: BTreeMap<(&str, &str), Log<'_>> = BTreeMap::new();
    for sub in &facts.subs {
        changed(facts, sub, findings);
        told(facts, sub, findings);
        if sub.parts.iter().any(|part| has_removes(facts, part.at)) || !sub.filters.is_empty() {
            let history = (facts.conns[sub.conn].workspace(), sub.epoch.as_str());
            let log = logs
                .entry(history)
                .or_insert_with(|| Log::of(facts, history.0, history.1));
            removed(facts, sub, log, findings);
        }
    }
}

fn has_removes(facts: &Facts, at: usize) -> bool {
    let frame = facts.frame(at).filter(|frame| frame.kind() == "update");
    frame.is_some_and(|frame| changes(frame).any(|change| change["op"] == "remove"))
}

fn changes(frame: &Frame) -> impl Iterator<Item = &Value> {
    let changes = frame.member("changes").and_then(Value::as_array);
    changes.into_iter().flatten()
}

/// The limits are announced where filters are offered.
fn limits(facts: &Facts, index: usize, findings: &mut Findings) {
    let conn = &facts.conns[index];
    let Some((at, _)) = conn.welcome.as_ref().filter(|_| conn.offers("filters")) else {
        return;
    };
    for limit in LIMITS {
        let expected = || format!("a welcome with limits.{limit}");
        let announced = facts.limit(index, limit).is_some();
        findings.must("FLT-LIMITS", announced, [*at], expected, || {
            "without".to_owned()
        });
    }
}

/// How each `subscribe` with a filter is answered: by what it is, and how large.
fn asked(facts: &Facts, index: usize, findings: &mut Findings) {
    let conn = &facts.conns[index];
    let frames = conn.sent.iter().filter_map(|sent| {
        let frame = facts
            .frame(sent.at)
            .filter(|frame| frame.kind() == "subscribe")?;
        Some((sent, frame, facts.frame(sent.answer?)?))
    });
    for (sent, frame, answer) in frames {
        let filters = Filters::of(frame);
        if filters.is_empty() || !is_otherwise_plain(facts, index, frame) {
            continue;
        }
        let at = [sent.at].into_iter().chain(sent.answer);
        let code = answer.string("code").unwrap_or_default();
        let (requirement, codes) = due(facts, index, conn, &filters);
        let fits = match codes {
            Some(due) => answer.kind() == "error" && code == due,
            // Another error has reasons of its own, as a shape that overlaps.
            None => !["invalid_filter", "unsupported_setting"].contains(&code),
        };
        let expected = || codes.map_or("subscribed".to_owned(), |code| format!("the error {code}"));
        findings.must(requirement, fits, at, expected, || answer.to_string());
    }
}

/// The code that is due to a `subscribe` with these filters; none, if nothing is wrong with them.
fn due(
    facts: &Facts,
    index: usize,
    conn: &Conn,
    filters: &Filters,
) -> (&'static str, Option<&'static str>) {
    if !conn.offers("filters") {
        return ("FLT-NOT-OFFERED", Some("unsupported_setting"));
    }
    if { filters.all() }.any(|(_, filter)| validate::filter(filter).is_err()) {
        return ("FLT-INVALID", Some("invalid_filter"));
    }
    let amounts = [(filters.nodes(), LIMITS[0]), (filters.bytes(), LIMITS[1])];
    let above =
        |(amount, limit): (u64, &str)| facts.limit(index, limit).is_some_and(|most| amount > most);
    (
        "FLT-SIZE",
        amounts.into_iter().any(above).then_some("invalid_filter"),
    )
}

/// Whether nothing but filters can be wrong with a `subscribe` before they are looked at.
fn is_otherwise_plain(facts: &Facts, index: usize, frame: &Frame) -> bool {
    let fits = frame
        .json
        .as_ref()
        .is_some_and(|json| validate::message("subscribe", json).is_ok());
    let Some(tables) = frame.member("tables").and_then(Value::as_object) else {
        return false;
    };
    let limit = |name| facts.limit(index, name).unwrap_or(0);
    let plain = |(name, settings): (&String, &Value)| {
        let named = !name.is_empty() && !name.chars().any(|c| c < '\u{20}' || c == '\u{7f}');
        let settings = settings.as_object().into_iter().flatten();
        let known = { settings }.all(|(setting, _)| setting == "where");
        named && known && name.len() as u64 <= limit("tableBytesMax")
    };
    fits && tables.len() as u64 <= limit("shapeTablesMax") && tables.iter().all(plain)
}

/// `subscribed` names the filters that were asked for, and no others.
fn told(facts: &Facts, sub: &Sub, findings: &mut Findings) {
    let Some(frame) = facts.frame(sub.subscribed_at) else {
        return;
    };
    let tables = frame.member("tables").and_then(Value::as_object);
    let said = |table: &str| tables?.get(table)?.get("where");
    for table in &sub.tables {
        let same = match (sub.filters.of_table(table), said(table)) {
            (Some(asked), Some(said)) => equal(asked, said),
            (None, None) => true,
            _ => false,
        };
        if same && sub.filters.is_empty() {
            continue;
        }
        let at = [sub.asked_at, sub.subscribed_at];
        let expected = || "the filters that were asked for".to_owned();
        findings.must("FLT-TOLD", same, at, expected, || frame.to_string());
    }
}

/// Other filters for the tables of a shape that was live begin with a replacement.
fn changed(facts: &Facts, sub: &Sub, findings: &mut Findings) {
    let before = facts.subs.iter().find(|before| {
        let same = before.conn == sub.conn && before.tables == sub.tables;
        same && before.ended_at == Some(sub.subscribed_at)
    });
    let Some(before) = before.filter(|before| before.filters != sub.filters) else {
        return;
    };
    if before.unsubscribed_at.is_some() {
        return;
    }
    if let (Some(first), Some(_)) = (sub.completes.first(), &sub.cursor) {
        let at = [sub.asked_at, sub.parts[first.last].at];
        let expected = || "a replacement: the filters are others".to_owned();
        let actual = || format!("an update from {}", first.from);
        findings.must("FLT-CHANGE", first.replacement, at, expected, actual);
    }
}

/// What is removed is there, and does not match; what is gone is deleted, and what is there is not.
fn removed(facts: &Facts, sub: &Sub, log: &Log<'_>, findings: &mut Findings) {
    for part in &sub.parts {
        let Some(frame) = facts.frame(part.at) else {
            continue;
        };
        for change in changes(frame) {
            let text = |name: &str| change[name].as_str().unwrap_or_default();
            let (op, row) = (text("op"), (text("table"), text("key")));
            let version = change.get("version").and_then(whole).unwrap_or(0);
            if op == "set" {
                continue;
            }
            if ["append", "compact"].contains(&op) || was_document(log, row, version) {
                of_document(sub, (row, change), part.at, findings);
                continue;
            }
            if op == "remove" && sub.filters.of_table(row.0).is_none() {
                let expected = "no remove: the table has no filter";
                findings.broken("FLT-REMOVE", [part.at], expected, change.to_string());
                continue;
            }
            if sub.filters.of_table(row.0).is_none() || log.indefinite.contains(&row) {
                continue;
            }
            let Some(step) = log.steps.iter().find(|step| step.version == version) else {
                continue;
            };
            let effect = step.effects.iter().find(|effect| effect.row == row);
            let value = effect.and_then(|effect| effect.value.as_deref());
            let due = match value {
                Some(value) if sub.filters.take(row, value) => "set",
                Some(_) => "remove",
                None => "delete",
            };
            let expected = || format!("a {due} of this row at version {version}");
            let actual = || change.to_string();
            findings.must("FLT-REMOVE", op == due, [part.at], expected, actual);
        }
    }
}

/// Whether what changed at a version was a document before.
fn was_document(log: &Log<'_>, row: RowName<'_>, version: u64) -> bool {
    let before = log.steps.iter().take_while(|step| step.version < version);
    let effects = before.flat_map(|step| &step.effects);
    let last = effects.filter(|effect| effect.row == row).last();
    last.is_some_and(Effect::is_document)
}

/// No change of a document is sent that does not match, and it does not leave.
fn of_document(
    sub: &Sub,
    (row, change): (RowName<'_>, &Value),
    at: usize,
    findings: &mut Findings,
) {
    if sub.filters.of_table(row.0).is_none() {
        return;
    }
    let fits = change["op"] != "remove" && sub.filters.take(row, &Value::Null);
    let expected = || "changes of documents that match, and no remove".to_owned();
    findings.must("DOC-FILTER", fits, [at], expected, || change.to_string());
}

/// A digest is refused as too large only where the filtered tables may have so many rows.
fn digests(facts: &Facts, index: usize, findings: &mut Findings) {
    let conn = &facts.conns[index];
    for sent in &conn.sent {
        let asked = facts
            .frame(sent.at)
            .filter(|frame| frame.kind() == "digest");
        let (Some(asked), Some(answered)) = (asked, sent.answer) else {
            continue;
        };
        let shape = asked.string("shape").unwrap_or_default();
        let of = |sub: &&Sub| {
            let live = sub.subscribed_at < sent.at && sub.ended_at.is_none_or(|end| end > sent.at);
            live && sub.conn == index && sub.shape == shape
        };
        let Some(sub) = facts.subs.iter().rfind(of) else {
            continue;
        };
        let Some(answer) = facts.frame(answered) else {
            continue;
        };
        if answer.kind() == "digested" && !sub.filters.is_empty() {
            findings.judged("FLT-DIGEST");
        }
        if answer.string("code") == Some("digest_too_large") {
            let most = facts.limit(index, LIMITS[2]).unwrap_or(0);
            let rows = rows_at_most(facts, sub, answered);
            let expected =
                || format!("a digest: there are {rows} rows at most, the limit is {most}");
            let actual = || answer.to_string();
            let at = [sent.at, answered];
            findings.must("FLT-DIGEST", rows > most, at, expected, actual);
        }
    }
}

/// Whether the filtered tables of a shape may have had so many rows that no digest of it is owed.
pub(super) fn may_be_too_large(facts: &Facts, sub: &Sub) -> bool {
    let most = facts.limit(sub.conn, LIMITS[2]).unwrap_or(0);
    !sub.filters.is_empty() && rows_at_most(facts, sub, usize::MAX) > most
}

/// As how many rows those of the filtered tables may count, by all that was sent before an entry: each value once, of a large one each kibibyte.
fn rows_at_most(facts: &Facts, sub: &Sub, before: usize) -> u64 {
    let mutations = facts.ledger.of_workspace(facts.conns[sub.conn].workspace());
    let mut largest: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for mutation in mutations
        .iter()
        .map(|index| &facts.ledger.mutations[*index])
    {
        let sent = mutation.sends.first().filter(|send| send.at < before);
        let ops = sent.and_then(|send| send.ops.as_array());
        for op in ops.into_iter().flatten() {
            let Some(row) = crate::facts::row_named(op) else {
                continue;
            };
            // What a patch leaves, or several values, nobody adds up here: they may be large.
            let bytes = match op.get("value") {
                Some(value) => value.to_string().len() as u64,
                None if op["op"] == "delete" => 0,
                None => u64::MAX / 1024,
            };
            if sub.filters.of_table(row.0).is_some() {
                let most = largest.entry(row).or_default();
                *most = bytes.div_ceil(1024).max(*most);
            }
        }
    }
    largest
        .values()
        .fold(0, |sum, rows| sum.saturating_add(*rows))
}

#[cfg(test)]
mod tests;
