//! One page: what was asked, and what was told.

use std::collections::BTreeSet;

use serde_json::Value;

use super::made::{Change, Made};
use super::told::Told;
use crate::checkers::Findings;
use crate::checkers::shape::same;
use crate::facts::{Conn, Facts, RowName, Sent, Sibling, author, row_named};
use crate::history::{ConnIx, Frame, whole};
use crate::matcher::equal;

/// How far the clocks of a server's nodes may be apart, in milliseconds.
const SKEW_MS: u64 = 60_000;

/// A page that was told.
pub(super) struct Page<'a> {
    conn: ConnIx,
    pub(super) asked_at: usize,
    pub(super) at: usize,
    table: &'a str,
    key: Option<&'a str>,
    newest: bool,
    after: Option<Place>,
    before: Option<Place>,
    most: u64,
    pub(super) from: u64,
    to: u64,
    has_more: bool,
    pub(super) changes: Vec<Said<'a>>,
}

/// A version, and perhaps one of its changes.
type Place = (u64, Option<u64>);

/// A change as it is told.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) version: u64,
    pub(super) index: u64,
    pub(super) row: RowName<'a>,
    pub(super) at_ms: u64,
    pub(super) json: &'a Value,
}

impl<'a> Said<'a> {
    fn read(json: &'a Value) -> Option<Said<'a>> {
        Some(Said {
            version: whole(&json["version"])?,
            index: whole(&json["index"])?,
            row: row_named(json)?,
            at_ms: whole(&json["at"])?,
            json,
        })
    }

    fn place(&self) -> (u64, u64) {
        (self.version, self.index)
    }
}

impl<'a> Page<'a> {
    /// What was asked by a frame and told by its answer, if both are what they should be.
    pub(super) fn of(facts: &'a Facts, conn: ConnIx, asked: Sent) -> Option<Page<'a>> {
        let at = asked.answer?;
        let (ask, past) = (facts.frame(asked.at)?, facts.frame(at)?);
        let place = |name: &str| {
            let place = ask.member(name)?;
            Some((
                whole(&place["version"])?,
                place.get("index").and_then(whole),
            ))
        };
        let changes = past.member("changes")?.as_array()?;
        let most = facts.limit(conn, "historyPageMax")?;
        Some(Page {
            conn,
            asked_at: asked.at,
            at,
            table: ask.string("table")?,
            key: ask.string("key"),
            newest: ask.string("order")? == "newest",
            after: place("after"),
            before: place("before"),
            most: ask.number("limit").unwrap_or(most).min(most),
            from: past.number("from")?,
            to: past.number("to")?,
            has_more: past.member("hasMore")?.as_bool()?,
            changes: changes.iter().map(Said::read).collect::<Option<_>>()?,
        })
    }

    pub(super) fn judge(
        &self,
        facts: &'a Facts,
        made: &Made<'a>,
        told: &Told<'a>,
        epoch: &str,
        findings: &mut Findings,
    ) {
        self.head(facts, findings);
        self.order(made, findings);
        for said in &self.changes {
            self.change(facts, made, epoch, said, findings);
        }
        let meant: Vec<&Change<'_>> = { made.changes.iter() }
            .filter(|change| change.sure && self.means(change, told) == Some(true))
            .collect();
        self.left_out(&meant, findings);
        self.more(made, &meant, findings);
        self.retained(facts, made, findings);
    }

    /// The page is not older than what the session was told before it asked.
    fn head(&self, facts: &Facts, findings: &mut Findings) {
        let conn = &facts.conns[self.conn];
        let told = told_before(facts, conn, self.asked_at);
        let holds = self.to >= told && self.from <= self.to + 1;
        let requirement = match self.to >= told {
            true => "HIST-FROM",
            false => "HIST-ANSWER",
        };
        findings.judged("HIST-ANSWER");
        let expected = || format!("to: {told} or more; from: not above to + 1");
        findings.must(
            requirement,
            holds,
            [self.asked_at, self.at],
            expected,
            || format!("from: {}, to: {}", self.from, self.to),
        );
    }

    /// In the order that was asked for; changes of one version in that of the ops.
    fn order(&self, made: &Made<'a>, findings: &mut Findings) {
        let op = |said: &Said<'a>| {
            let found = find(made, said)?;
            Some(found.op)
        };
        for pair in self.changes.windows(2) {
            let [first, second] = pair else { continue };
            let rises = first.place() < second.place();
            let falls = first.place() > second.place();
            let in_order = if self.newest { falls } else { rises };
            let by_ops = match (op(first), op(second)) {
                (Some(one), Some(other)) if first.version == second.version => {
                    (one < other) == rises
                }
                _ => true,
            };
            let expected = || match self.newest {
                true => "the newest first, of one version the last op first".to_owned(),
                false => "the oldest first, of one version the first op first".to_owned(),
            };
            let actual = || format!("{} and then {}", first.json, second.json);
            findings.must(
                "HIST-ORDER",
                in_order && by_ops,
                [self.at],
                expected,
                actual,
            );
        }
    }

