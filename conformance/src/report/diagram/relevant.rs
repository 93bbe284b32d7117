//! Which entries of a history matter for what was found: a history may be of a million entries, and a picture of sixty rows.
//!
//! First what shows the failures; then the frames that speak of the same operations, rows, versions and shapes; then what made and ended the
//! sessions, and what befell all; and last whatever was near.

use std::collections::BTreeSet;

use serde_json::Value;

use super::lanes::name;
use crate::facts::Facts;
use crate::history::{Event, Frame, whole};

/// So many entries that show failures are drawn; more of them seldom say more.
const MARKED_MAX: usize = 20;

/// So many entries that are related to those are drawn.
const RELATED_MAX: usize = 16;

/// So many openings, endings and interventions are drawn.
const TURNS_MAX: usize = 12;

/// So many entries are drawn because they are near.
const NEAR_MAX: usize = 14;

/// So many clients are drawn, those with marks first: with more, there would be no room for words.
const LANES_MAX: usize = 5;

/// So many entries after the last that shows a failure may be drawn.
const AFTER: usize = 2;

/// The entries that are drawn.
pub(super) fn chosen(facts: &Facts, marked: &BTreeSet<usize>) -> BTreeSet<usize> {
    let last = facts.entries.len().saturating_sub(1);
    // What never came shows nowhere: then the end is what matters.
    let focus: Vec<usize> = match marked.is_empty() {
        true => vec![last],
        false => first_and_last(marked),
    };
    let end = focus.last().map_or(last, |at| (at + AFTER).min(last));
    let all = 0..(end + 1).min(facts.entries.len());
    let near = |at: &usize| focus.iter().map(|of| of.abs_diff(*at)).min();
    let mut chosen: BTreeSet<usize> = focus
        .iter()
        .copied()
        .filter(|at| all.contains(at))
        .collect();
    let topic = Topic::of(facts, &focus);
    let bond = |at: &usize| topic.bond(facts, *at);
    let mut related: Vec<usize> = all.clone().filter(|at| bond(at) > 0).collect();
    related.sort_by_key(|at| (usize::MAX - bond(at), near(at)));
    let names = lanes(facts, focus.iter().chain(&related).copied());
    related.retain(|at| is_drawn(facts, *at, &names));
    take(&mut chosen, related, RELATED_MAX);
    let mut others: Vec<usize> = all.filter(|at| is_drawn(facts, *at, &names)).collect();
    others.sort_by_key(near);
    let turns = others.iter().copied().filter(|at| is_turn(facts, *at));
    take(&mut chosen, turns.collect(), TURNS_MAX);
    take(&mut chosen, others, NEAR_MAX);
    chosen
}

/// Takes the first of these entries, so many that were not taken before.
fn take(chosen: &mut BTreeSet<usize>, entries: Vec<usize>, most: usize) {
    let new: Vec<usize> = entries
        .into_iter()
        .filter(|at| !chosen.contains(at))
        .collect();
    chosen.extend(new.into_iter().take(most));
}

/// The first clients among these entries.
fn lanes(facts: &Facts, entries: impl Iterator<Item = usize>) -> Vec<&str> {
    let mut names = Vec::new();
    for name in entries.filter_map(|at| name(facts, at)) {
        if names.len() < LANES_MAX && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whether an entry is worth a row: it concerns these clients, or all, and says something.
fn is_drawn(facts: &Facts, at: usize, names: &[&str]) -> bool {
    let heard = matches!(facts.entries[at].event, Event::Heard { .. });
    !heard && name(facts, at).is_none_or(|name| names.contains(&name))
}

fn first_and_last(marked: &BTreeSet<usize>) -> Vec<usize> {
    let all: Vec<usize> = marked.iter().copied().collect();
    if all.len() <= MARKED_MAX {
        return all;
    }
    let half = MARKED_MAX / 2;
    [&all[..half], &all[all.len() - half..]].concat()
}

/// Whether something begins or ends there, or is done to all.
fn is_turn(facts: &Facts, at: usize) -> bool {
    match &facts.entries[at].event {
        Event::Sent { frame, .. } | Event::Received { frame, .. } => {
            ["hello", "welcome", "error", "goaway"].contains(&frame.kind())
        }
        Event::Heard { .. } | Event::MayEnd { .. } | Event::Asked { .. } | Event::Told { .. } => {
            false
        }
        _ => true,
    }
}

/// What some frames speak of.
#[derive(Default)]
struct Topic {
    ops: BTreeSet<String>,
    rows: BTreeSet<String>,
    versions: BTreeSet<u64>,
    shapes: BTreeSet<(usize, String)>,
}

impl Topic {
    fn of(facts: &Facts, entries: &[usize]) -> Topic {
        let mut topic = Topic::default();
        for at in entries {
            topic.add(facts, *at);
        }
        topic
    }

    fn add(&mut self, facts: &Facts, at: usize) {
        let Some(frame) = facts.frame(at) else { return };
        let of =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        for item in items(frame) {
            self.ops.extend(of(item, "opId"));
            self.rows.extend(row(item));
            self.versions.extend(item.get("version").and_then(whole));
            let ops = item.get("ops").and_then(Value::as_array);
            self.rows.extend(ops.into_iter().flatten().filter_map(row));
        }
        self.versions.extend(frame.number("from"));
        self.versions.extend(frame.number("to"));
        // Version 0 is before everything, and speaks of nothing.
        self.versions.remove(&0);
        let conn = facts.entries[at].event.conn();
        let shape = frame.string("shape").map(str::to_owned);
        self.shapes.extend(conn.zip(shape));
    }

    /// How much an entry has to do with it.
    fn bond(&self, facts: &Facts, at: usize) -> usize {
        let mut other = Topic::default();
        other.add(facts, at);
        let meets = |one: bool, weight: usize| if one { weight } else { 0 };
        meets(!self.ops.is_disjoint(&other.ops), 4)
            + meets(!self.versions.is_disjoint(&other.versions), 3)
            + meets(!self.shapes.is_disjoint(&other.shapes), 2)
            + meets(!self.rows.is_disjoint(&other.rows), 1)
    }
}

/// The mutations, results or changes of a frame.
fn items(frame: &Frame) -> impl Iterator<Item = &Value> {
    let lists = ["mutations", "results", "changes"].into_iter();
    lists
        .filter_map(|name| frame.member(name)?.as_array())
        .flatten()
}

fn row(value: &Value) -> Option<String> {
    let word = |name: &str| value.get(name).and_then(Value::as_str);
    Some(format!("{}\u{0}{}", word("table")?, word("key")?))
}
