//! The agenda: what is due when. Of what is due at one moment, what was put in first is first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A doing of the plan, by number.
    Doing(usize),
    /// An app takes in what has come.
    Wake(usize),
    /// An app looks at its clock.
    Timer(usize),
    /// An app is started.
    Start(usize),
    /// A connection is open, or could not be opened.
    Opened(usize),
    /// The next item of a connection arrives at the server.
    Up(usize),
    /// The next item of a connection arrives at the client.
    Down(usize),
    /// A node takes a step.
    Step(usize),
    /// A node's append is over; the number tells which.
    Appended(usize, u64),
    /// A node is started, after this was done to it.
    NodeUp(usize),
    /// The server's side of a connection looks at the clock.
    Heart(usize),
    /// Everybody sleeps from now on, so many milliseconds longer than a client sends again.
    Sleep(u64),
    /// The world looks whether all is quiet.
    Look,
}

/// What is due when.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64, Due)>>,
    made: u64,
    /// How long everything stood still: what was due is so much later.
    slept_us: u64,
}

impl Agenda {
    /// Puts something in, due at this moment.
    pub(crate) fn put(&mut self, at_us: u64, due: Due) {
        self.made += 1;
        let at_us = at_us.saturating_sub(self.slept_us);
        self.heap.push(Reverse((at_us, self.made, due)));
    }

    /// Takes out what is due first.
    pub(crate) fn next(&mut self) -> Option<(u64, Due)> {
        let Reverse((at_us, _, due)) = self.heap.pop()?;
        Some((at_us + self.slept_us, due))
    }

    /// Everything stands still for so long.
    pub(crate) fn sleep(&mut self, us: u64) {
        self.slept_us += us;
    }
}