    /// What is told is what was asked for, and what the log has.
    fn change(
        &self,
        facts: &Facts,
        made: &Made<'a>,
        epoch: &str,
        said: &Said<'a>,
        findings: &mut Findings,
    ) {
        let shown = || said.json.to_string();
        let within = said.version >= self.from && said.version <= self.to;
        let expected = || format!("only changes from {} to {}", self.from, self.to);
        findings.must("HIST-FROM", within, [self.at], expected, shown);
        let asked_for = self.is_asked_for(said);
        let expected = || "a change that was asked for".to_owned();
        findings.must(
            "HIST-CHANGES",
            asked_for,
            [self.asked_at, self.at],
            expected,
            shown,
        );
        let Some(change) = find(made, said) else {
            let known = !made.indefinite.contains(&said.row);
            let expected = || "a change that an applied mutation made".to_owned();
            findings.must("HIST-CHANGES", !known, [self.at], expected, shown);
            return;
        };
        if change.sure {
            let expected = || format!("the value {:?}", change.effect.value);
            let holds = is_value(change, said.json);
            findings.must("HIST-CHANGES", holds, [self.at], expected, shown);
        }
        let expected = || format!("the author of {}", change.mutation.client);
        let holds = said.json["author"] == *author(epoch, &change.mutation.client);
        findings.must("HIST-AUTHOR", holds, [self.at], expected, shown);
        moment(facts, change, said, self.at, findings);
    }

    fn is_asked_for(&self, said: &Said<'_>) -> bool {
        let behind = |(version, index): Place| said.place() > (version, index.unwrap_or(u64::MAX));
        let in_front = |(version, index): Place| said.place() < (version, index.unwrap_or(0));
        said.row.0 == self.table
            && self.key.is_none_or(|key| said.row.1 == key)
            && self.after.is_none_or(behind)
            && self.before.is_none_or(in_front)
    }

    /// Whether a change of the log is asked for, and known; none, if nobody can say.
    fn means(&self, change: &Change<'a>, told: &Told<'a>) -> Option<bool> {
        let (table, key) = change.effect.row;
        let rows = table == self.table && self.key.is_none_or(|wanted| wanted == key);
        if !rows || change.version < self.from || change.version > self.to {
            return Some(false);
        }
        let index = told.index(change.version, change.effect.row);
        let compare = |(version, at): Place| match at {
            Some(at) if version == change.version => Some(index?.cmp(&at)),
            _ => Some(change.version.cmp(&version)),
        };
        let after = self
            .after
            .map_or(Some(true), |place| Some(compare(place)?.is_gt()))?;
        let before = self
            .before
            .map_or(Some(true), |place| Some(compare(place)?.is_lt()))?;
        Some(after && before)
    }

