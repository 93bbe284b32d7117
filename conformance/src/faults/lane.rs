//! One direction of a connection: what is on its way, and when it may arrive.

use std::collections::VecDeque;

use super::path::End;
use super::wire::Units;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// What has come in, taken apart.
    pub(super) units: Units,
    queue: VecDeque<Parcel>,
    queued_bytes: usize,
    last_due_us: u64,
    hold: Option<Hold>,
    /// Nothing that comes in will ever go out.
    pub(super) silent: bool,
    /// Nothing more is taken in: the end is on its way.
    pub(super) closed: bool,
}

#[derive(Debug)]
struct Parcel {
    due_us: u64,
    what: Content,
}

/// What arrives.
#[derive(Debug)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    End(End),
}

#[derive(Clone, Copy, Debug)]
enum Hold {
    Until(u64),
    ForEver,
}

/// What a lane has to give now.
pub(super) enum Next {
    Now(Content),
    /// Nothing before this time; none: not before something changes.
    At(Option<u64>),
}

impl Lane {
    /// Puts bytes behind all that is on its way, due so late at the earliest.
    pub(super) fn put(&mut self, due_us: u64, bytes: Vec<u8>) {
        self.queued_bytes += bytes.len();
        self.last_due_us = self.last_due_us.max(due_us);
        self.queue.push_back(Parcel {
            due_us: self.last_due_us,
            what: Content::Bytes(bytes),
        });
    }

    /// The end, behind all that is on its way.
    pub(super) fn close(&mut self, now_us: u64, end: End) {
        if !std::mem::replace(&mut self.closed, true) {
            self.queue.push_back(Parcel {
                due_us: self.last_due_us.max(now_us),
                what: Content::End(end),
            });
        }
    }

    /// When what is on its way will all have arrived.
    pub(super) fn last_due_us(&self) -> u64 {
        self.last_due_us
    }

    /// How many bytes are on their way.
    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Nothing goes out before this time, or before [`Lane::release`].
    pub(super) fn hold(&mut self, until_us: Option<u64>) {
        self.hold = Some(until_us.map_or(Hold::ForEver, Hold::Until));
    }

    /// Goes on.
    pub(super) fn release(&mut self) {
        self.hold = None;
    }

    /// Whether nothing arrives until something is done about it.
    pub(super) fn is_blocked(&self) -> bool {
        self.silent || matches!(self.hold, Some(Hold::ForEver))
    }

    /// Whether something is held now.
    pub(super) fn is_held(&self, now_us: u64) -> bool {
        match self.hold {
            None => false,
            Some(Hold::ForEver) => true,
            Some(Hold::Until(until_us)) => now_us < until_us,
        }
    }

    /// What arrives now.
    pub(super) fn next(&mut self, now_us: u64) -> Next {
        match self.hold {
            Some(Hold::ForEver) => return Next::At(None),
            Some(Hold::Until(until_us)) if now_us < until_us => return Next::At(Some(until_us)),
            _ => self.hold = None,
        }
        match self.queue.front().map(|parcel| parcel.due_us) {
            Some(due_us) if due_us > now_us => Next::At(Some(due_us)),
            _ => self.queue.pop_front().map_or(Next::At(None), |parcel| {
                if let Content::Bytes(bytes) = &parcel.what {
                    self.queued_bytes -= bytes.len();
                }
                Next::Now(parcel.what)
            }),
        }
    }
}
