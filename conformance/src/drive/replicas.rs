//! What replicas hold, and waiting for them to hold all that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::wait::{lost, patience};
use super::{Cx, State, Stop};
use crate::facts::{Known, Log, Mutation, Row, RowKey, Sub};
use crate::history::ConnIx;
use crate::matcher::{Others, equal, short};

impl State {
    /// What a subscription must come to, to have all that was acknowledged so far.
    pub(crate) fn owed(&self, sub: usize) -> Owed {
        let sub = &self.facts.subs[sub];
        let workspace = self.facts.conns[sub.conn].workspace();
        let log = Log::of(&self.facts, workspace, &sub.epoch);
        let changed = log.last_change(&sub.tables);
        let own = self.own_version(sub).filter(|own| *own > changed);
        Owed {
            version: own.unwrap_or(changed),
            // Its author is owed the version, others what it changed.
            rows: own.is_none().then(|| definite(&log, sub)),
        }
    }

    /// The last version that its own session was told of a mutation in the shape.
    fn own_version(&self, sub: &Sub) -> Option<u64> {
        let touches = |mutation: &&Mutation| mutation.touches(&sub.tables);
        let told = self.facts.ledger.mutations.iter().filter(touches);
        let told = told.flat_map(|mutation| &mutation.outcomes);
        let own = told.filter(|told| {
            told.conn == sub.conn && told.status == "applied" && told.at > sub.subscribed_at
        });
        own.map(|told| told.version).max()
    }

    /// Whether a subscription has what it is owed: its cursor is there, or it has the rows anyway. Of a row that came and went nothing need be sent.
    fn has(&self, sub: usize, owed: &Owed) -> bool {
        let sub = &self.facts.subs[sub];
        let held = |key: &RowKey| sub.replica.rows.get(key).map(|row| row.version);
        let there = |rows: &BTreeMap<RowKey, Option<u64>>| {
            rows.iter().all(|(key, version)| held(key) == *version)
        };
        let complete = !sub.completes.is_empty();
        complete
            && (sub.replica.version(&sub.epoch) >= owed.version
                || owed.rows.as_ref().is_some_and(there))
    }

    /// The live subscriptions, of all connections that read.
    pub(crate) fn live_subs(&self) -> Vec<usize> {
        let reads = |conn: usize| self.is_open(conn) && self.looked[conn].hears();
        let subs = self.facts.subs.iter().enumerate();
        subs.filter(|(_, sub)| sub.is_live() && reads(sub.conn))
            .map(|(index, _)| index)
            .collect()
    }
}

/// The versions of all rows of a shape's tables of which enough is known, none where there is no row, or none in the shape.
fn definite(log: &Log<'_>, sub: &Sub) -> BTreeMap<RowKey, Option<u64>> {
    let known = log.known_at(u64::MAX, &sub.tables).into_iter();
    let version = |(table, key): &RowKey, known: Known| match known {
        Known::Row(row) => {
            let taken = sub.filters.take((table, key), &row.value);
            Some(taken.then_some(row.version))
        }
        Known::Absent(_) => Some(None),
        Known::Indefinite => None,
    };
    known
        .filter_map(|(key, known)| {
            let version = version(&key, known)?;
            Some((key, version))
        })
        .collect()
}

impl Cx {
    /// Awaits that a subscription has all that was acknowledged so far of its tables.
    pub(crate) async fn caught_up(&self, sub: usize) -> Result<(), Stop> {
        let (conn, live, owed) = self.with(|state| {
            let live = state.live_subs().contains(&sub);
            (state.facts.subs[sub].conn, live, state.owed(sub))
        });
        let wanted = format!(
            "an update of the subscription on {} to version {} or above",
            self.name(conn),
            owed.version
        );
        let over = || Stop::Lost(format!("waits for {wanted}, which has ended"));
        if !live {
            let lost = self.with(|state| lost(state, conn, &wanted));
            return Err(lost.unwrap_or_else(over));
        }
        let level_ms = self.with(|state| state.facts.limit(conn, "levelMs"));
        let reached = self.until(conn, &wanted, patience(level_ms.unwrap_or(0))?, |state| {
            let has = state.has(sub, &owed);
            // Another `subscribe` that was on its way may begin the shape anew meanwhile: nobody is owed anything for this one then.
            (has || !state.facts.subs[sub].is_live())
                .then(|| if has { Ok(()) } else { Err(over()) })
        });
        let reached = reached.await;
        let open = self.with(|state| state.is_open(conn));
        reached.map_err(|stop| match stop {
            Stop::Fail(mut failure) if open => {
                failure.requirements = vec![owed.requirement().to_owned()];
                Stop::Fail(failure)
            }
            other => other,
        })
    }

