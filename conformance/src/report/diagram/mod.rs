//! A space-time diagram of what led to a failure: clients and server as lanes, time downwards, a frame an arrow.
//!
//! Here is what is drawn, without a pen: [`svg`] and [`text`] draw it. Not all that happened is drawn, but [what matters](relevant); the rest is
//! folded into a row that says how much it is. The runner sees one end of each frame only, its own: the other end of an arrow is drawn, not known.

mod lanes;
mod relevant;
mod svg;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use super::redact::Redaction;
use super::words::brief;
use crate::drive::Failure;
use crate::facts::Facts;
use crate::history::{Event, Frame};
use crate::requirements::Binds;

pub(super) use lanes::{Lane, Side};
pub(super) use svg::{ROW, svg};
pub(super) use text::text;

/// What is drawn.
pub(super) struct Diagram {
    /// The clients, in the order in which they are met from left to right; the server stands between the sides.
    pub(super) lanes: Vec<Lane>,
    /// From the top downwards.
    pub(super) rows: Vec<Row>,
}

/// A row of the diagram.
pub(super) struct Row {
    /// What is drawn in it.
    pub(super) mark: Mark,
    /// What is written at it.
    pub(super) label: String,
    /// The lanes that have a connection before it and after it.
    pub(super) before: BTreeSet<usize>,
    pub(super) after: BTreeSet<usize>,
    /// Microseconds since the scenario began.
    pub(super) at_us: u64,
    /// The entry of the history; none if several are folded.
    pub(super) at: Option<usize>,
    /// The numbers, from 1, of the failures that it shows.
    pub(super) shows: Vec<usize>,
    /// Whether it is a refusal.
    pub(super) refuses: bool,
}

/// What is drawn in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A frame from a client to the server.
    ToServer(usize),
    /// A frame from the server to a client.
    ToClient(usize),
    /// A connection begins.
    Opens(usize),
    /// A connection ends.
    Ends(usize),
    /// Something that a client does by itself.
    Aside(usize),
    /// Something that concerns all.
    Across,
    /// Rows that are not drawn.
    Folded,
}

impl Diagram {
    /// The diagram of a history in which these failures were found.
    pub(super) fn of(facts: &Facts, failures: &[Failure], binds: Binds) -> Diagram {
        let marked: BTreeSet<usize> = failures
            .iter()
            .flat_map(|failure| failure.at.iter().copied())
            .filter(|at| *at < facts.entries.len())
            .collect();
        let chosen = relevant::chosen(facts, &marked);
        let lanes = lanes::of(facts, &chosen, &marked);
        let redaction = Redaction::of(&facts.entries);
        let mut sketch = Sketch {
            facts,
            redaction: &redaction,
            failures,
            binds,
            lanes: &lanes,
            open: BTreeMap::new(),
            rows: Vec::new(),
        };
        let mut folded = Vec::new();
        for at in 0..facts.entries.len() {
            if chosen.contains(&at) {
                sketch.fold(&std::mem::take(&mut folded));
                sketch.event(at);
            } else {
                folded.push(at);
                sketch.follow(at);
            }
        }
        sketch.fold(&folded);
        let rows = sketch.rows;
        Diagram { lanes, rows }
    }
}

/// A diagram in the making.
struct Sketch<'a> {
    facts: &'a Facts,
    redaction: &'a Redaction,
    failures: &'a [Failure],
    binds: Binds,
    lanes: &'a [Lane],
    /// How many connections each lane has.
    open: BTreeMap<usize, usize>,
    rows: Vec<Row>,
}

impl Sketch<'_> {
    fn alive(&self) -> BTreeSet<usize> {
        let open = self.open.iter().filter(|(_, count)| **count > 0);
        open.map(|(lane, _)| *lane).collect()
    }

    fn lane(&self, at: usize) -> Option<usize> {
        let name = lanes::name(self.facts, at)?;
        self.lanes.iter().position(|lane| lane.name == name)
    }

    /// Follows which connections there are.
    fn follow(&mut self, at: usize) {
        let Some(lane) = self.lane(at) else { return };
        let open = self.open.entry(lane).or_default();
        match &self.facts.entries[at].event {
            Event::Opened { .. } => *open += 1,
            Event::Closed { .. } | Event::Reset { .. } | Event::Left { .. } => {
                *open = open.saturating_sub(1)
            }
            _ => {}
        }
    }

    fn event(&mut self, at: usize) {
        let before = self.alive();
        self.follow(at);
        let entry = &self.facts.entries[at];
        let failures = self.failures.iter().enumerate();
        let shows = failures.filter(|(_, failure)| failure.at.contains(&at));
        self.rows.push(Row {
            mark: self.mark(at),
            label: self.redaction.apply(&brief(&entry.event)),
            before,
            after: self.alive(),
            at_us: entry.at_us,
            at: Some(at),
            shows: shows.map(|(index, _)| index + 1).collect(),
            refuses: self
                .facts
                .frame(at)
                .is_some_and(|frame| ["error", "goaway"].contains(&frame.kind())),
        });
    }

    fn mark(&self, at: usize) -> Mark {
        let Some(lane) = self.lane(at) else {
            return Mark::Across;
        };
        // Where clients are judged, the runner is the server.
        let by_client = self.binds == Binds::Server;
        match &self.facts.entries[at].event {
            Event::Sent { .. } if by_client => Mark::ToServer(lane),
            Event::Received { .. } if !by_client => Mark::ToServer(lane),
            Event::Sent { .. } | Event::Received { .. } => Mark::ToClient(lane),
            Event::Opened { .. } => Mark::Opens(lane),
            Event::Closed { .. } | Event::Reset { .. } | Event::Left { .. } => Mark::Ends(lane),
            _ => Mark::Aside(lane),
        }
    }

    fn fold(&mut self, folded: &[usize]) {
        let Some(first) = folded.first() else { return };
        let alive = self.alive();
        self.rows.push(Row {
            mark: Mark::Folded,
            label: summed(self.facts, folded),
            before: alive.clone(),
            after: alive,
            at_us: self.facts.entries[*first].at_us,
            at: None,
            shows: Vec::new(),
            refuses: false,
        });
    }
}

/// So many kinds of frames are named of what is folded.
const KINDS_NAMED: usize = 3;

/// `130 more: 64 push, 64 ack, 2 update`.
fn summed(facts: &Facts, entries: &[usize]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let frames = entries.iter().filter_map(|at| facts.frame(*at));
    for kind in frames.map(Frame::kind).filter(|kind| !kind.is_empty()) {
        *kinds.entry(kind).or_default() += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named = kinds.iter().take(KINDS_NAMED);
    let named: Vec<_> = named
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let colon = if named.is_empty() { "" } else { ": " };
    format!("{} more{colon}{}", entries.len(), named.join(", "))
}

#[cfg(test)]
mod tests;
