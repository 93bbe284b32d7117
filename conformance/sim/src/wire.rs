//! Connections: two lanes, each of which gives a prefix of what was put in, in order, late or cut short. That is what TCP leaves of any network.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::dice::Dice;

/// Something that is under way.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A text frame.
    Frame(Arc<str>),
    /// A WebSocket ping, down, or its answer, up.
    Ping,
    /// The end: with a close frame, its code.
    End(Option<u16>),
}

impl Item {
    /// Bytes that it takes of a queue.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Item::Frame(text) => text.len() + 64,
            Item::Ping | Item::End(_) => 0,
        }
    }
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// An app's, by number.
    App(usize),
    /// The auditor's.
    Auditor,
    /// The stranger's.
    Stranger,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) items: VecDeque<Item>,
    /// When the last of them arrives.
    last_us: u64,
    /// Nothing is put in any more.
    shut: bool,
}

impl Lane {
    /// Puts an item in; gives when it arrives, if it ever does.
    pub(crate) fn put(&mut self, item: Item, now_us: u64, late_us: u64) -> Option<u64> {
        if self.shut {
            return None;
        }
        self.shut = matches!(item, Item::End(_));
        self.items.push_back(item);
        self.last_us = self.last_us.max(now_us + late_us);
        Some(self.last_us)
    }

    /// Loses what is under way, but for the first so many; nothing else gets in.
    pub(crate) fn lose(&mut self, kept: usize) {
        self.items.truncate(kept);
        self.shut = true;
    }

    /// The same, and whoever reads finds the end behind them.
    pub(crate) fn cut(&mut self, kept: usize, now_us: u64) -> u64 {
        self.lose(kept);
        self.items.push_back(Item::End(None));
        self.last_us = self.last_us.max(now_us);
        self.last_us
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Whose.
    pub(crate) client: Who,
    /// To which node.
    pub(crate) node: usize,
    /// Whether the client's end is open.
    pub(crate) client_open: bool,
    /// Whether the server's end is open.
    pub(crate) server_open: bool,
    pub(crate) up: Lane,
    pub(crate) down: Lane,
    /// Until when nothing passes.
    pub(crate) stalled_until_us: u64,
    /// Until when what the client has sent lingers on its way, though the client's end is over.
    pub(crate) lingers_until_us: u64,
    /// Nothing passes ever again.
    pub(crate) silent: bool,
    /// Frames that the server has read.
    pub(crate) frames: u64,
    /// Bytes under way to the client.
    pub(crate) down_bytes: usize,
    /// The engine waits for room.
    pub(crate) starved: bool,
    /// When the server last heard anything.
    pub(crate) heard_us: u64,
    /// Whether the server has heard, and said, anything since the last beat of its heart.
    pub(crate) heard: bool,
    pub(crate) spoke: bool,
    /// Whether its end is no surprise, as the witness was told.
    pub(crate) may_end: bool,
    pub(crate) dice: Dice,
}

impl Conn {
    pub(crate) fn new(client: Who, node: usize, now_us: u64, dice: Dice) -> Conn {
        Conn {
            client,
            node,
            client_open: false,
            server_open: false,
            up: Lane::default(),
            down: Lane::default(),
            stalled_until_us: 0,
            lingers_until_us: 0,
            silent: false,
            frames: 0,
            down_bytes: 0,
            starved: false,
            heard_us: now_us,
            heard: true,
            spoke: true,
            may_end: false,
            dice,
        }
    }

    /// How many of the items of a lane arrive in spite of a cut.
    pub(crate) fn survivors(dice: &mut Dice, lane: &Lane) -> usize {
        dice.below(lane.items.len() as u64 + 1) as usize
    }
}