    /// Awaits that all live replicas (of these connections, or all) have what was acknowledged, and are equal.
    pub(crate) async fn converge(&self, only: Option<&[ConnIx]>) -> Result<(), Stop> {
        let of = |state: &State, sub: &usize| {
            only.is_none_or(|only| only.contains(&state.facts.subs[*sub].conn))
        };
        let live = || {
            self.with(|state| {
                let mut live = state.live_subs();
                live.retain(|sub| of(state, sub));
                live
            })
        };
        let subs = live();
        for sub in &subs {
            match self.caught_up(*sub).await {
                // It is no live replica any more.
                Err(Stop::Lost(_)) => {}
                other => other?,
            }
        }
        let mut subs = subs;
        let left = live();
        subs.retain(|sub| left.contains(sub));
        if subs.is_empty() && only.is_some() {
            let why = "none of these replicas is live any more: there is nothing to compare";
            return Err(Stop::Unknown(why.to_owned()));
        }
        let mut same = |state: &mut State| differing(state, &subs).is_none().then_some(Ok(()));
        if self
            .poll(None, "", self.deadline, &mut same)
            .await?
            .is_some()
        {
            return Ok(());
        }
        let differing = self.with(|state| differing(state, &subs));
        let (what, at) = differing.unwrap_or_default();
        let expected = "replicas that are level hold the same";
        Err(Stop::broken("UPD-COMPLETE", expected, what).at(at))
    }

    /// Reads tables on a connection, in as many shapes as it takes, from a cursor if there is one; gives the subscriptions after their first complete updates.
    pub(crate) async fn read(
        &self,
        conn: ConnIx,
        tables: &BTreeSet<String>,
        cursor: Option<&Value>,
    ) -> Result<Vec<usize>, Stop> {
        let at_most = self
            .with(|state| state.facts.limit(conn, "shapeTablesMax"))
            .unwrap_or(1)
            .max(1);
        let tables: Vec<&String> = tables.iter().collect();
        let mut subs = Vec::new();
        for some in tables.chunks(usize::try_from(at_most).unwrap_or(usize::MAX)) {
            let shape: serde_json::Map<_, _> = some
                .iter()
                .map(|table| ((*table).clone(), json!({})))
                .collect();
            subs.push(self.read_shape(conn, shape, cursor).await?);
        }
        Ok(subs)
    }

    /// Reads a shape on a connection, from a cursor if there is one; gives the subscription after its first complete update.
    pub(crate) async fn read_shape(
        &self,
        conn: ConnIx,
        shape: serde_json::Map<String, Value>,
        cursor: Option<&Value>,
    ) -> Result<usize, Stop> {
        let id = format!("sub-{}", self.with(State::counted));
        let mut subscribe = json!({ "type": "subscribe", "id": id, "tables": shape });
        if let Some(cursor) = cursor {
            subscribe["cursor"] = cursor.clone();
        }
        let asked = self.say(conn, &subscribe).await?;
        let (at, answer) = self.answer(conn, asked, "subscribed").await?;
        if answer.kind() != "subscribed" {
            return Err(Stop::fail("subscribed", answer.to_string()).at([asked.at, at]));
        }
        let first = self.until(
            conn,
            "the first complete update of the subscription",
            Duration::ZERO,
            |state| {
                let sub = state.facts.sub_of(asked.at)?;
                (!state.facts.subs[sub].completes.is_empty()).then_some(Ok(sub))
            },
        );
        first.await
    }
}

