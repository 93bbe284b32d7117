//! What replicas hold, and waiting for them to hold all that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cx, State, Stop};
use crate::facts::{Log, Mutation, Row, RowKey, Sub};
use crate::history::ConnIx;
use crate::matcher::{Others, equal, short};

impl State {
    /// What a subscription must reach to have all that was acknowledged so far.
    pub(crate) fn owed(&self, sub: usize) -> Owed {
        let sub = &self.facts.subs[sub];
        let workspace = self.facts.conns[sub.conn].workspace();
        let changed = Log::of(&self.facts, workspace, &sub.epoch).last_change(&sub.tables);
        let touches = |mutation: &&Mutation| {
            mutation
                .rows()
                .iter()
                .any(|(table, _)| sub.tables.contains(table))
        };
        let told = self.facts.ledger.mutations.iter().filter(touches);
        let told = told.flat_map(|mutation| &mutation.outcomes);
        let own = told.filter(|told| {
            told.conn == sub.conn && told.status == "applied" && told.at > sub.subscribed_at
        });
        match own.map(|told| told.version).max() {
            Some(version) if version > changed => Owed {
                version,
                requirement: "UPD-LEVEL",
            },
            _ => Owed {
                version: changed,
                requirement: "UPD-DELIVERED",
            },
        }
    }

    /// Whether a subscription has a complete update, and its cursor is at this version at least.
    pub(crate) fn has_reached(&self, sub: usize, version: u64) -> bool {
        let sub = &self.facts.subs[sub];
        !sub.completes.is_empty() && sub.replica.version(&sub.epoch) >= version
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

impl Cx {
    /// Awaits that a subscription has all that was acknowledged so far of its tables.
    pub(crate) async fn caught_up(&self, sub: usize) -> Result<(), Stop> {
        let (conn, live, owed) = self.with(|state| {
            let live = state.live_subs().contains(&sub);
            (state.facts.subs[sub].conn, live, state.owed(sub))
        });
        if !live {
            return Ok(());
        }
        let wanted = format!(
            "an update of the subscription on {} to version {} or above",
            self.name(conn),
            owed.version
        );
        let level_ms = self.with(|state| state.facts.limit(conn, "levelMs"));
        let patience = Duration::from_millis(level_ms.unwrap_or(0));
        let reached = self.until(conn, &wanted, patience, |state| {
            state.has_reached(sub, owed.version).then_some(Ok(()))
        });
        let reached = reached.await;
        let open = self.with(|state| state.is_open(conn));
        reached.map_err(|stop| match stop {
            Stop::Fail(mut failure) if open => {
                failure.requirements = vec![owed.requirement.to_owned()];
                Stop::Fail(failure)
            }
            other => other,
        })
    }

    /// Awaits that all live replicas (of these connections, or all) have what was acknowledged, and are equal.
    pub(crate) async fn converge(&self, only: Option<&[ConnIx]>) -> Result<(), Stop> {
        let subs = self.with(|state| state.live_subs());
        let of = |state: &State, sub: usize| {
            only.is_none_or(|only| only.contains(&state.facts.subs[sub].conn))
        };
        let subs: Vec<usize> = subs
            .into_iter()
            .filter(|sub| self.with(|state| of(state, *sub)))
            .collect();
        let mut late = None;
        for sub in &subs {
            match self.caught_up(*sub).await {
                Err(Stop::Fail(failure)) if failure.requirements == ["UPD-DELIVERED"] => {
                    late = Some(Stop::Fail(failure));
                }
                // It is no live replica any more.
                Err(Stop::Lost(_)) => {}
                other => other?,
            }
        }
        let subs: Vec<usize> = self.with(|state| {
            let live = state.live_subs();
            subs.into_iter().filter(|sub| live.contains(sub)).collect()
        });
        let mut same = |state: &mut State| differing(state, &subs).is_none().then_some(Ok(()));
        let time = if late.is_some() {
            Duration::ZERO
        } else {
            self.deadline
        };
        let same = self.poll(None, "", time, &mut same).await?.is_some();
        match late {
            // Nobody owes a version that changed nothing: it is the rows that count. Alone, there is nobody to compare with.
            Some(failure) if !same || subs.len() == 1 => Err(failure),
            None if !same => {
                let differing = self.with(|state| differing(state, &subs));
                let (what, at) = differing.unwrap_or_default();
                let expected = "replicas that are level hold the same";
                Err(Stop::broken("UPD-COMPLETE", expected, what).at(at))
            }
            _ => Ok(()),
        }
    }

    /// Reads tables on a connection, in as many shapes as it takes; gives the subscriptions after their first complete updates.
    pub(crate) async fn read(
        &self,
        conn: ConnIx,
        tables: &BTreeSet<String>,
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
            let id = format!("sub-{}", self.with(State::counted));
            let asked = self
                .say(
                    conn,
                    &json!({ "type": "subscribe", "id": id, "tables": shape }),
                )
                .await?;
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
            subs.push(first.await?);
        }
        Ok(subs)
    }
}

/// Two live replicas that differ in a table of both: how, and the last entries of each.
fn differing(state: &State, subs: &[usize]) -> Option<(String, Vec<usize>)> {
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
        if let Some(what) = difference(&a.replica.rows, &b.replica.rows, &shared) {
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

/// How far a subscription must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    /// The version.
    pub(crate) version: u64,
    /// Why.
    pub(crate) requirement: &'static str,
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
