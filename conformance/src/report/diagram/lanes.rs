//! Who has a lane, and where it stands: the server in the middle, clients to its left and right, so that few arrows cross a lane.

use std::collections::BTreeSet;

use crate::facts::Facts;
use crate::history::Event;

/// On which side of the server a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Side {
    /// Before it.
    Left,
    /// Behind it.
    Right,
}

/// The lane of a client.
#[derive(Clone, Debug)]
pub(in crate::report) struct Lane {
    /// Its name in the scenario.
    pub(in crate::report) name: String,
    /// Its side.
    pub(in crate::report) side: Side,
    /// How many lanes stand between it and the server.
    pub(in crate::report) rank: usize,
}

/// Whose doing an entry is, or whom it concerns; nobody's, if it concerns all.
pub(super) fn name(facts: &Facts, at: usize) -> Option<&str> {
    let event = &facts.entries[at].event;
    match event {
        Event::Asked { client, .. }
        | Event::Told { client, .. }
        | Event::Process { client, .. } => Some(client),
        _ => event.conn().map(|conn| facts.conns[conn].name.as_str()),
    }
}

/// The lanes of these entries: those with marks stand next to the server.
pub(super) fn of(facts: &Facts, entries: &BTreeSet<usize>, marked: &BTreeSet<usize>) -> Vec<Lane> {
    let mut names: Vec<&str> = Vec::new();
    for name in marked
        .iter()
        .chain(entries)
        .filter_map(|at| name(facts, *at))
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let placed = names.iter().enumerate().map(|(index, name)| Lane {
        name: (*name).to_owned(),
        side: if index % 2 == 0 {
            Side::Left
        } else {
            Side::Right
        },
        rank: index / 2,
    });
    placed.collect()
}