/// Two live replicas that differ in a table of both: how, and the last entries of each.
fn differing(state: &State, subs: &[usize]) -> Option<(String, Vec<usize>)> {
    // What one with a bare cursor held before is only believed, and perhaps not all was told then: the checkers judge it, later.
    // One that has ended meanwhile is no live replica any more.
    let live = state.live_subs();
    let compared = |index: &usize| {
        let sub = &state.facts.subs[*index];
        live.contains(index) && (sub.cursor.is_none() || sub.resumes.is_some())
    };
    let subs: Vec<usize> = subs.iter().copied().filter(compared).collect();
    let pairs = subs
        .iter()
        .enumerate()
        .flat_map(|(index, a)| subs[index + 1..].iter().map(move |b| (*a, *b)));
    for (a, b) in pairs {
        let (a, b) = (&state.facts.subs[a], &state.facts.subs[b]);
        let workspace = |sub: &Sub| state.facts.conns[sub.conn].workspace().to_owned();
        let shared: BTreeSet<&String> = a.tables.intersection(&b.tables).collect();
        if workspace(a) != workspace(b) || a.epoch != b.epoch || shared.is_empty() {
            continue;
        }
        // What both have is what both filters take.
        let of_both = (
            b.filters.among(&a.replica.rows),
            a.filters.among(&b.replica.rows),
        );
        if let Some(what) = difference(&of_both.0, &of_both.1, &shared) {
            let names = [a, b]
                .map(|sub| state.facts.conns[sub.conn].name.as_str())
                .join(" and ");
            let at = [a, b]
                .iter()
                .filter_map(|sub| sub.parts.last())
                .map(|part| part.at)
                .collect();
            return Some((format!("{names}: {what}"), at));
        }
    }
    None
}

/// What a subscription must come to.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    /// The version.
    version: u64,
    /// The rows with which it may stay behind that version; none if the version itself is owed, to the author of what took it.
    rows: Option<BTreeMap<RowKey, Option<u64>>>,
}

impl Owed {
    /// Why.
    fn requirement(&self) -> &'static str {
        if self.rows.is_some() {
            "UPD-DELIVERED"
        } else {
            "UPD-LEVEL"
        }
    }
}

/// Compares rows with what is expected of them: rows that must be there, rows that must not, and whether there may be others.
pub(crate) struct Expected {
    /// Key, pattern of the value, pattern of the version.
    pub(crate) rows: Vec<(RowKey, Option<Value>, Option<Value>)>,
    /// Rows that must not be there.
    pub(crate) absent: Vec<RowKey>,
    /// Whether there may be no others.
    pub(crate) exactly: bool,
}

impl Expected {
    /// Compares; says the first difference. What the patterns bind is bound.
    pub(crate) fn check(&self, cx: &Cx, rows: &BTreeMap<RowKey, Row>) -> Result<(), Stop> {
        for (key, value, version) in &self.rows {
            let Some(row) = rows.get(key) else {
                return Err(Stop::fail(format!("a row {}", label(key)), "there is none"));
            };
            let differs = |what: &str, expected: &Value, actual: &Value| {
                Stop::fail(
                    format!("{what} {} in {}", short(expected), label(key)),
                    short(actual),
                )
            };
            if let Some(pattern) = value
                && cx
                    .matches(pattern, Some(&row.value), Others::Refused)
                    .is_err()
            {
                return Err(differs("the value", pattern, &row.value));
            }
            if let Some(pattern) = version
                && cx
                    .matches(pattern, Some(&row.version.into()), Others::Refused)
                    .is_err()
            {
                return Err(differs("the version", pattern, &row.version.into()));
            }
        }
        let named: BTreeSet<&RowKey> = self.rows.iter().map(|(key, _, _)| key).collect();
        let wrong = self.absent.iter().find(|key| rows.contains_key(key));
        let other = rows.keys().find(|key| self.exactly && !named.contains(key));
        match wrong.or(other) {
            Some(key) => Err(Stop::fail(
                format!("no row {}", label(key)),
                short(&rows[key].value),
            )),
            None => Ok(()),
        }
    }
}

/// The first difference between two replicas' rows of these tables, for people.
pub(crate) fn difference(
    a: &BTreeMap<RowKey, Row>,
    b: &BTreeMap<RowKey, Row>,
    tables: &BTreeSet<&String>,
) -> Option<String> {
    let keys: BTreeSet<&RowKey> = a
        .keys()
        .chain(b.keys())
        .filter(|key| tables.contains(&key.0))
        .collect();
    keys.into_iter().find_map(|key| {
        let same = match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => a.version == b.version && equal(&a.value, &b.value),
            (a, b) => a.is_none() && b.is_none(),
        };
        let show = |row: Option<&Row>| {
            row.map_or_else(
                || "not there".to_owned(),
                |row| format!("{} at {}", short(&row.value), row.version),
            )
        };
        (!same).then(|| {
            format!(
                "{} is {} here, {} there",
                label(key),
                show(a.get(key)),
                show(b.get(key))
            )
        })
    })
}

/// A row's name for people.
pub(crate) fn label(key: &RowKey) -> String {
    format!(
        "{}/{}",
        short(&key.0.as_str().into()),
        short(&key.1.as_str().into())
    )
}
