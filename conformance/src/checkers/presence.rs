//! Presence: each word must be one that its session has given occasion for, told to whom it concerns and to nobody else, and not too often.
//!
//! That the last word comes is awaited by the driver; here is judged what did come. Of sessions that are not the runner's nothing is known.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use syncline_schemas::{ClientMessage, DEPTH_CEILING};

use super::{Checker, Findings};
use crate::facts::{Conn, Facts, Presented, author};
use crate::history::{Body, ConnIx, Frame};
use crate::matcher::equal;

pub(super) const CHECKER: Checker = Checker {
    name: "presence",
    requirements: &[
        "PRES-NOT-OFFERED",
        "PRES-LIMITS",
        "PRES-TO-WHOM",
        "PRES-AUTHOR",
        "PRES-TRUE",
        "PRES-INTERVAL",
        "PRES-BYTES",
        "PRES-PRESSURE",
    ],
    check,
};

/// The limits that come with the capability.
const LIMITS: [&str; 3] = [
    "presenceBytesMax",
    "presenceSessionsMax",
    "presenceIntervalMs",
];

fn check(facts: &Facts, findings: &mut Findings) {
    for (index, conn) in facts.conns.iter().enumerate() {
        let Some((welcomed_at, _)) = conn.welcome else {
            continue;
        };
        if conn.offers("presence") {
            let announced = LIMITS.iter().all(|name| facts.limit(index, name).is_some());
            let expected = || format!("the limits {}", LIMITS.join(", "));
            let actual = || "not all of them are announced".to_owned();
            findings.must("PRES-LIMITS", announced, [welcomed_at], expected, actual);
            bytes(facts, index, conn, findings);
        } else {
            not_offered(facts, conn, findings);
        }
        words(facts, index, conn, findings);
        pressure(facts, conn, findings);
    }
}

/// Whoever got something at least so often has taken what it was sent, in milliseconds.
const TAKES_MS: u64 = 5_000;

/// Who is sent presence alone, and takes it, is not given up for it.
fn pressure(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    let last = conn
        .received
        .last()
        .and_then(|at| Some((*at, facts.frame(*at)?)));
    let Some((at, _)) = last.filter(|(_, last)| last.string("reason") == Some("slow_consumer"))
    else {
        return;
    };
    let asked = |kind: &str| matches!(kind, "subscribe" | "push");
    let mut sent = conn.sent.iter().filter_map(|sent| facts.frame(sent.at));
    if !facts.watches(conn) || sent.any(|frame| asked(frame.kind())) {
        return;
    }
    let moment = |at: &usize| facts.entries[*at].at_us;
    let mut pairs = conn.received.windows(2);
    let takes = pairs.all(|pair| moment(&pair[1]) - moment(&pair[0]) < TAKES_MS * 1000);
    if takes {
        let expected = format!(
            "{} stays: it took what it was sent, presence alone",
            conn.name
        );
        let actual = "it was given up as a slow consumer";
        findings.broken("PRES-PRESSURE", [at], expected, actual);
    }
}

/// Where it is not offered, `present` is a type that nobody knows.
fn not_offered(facts: &Facts, conn: &Conn, findings: &mut Findings) {
    for presented in facts.presented(conn) {
        let answer = presented.refused_at.and_then(|at| facts.frame(at));
        let Some(answer) = answer else { continue };
        let refused = answer.string("code") == Some("unknown_type");
        let at = [presented.at].into_iter().chain(presented.refused_at);
        let expected = || "the error unknown_type".to_owned();
        findings.must("PRES-NOT-OFFERED", refused, at, expected, || {
            answer.to_string()
        });
    }
}

/// A state is too large if, and only if, it passes the limit.
fn bytes(facts: &Facts, index: ConnIx, conn: &Conn, findings: &mut Findings) {
    let Some(most) = facts.limit(index, "presenceBytesMax") else {
        return;
    };
    for presented in facts.presented(conn) {
        let Some(bytes) = facts.frame(presented.at).and_then(state_bytes) else {
            continue;
        };
        let answer = presented.refused_at.and_then(|at| facts.frame(at));
        let refused = answer.and_then(|answer| answer.string("code")) == Some("invalid_message");
        let later = conn.sent.iter().filter(|sent| sent.at > presented.at);
        let answered = later.filter_map(|sent| sent.answer).next();
        if !refused && answered.is_none() {
            continue;
        }
        let at = [presented.at]
            .into_iter()
            .chain(presented.refused_at.or(answered));
        let said = |refused| {
            if refused {
                "invalid_message"
            } else {
                "accepted"
            }
        };
        findings.must(
            "PRES-BYTES",
            refused == (bytes > most),
            at,
            || format!("{bytes} bytes, of {most} at most: {}", said(bytes > most)),
            || said(refused).to_owned(),
        );
    }
}

/// Bytes of the state of a valid `present`.
fn state_bytes(frame: &Frame) -> Option<u64> {
    let Body::Text(text) = &frame.body else {
        return None;
    };
    match ClientMessage::decode(text, DEPTH_CEILING).ok()? {
        ClientMessage::Present(present) => Some(present.state?.get().len() as u64),
        _ => None,
    }
}