    /// Whether a change comes behind the last one of the page.
    fn is_behind(&self, change: &Change<'a>) -> bool {
        let Some(last) = self.changes.last() else {
            return true;
        };
        match self.newest {
            true => change.version < last.version,
            false => change.version > last.version,
        }
    }

    /// Nothing is left out, up to the last change of the page, or where that is all.
    fn left_out(&self, meant: &[&Change<'a>], findings: &mut Findings) {
        let told: BTreeSet<_> = { self.changes.iter() }
            .map(|said| (said.version, said.row))
            .collect();
        for change in meant {
            let (version, row) = (change.version, change.effect.row);
            if told.contains(&(version, row)) {
                continue;
            }
            let same_version = { self.changes.last() }.is_some_and(|last| last.version == version);
            let (behind, full) = (
                self.is_behind(change),
                self.changes.len() as u64 >= self.most,
            );
            let requirement = match (self.has_more, behind || same_version) {
                (true, true) if self.changes.is_empty() => "HIST-PAGE",
                (true, true) => continue,
                (false, true) if full => "HIST-PAGE",
                _ => "HIST-CHANGES",
            };
            let expected = || format!("the change of {row:?} at version {version}");
            let actual = || format!("{} changes, hasMore: {}", self.changes.len(), self.has_more);
            findings.must(
                requirement,
                false,
                [self.asked_at, self.at],
                expected,
                actual,
            );
        }
    }

    /// Not too many, and `hasMore` only where there is more.
    fn more(&self, made: &Made<'a>, meant: &[&Change<'a>], findings: &mut Findings) {
        let count = self.changes.len() as u64;
        let expected = || format!("{} changes at most", self.most);
        findings.must(
            "HIST-PAGE",
            count <= self.most,
            [self.asked_at, self.at],
            expected,
            || format!("{count} changes"),
        );
        let last = self.changes.last().map_or(0, |last| last.version);
        let rest = { meant.iter() }.any(|change| self.is_behind(change) || change.version == last);
        let unclear = { made.indefinite.iter() }.any(|(table, key)| {
            *table == self.table && self.key.is_none_or(|wanted| wanted == *key)
        });
        if self.has_more && !unclear {
            let expected = || "hasMore: false, for there is no more".to_owned();
            let actual = || "hasMore: true".to_owned();
            let more = rest && self.has_rest(meant);
            findings.must(
                "HIST-PAGE",
                more,
                [self.asked_at, self.at],
                expected,
                actual,
            );
        }
    }

    /// Whether any change is meant that was not told.
    fn has_rest(&self, meant: &[&Change<'a>]) -> bool {
        let is_told = |change: &Change<'a>| {
            let mut said = self.changes.iter();
            said.any(|said| (said.version, said.row) == (change.version, change.effect.row))
        };
        meant.iter().any(|change| !is_told(change))
    }

