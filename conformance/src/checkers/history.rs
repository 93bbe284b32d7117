//! History: a page must tell what the log has, in its order, to the place where it ends, and as far back as is promised.
//!
//! What the log has is known from acks. Of rows that a mutation of unknown outcome names nothing is claimed, and what such a mutation may have changed counts
//! against the server's retention, never for it.

mod made;
mod page;
#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeMap;

use syncline_schemas::{ClientMessage, DEPTH_CEILING};

use super::{Checker, Findings};
use crate::facts::{Conn, Facts, Sent};
use crate::history::{Body, ConnIx, Frame};
use made::Made;
use page::Page;
use told::Told;

pub(super) const CHECKER: Checker = Checker {
    name: "history",
    requirements: &[
        "HIST-NOT-OFFERED",
        "HIST-LIMITS",
        "HIST-ANSWER",
        "HIST-INVALID",
        "HIST-PENDING",
        "HIST-CHANGES",
        "HIST-ORDER",
        "HIST-PAGE",
        "HIST-AUTHOR",
        "HIST-AT",
        "HIST-RETAINED",
        "HIST-FROM",
        "HIST-KEPT",
    ],
    check,
};

/// The limits that come with the capability.
const LIMITS: [&str; 4] = [
    "historyPageMax",
    "historyChangesMax",
    "historyBytesMax",
    "historyMs",
];

fn check(facts: &Facts, findings: &mut Findings) {
    let mut pages: BTreeMap<(&str, &str), Vec<Page<'_>>> = BTreeMap::new();
    for (index, conn) in facts.conns.iter().enumerate() {
        offered(facts, index, conn, findings);
        strays(facts, conn, findings);
        for asked in asked(facts, conn) {
            refusals(facts, index, conn, asked, findings);
            pending(facts, conn, asked, findings);
            if let Some(page) = Page::of(facts, index, asked) {
                let history = (conn.workspace(), conn.epoch.as_deref().unwrap_or_default());
                pages.entry(history).or_default().push(page);
            }
        }
    }
    for ((workspace, epoch), mut pages) in pages {
        pages.sort_by_key(|page| page.at);
        let made = Made::of(facts, workspace, epoch);
        let told = Told::of(&pages);
        told.judge(&pages, findings);
        for page in &pages {
            page.judge(facts, &made, &told, epoch, findings);
        }
    }
}

/// The `history` frames of a connection.
fn asked<'a>(facts: &'a Facts, conn: &'a Conn) -> impl Iterator<Item = Sent> + 'a {
    let is_history =
        |sent: &Sent| { facts.frame(sent.at) }.is_some_and(|frame| frame.kind() == "history");
    let sent = conn.sent.iter().copied().filter(is_history);
    sent.filter(|_| conn.welcome.is_some())
}

/// The limits are announced with the capability.
fn offered(facts: &Facts, index: ConnIx, conn: &Conn, findings: &mut Findings) {
    if let Some((at, _)) = conn.welcome.as_ref().filter(|_| conn.offers("history")) {
        let announced = LIMITS.iter().all(|name| facts.limit(index, name).is_some());
        let expected = || format!("the limits {}", LIMITS.join(", "));
        let actual = || "not all of them are announced".to_owned();
        findings.must("HIST-LIMITS", announced, [*at], expected, actual);
    }
}

/// Each page names a `history` that nothing else has answered.
fn strays(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    for at in &conn.received {
        let past = facts.frame(*at).filter(|frame| frame.kind() == "past");
        let Some(past) = past else { continue };
        let answers = asked(facts, conn).any(|sent| sent.answer == Some(*at));
        let expected = || "`re` names a history that was not answered yet".to_owned();
        findings.must("HIST-ANSWER", answers, [*at], expected, || past.to_string());
    }
}

/// What is refused, and what not: an unoffered type, a name, a limit.
fn refusals(facts: &Facts, index: ConnIx, conn: &Conn, asked: Sent, findings: &mut Findings) {
    let answer = asked.answer.and_then(|at| Some((at, facts.frame(at)?)));
    let (Some((at, answer)), Some(frame)) = (answer, facts.frame(asked.at)) else {
        return;
    };
    let (wanted, requirement) = if !conn.offers("history") {
        (Some("unknown_type"), "HIST-NOT-OFFERED")
    } else {
        match allowed(facts, index, frame) {
            // What is wrong with the frame otherwise is judged where all frames are.
            None => return,
            Some(true) => (None, "HIST-INVALID"),
            Some(false) => (Some("invalid_message"), "HIST-INVALID"),
        }
    };
    let code = answer.string("code");
    let fits = match wanted {
        Some(wanted) => code == Some(wanted),
        None => !matches!(code, Some("unknown_type" | "invalid_message")),
    };
    let expected =
        || wanted.map_or_else(|| "a page".to_owned(), |code| format!("the error {code}"));
    findings.must(requirement, fits, [asked.at, at], expected, || {
        answer.to_string()
    });
}

/// Whether a `history` keeps to names and limits; none, if it is no such message.
fn allowed(facts: &Facts, index: ConnIx, frame: &Frame) -> Option<bool> {
    let Body::Text(text) = &frame.body else {
        return None;
    };
    let Ok(ClientMessage::History(history)) = ClientMessage::decode(text, DEPTH_CEILING) else {
        return None;
    };
    let limit = |name| facts.limit(index, name);
    let is_control = |letter: char| letter < '\u{20}' || letter == '\u{7f}';
    let table = !history.table.is_empty()
        && !history.table.contains(is_control)
        && history.table.len() as u64 <= limit("tableBytesMax")?;
    let most = limit("keyBytesMax")?;
    let key = |key: &String| !key.contains('\0') && key.len() as u64 <= most;
    let key = history.key.as_ref().is_none_or(key);
    let page = history.limit.unwrap_or(1) <= limit("historyPageMax")?;
    Some(table && key && page)
}

/// Only while an earlier one is unanswered may another be put off.
fn pending(facts: &Facts, conn: &Conn, put_off: Sent, findings: &mut Findings) {
    let answer = put_off.answer.and_then(|at| Some((at, facts.frame(at)?)));
    let answer = answer.filter(|(_, answer)| answer.string("code") == Some("history_pending"));
    let Some((at, _)) = answer else { return };
    let mut earlier = asked(facts, conn).take_while(|sent| sent.at < put_off.at);
    let open = earlier.any(|earlier| earlier.answer.is_none_or(|answered| answered > at));
    let expected = || "an answer: no earlier history of the connection waits for one".to_owned();
    findings.must("HIST-PENDING", open, [put_off.at, at], expected, || {
        "history_pending".to_owned()
    });
}