/// The words that a connection was sent.
fn words(facts: &Facts, index: ConnIx, conn: &Conn, findings: &mut Findings) {
    let mut told: BTreeMap<ConnIx, Told<'_>> = BTreeMap::new();
    for at in &conn.received {
        let Some(word) = facts.frame(*at).filter(|frame| frame.kind() == "presence") else {
            continue;
        };
        let shown = || word.to_string();
        if !conn.offers("presence") {
            let expected = || "no presence where it is not offered".to_owned();
            findings.must("PRES-NOT-OFFERED", false, [*at], expected, shown);
            continue;
        }
        let of = facts.of_session(word.string("session").unwrap_or_default());
        let concerns = facts.watches(conn) && of != Some(index);
        let expected = || {
            format!(
                "presence of others alone, and only if {} has named it",
                conn.name
            )
        };
        findings.must("PRES-TO-WHOM", concerns, [*at], expected, shown);
        if let Some(of) = of.filter(|of| *of != index) {
            of_session(conn, &facts.conns[of], *at, word, findings);
            let told = told.entry(of).or_insert_with(|| Told::of(facts, of));
            told.take(facts, index, *at, word, findings);
        }
    }
}

/// Whose word it is.
fn of_session(watcher: &Conn, of: &Conn, at: usize, word: &Frame, findings: &mut Findings) {
    let same = watcher.workspace() == of.workspace();
    let expected = || format!("presence of {} alone", watcher.workspace());
    findings.must("PRES-TRUE", same, [at], expected, || {
        format!("{word}, a session of {}", of.workspace())
    });
    let epoch = of.epoch.as_deref().unwrap_or_default();
    let author = of.client().map(|client| author(epoch, client));
    findings.must(
        "PRES-AUTHOR",
        word.string("author") == author.as_deref()
            && word.member("author").is_some() == author.is_some(),
        [at],
        || format!("the author {author:?}"),
        || word.to_string(),
    );
}

/// What a watcher was told of one session.
struct Told<'a> {
    presented: Vec<Presented<'a>>,
    of: ConnIx,
    /// The first of what was presented that the next word may tell.
    next: usize,
    /// The entry of the word that the session has ended.
    over_at: Option<usize>,
    /// How many words came, those at the end of the session not counted.
    count: u64,
    /// Of the words so far: the latest that one can have been sent at the earliest, less the time that those before it take; in microseconds.
    latest_us: Option<i64>,
}

impl<'a> Told<'a> {
    fn of(facts: &'a Facts, of: ConnIx) -> Told<'a> {
        let taken = facts.presented(&facts.conns[of]);
        let refused = |presented: &Presented<'_>| presented.refused_at.is_some();
        Told {
            presented: taken.filter(|presented| !refused(presented)).collect(),
            of,
            next: 0,
            over_at: None,
            count: 0,
            latest_us: None,
        }
    }

    fn take(
        &mut self,
        facts: &Facts,
        watcher: ConnIx,
        at: usize,
        word: &Frame,
        findings: &mut Findings,
    ) {
        let state = word.member("state");
        let before = self.presented.iter().enumerate().skip(self.next);
        let mut before = before.take_while(|(_, presented)| presented.at < at);
        let found = before.find(|(_, presented)| match (presented.state, state) {
            (Some(presented), Some(told)) => equal(presented, told),
            (presented, told) => presented.is_none() && told.is_none(),
        });
        if let Some((index, presented)) = found
            && (self.over_at.is_none() || state.is_none())
        {
            let from = presented.at;
            self.next = index;
            findings.judged("PRES-TRUE");
            return self.often(facts, watcher, (from, at), findings);
        }
        let alive = alive_after(facts, &facts.conns[self.of], at);
        let (holds, expected, why) = match state {
            None => (
                alive.is_none(),
                "that it is gone, when it has withdrawn or ended",
                "it was there",
            ),
            Some(_) => (
                false,
                "a state that it has presented, none older than one before, none after its end",
                "this is none of them",
            ),
        };
        let shown = [at].into_iter().chain(alive).chain(self.over_at);
        let actual = || format!("{word}: {why}");
        findings.must("PRES-TRUE", holds, shown, || expected.to_owned(), actual);
        if state.is_none() {
            self.over_at = Some(at);
        }
    }

    /// A word that can have been sent at the entry `from` at the earliest came at the entry `at`. Only half the interval counts as too soon.
    fn often(
        &mut self,
        facts: &Facts,
        watcher: ConnIx,
        (from, at): (usize, usize),
        findings: &mut Findings,
    ) {
        let Some(interval_ms) = facts.limit(watcher, "presenceIntervalMs") else {
            return;
        };
        let least_us = |words: u64| i64::try_from(words * interval_ms * 500).unwrap_or(i64::MAX);
        let moment = |entry: usize| i64::try_from(facts.entries[entry].at_us).unwrap_or(i64::MAX);
        self.count += 1;
        if let Some(latest_us) = self.latest_us {
            // Between the first and this one are `count - 2` others, if it was the first that is the latest; and so for each.
            let soonest_us = latest_us + least_us(self.count.saturating_sub(2));
            let expected = || format!("one word in {interval_ms} ms, and one besides");
            findings.must(
                "PRES-INTERVAL",
                moment(at) >= soonest_us,
                [from, at],
                expected,
                || format!("this is word {} of the session, too soon", self.count),
            );
        }
        let own_us = moment(from) - least_us(self.count - 1);
        self.latest_us = Some(
            self.latest_us
                .map_or(own_us, |latest_us| latest_us.max(own_us)),
        );
    }
}

/// The entry of an answer to what a session sent after an entry: then it was there.
fn alive_after(facts: &Facts, conn: &Conn, at: usize) -> Option<usize> {
    let later = conn.sent.iter().filter(|sent| sent.at > at);
    let answered = later.filter_map(|sent| sent.answer).next();
    answered.filter(|answer| facts.frame(*answer).is_some())
}
