//! The journal: where everything that happens is written down, and where those who wait look.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::outbox::Outboxes;
use crate::facts::Facts;
use crate::history::{ConnIx, Entry, Event};
use crate::stall;
use crate::vars::Vars;

/// What a scenario's run knows.
#[derive(Debug)]
pub struct State {
    /// The history and what it tells.
    pub facts: Facts,
    /// The names.
    pub vars: Vars,
    /// What clients have written and were not told the outcome of.
    pub(crate) outboxes: Outboxes,
    /// What steps have looked at, for each connection.
    pub looked: Vec<Looked>,
    began: Instant,
    stalls: stall::Mark,
    made: u64,
}

/// Which frames of a connection steps have looked at.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// The index, among the frames received, from which `expect` looks on.
    pub from: usize,
    /// The entries of frames that other steps have awaited.
    pub awaited: BTreeSet<usize>,
    /// Whether reading is stopped.
    pub paused: bool,
    /// Whether a fault lets nothing through, until it is healed.
    pub blocked: bool,
    /// When its opening began, in microseconds of the history: a server may count from then on.
    pub(crate) dialled_us: u64,
}

impl Looked {
    /// Whether what the server sends is heard.
    #[must_use]
    pub fn hears(&self) -> bool {
        !self.paused && !self.blocked
    }
}

impl State {
    /// Writes an event down.
    pub fn record(&mut self, event: Event) -> usize {
        let at_us = self.now_us();
        let lost = self.stalls.lost();
        if !lost.is_zero() {
            let ms = u64::try_from(lost.as_millis()).unwrap_or(u64::MAX);
            let event = Event::Stalled { ms };
            self.facts.apply(Entry { at_us, event });
        }
        if matches!(event, Event::Opened { .. }) {
            self.looked.push(Looked::default());
        }
        self.facts.apply(Entry { at_us, event });
        self.facts.entries.len() - 1
    }

    /// How late it is, in microseconds of the history.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A number that was not given before, for names.
    pub fn counted(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// From now on the connection's end is no surprise.
    pub fn let_end(&mut self, conn: ConnIx) {
        if !self.may_end(conn) {
            self.record(Event::MayEnd { conn });
        }
    }

    /// Whether the connection's end is no surprise.
    #[must_use]
    pub fn may_end(&self, conn: ConnIx) -> bool {
        self.facts.conns[conn].may_end_at.is_some()
    }

    /// Whether the connection can still be used.
    #[must_use]
    pub fn is_open(&self, conn: ConnIx) -> bool {
        self.facts.conns[conn].ended.is_none()
    }
}

/// The shared state of a run; whoever waits is told of every change.
#[derive(Debug)]
pub struct Journal {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl Journal {
    /// An empty journal.
    #[must_use]
    pub fn new(vars: Vars) -> Journal {
        let state = State {
            facts: Facts::default(),
            vars,
            outboxes: Outboxes::default(),
            looked: Vec::new(),
            began: Instant::now(),
            stalls: stall::Mark::now(),
            made: 0,
        };
        Journal {
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
        }
    }

    /// Looks at the state, or changes it; nobody else does meanwhile.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes an event down and tells those who wait.
    pub fn record(&self, event: Event) -> usize {
        let at = self.with(|state| state.record(event));
        self.changed.send_modify(|count| *count += 1);
        at
    }

    /// Writes down what came on a connection, unless it has ended: what the runner has left, it does not hear. Says whether it did.
    pub fn record_open(&self, conn: ConnIx, event: Event) -> bool {
        let open = self.with(|state| {
            let open = state.is_open(conn);
            if open {
                state.record(event);
            }
            open
        });
        self.changed.send_modify(|count| *count += 1);
        open
    }

    /// Notes whether a fault lets nothing through on a connection.
    pub(crate) fn block(&self, conn: ConnIx, blocked: bool) {
        let changes = self
            .with(|state| std::mem::replace(&mut state.looked[conn].blocked, blocked) != blocked);
        if changes {
            self.changed.send_modify(|count| *count += 1);
        }
    }

    /// Changes from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