    /// What must be known is.
    fn retained(&self, facts: &Facts, made: &Made<'a>, findings: &mut Findings) {
        let limit = |name| facts.limit(self.conn, name);
        let bounds = (
            limit("historyChangesMax"),
            limit("historyBytesMax"),
            limit("historyMs"),
        );
        let (Some(changes_max), Some(bytes_max), Some(ms_max)) = bounds else {
            return;
        };
        let value_max = limit("valueBytesMax").unwrap_or(u64::MAX);
        let now_us = facts.entries[self.at].at_us;
        let mut count = made.unknown;
        let mut bytes = made.unknown.saturating_mul(value_max);
        let up_to = made
            .changes
            .partition_point(|change| change.version <= self.to);
        let mut rest = &made.changes[..up_to];
        while let Some(version) = rest.last().map(|change| change.version) {
            let begin = rest.partition_point(|change| change.version < version);
            let (before, of_version) = rest.split_at(begin);
            rest = before;
            count += of_version.len() as u64;
            bytes = bytes.saturating_add(of_version.iter().map(Change::bytes).sum());
            let sent_us = of_version[0]
                .sent_at()
                .map_or(0, |at| facts.entries[at].at_us);
            let young = now_us.saturating_sub(sent_us) <= ms_max.saturating_mul(1000);
            if count > changes_max || bytes > bytes_max || !young {
                return;
            }
            if of_version.iter().all(|change| change.sure) {
                let expected =
                    || format!("from: {version} or less: {count} changes of {bytes} bytes since");
                findings.must(
                    "HIST-RETAINED",
                    self.from <= version,
                    [self.at],
                    expected,
                    || format!("from: {}", self.from),
                );
            }
        }
    }
}

/// The change of the log that is told.
fn find<'m, 'a>(made: &'m Made<'a>, said: &Said<'_>) -> Option<&'m Change<'a>> {
    let begin = made
        .changes
        .partition_point(|change| change.version < said.version);
    let of_version = made.changes[begin..].iter();
    let mut of_version = of_version.take_while(|change| change.version == said.version);
    of_version.find(|change| change.effect.row == said.row)
}

/// Whether a change is told as it was.
fn is_value(change: &Change<'_>, told: &Value) -> bool {
    let sibling = |sibling: &Value| {
        Some(Sibling {
            version: whole(&sibling["version"])?,
            value: sibling["value"].clone(),
        })
    };
    let beside = told["siblings"].as_array().into_iter().flatten();
    let beside: Vec<Sibling> = beside.filter_map(sibling).collect();
    match &change.effect.value {
        Some(value) => {
            let held = told.get("value");
            told["op"] == "set"
                && held.is_some_and(|held| equal(held, value))
                && same(&change.effect.siblings, &beside)
        }
        None => told["op"] == "delete",
    }
}

/// The moment of a change lies between its mutation's arrival and its ack, by the server's clock as it was told.
fn moment(facts: &Facts, change: &Change<'_>, said: &Said<'_>, at: usize, findings: &mut Findings) {
    let outcome =
        { change.mutation.outcomes.iter() }.find(|outcome| outcome.version == said.version);
    let (Some(sent_at), Some(outcome)) = (change.sent_at(), outcome) else {
        return;
    };
    let (mut least, mut most) = (0, u64::MAX);
    for conn in &facts.conns {
        for (asked_at, told_at, time) in times(facts, conn) {
            if told_at < sent_at {
                least = least.max(time);
            }
            if asked_at > outcome.at {
                most = most.min(time);
            }
        }
    }
    let (least, most) = (least.saturating_sub(SKEW_MS), most.saturating_add(SKEW_MS));
    let expected = || format!("a moment from {least} to {most}");
    let holds = (least..=most).contains(&said.at_ms);
    findings.must("HIST-AT", holds, [at], expected, || said.json.to_string());
}

/// What a connection was told of the server's clock: when it asked, when it was told, and what.
fn times<'a>(facts: &'a Facts, conn: &'a Conn) -> impl Iterator<Item = (usize, usize, u64)> + 'a {
    conn.sent.iter().filter_map(|sent| {
        let told_at = sent.answer?;
        let time = facts.frame(told_at)?.number("serverTime")?;
        Some((sent.at, told_at, time))
    })
}

/// The highest version that a session was told before an entry.
fn told_before(facts: &Facts, conn: &Conn, before: usize) -> u64 {
    let frames = conn.received.iter().take_while(|at| **at < before);
    let versions = frames
        .filter_map(|at| facts.frame(*at))
        .map(|frame| match frame.kind() {
            "welcome" => frame.number("version").unwrap_or(0),
            "update" => frame.number("to").unwrap_or(0),
            "ack" => acked(frame),
            _ => 0,
        });
    versions.max().unwrap_or(0)
}

fn acked(frame: &Frame) -> u64 {
    let results = frame.member("results").and_then(Value::as_array);
    let versions = { results.into_iter().flatten() }.filter_map(|result| whole(&result["version"]));
    versions.max().unwrap_or(0)
}
