//! The fault model: what a network may do to a connection, without any IO.
//!
//! Bytes, time and a seed go in; bytes to write and the end of the connection come out (see [`Path`]). The shell around it is `proxy`.
//!
//! TCP below a WebSocket is reliable and ordered. So whatever happens here, each side gets a *prefix* of what the other has sent: late, in
//! pieces, or cut short, never with a hole. A frame that comes twice, or on another connection, is something that a client sends: that is a
//! step (`write` with `copies`, `replay`), not a fault. And so a history, which is written at the client's end, stays true under every fault: what was sent and not
//! answered may or may not have reached the server.

mod lane;
mod path;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use path::{End, Output, Path};

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// Which directions a fault is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ways {
    /// Both.
    #[default]
    Both,
    /// From the client to the server alone.
    Up,
    /// From the server to the client alone.
    Down,
}

impl Ways {
    fn holds(self, way: Way) -> bool {
        matches!(
            (self, way),
            (Ways::Both, _) | (Ways::Up, Way::Up) | (Ways::Down, Way::Down)
        )
    }
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It ends, at both sides.
    Cut,
    /// It ends by a TCP reset.
    Reset,
    /// Nothing passes any more, and nobody is told: half-open. What was sent meanwhile is lost for ever.
    Silence,
    /// Nothing passes for so many milliseconds, or until it is healed; nothing is lost.
    Stall(Option<u64>),
    /// Everything is late by so many milliseconds, and up to so many more.
    Delay(u64, u64),
    /// So many bytes a second pass.
    Throttle(u64),
    /// At most so many bytes pass at once.
    Chop(u64),
    /// Each message is split into so many WebSocket frames.
    Fragment(u64),
}

/// When a fault begins: at a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trigger {
    /// Which way the frame goes.
    pub way: Way,
    /// The message's `type`. Without it: any message.
    pub frame: Option<String>,
    /// The how manieth such frame from here on.
    #[serde(default = "one")]
    pub nth: u64,
    /// true: once the frame has passed. false: before it does.
    #[serde(default)]
    pub after: bool,
}

fn one() -> u64 {
    1
}

/// Something that goes wrong, on all connections that it is given to.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// In which directions.
    pub ways: Ways,
    /// From when on; at once, if it is not said.
    pub at: Option<Trigger>,
    /// What it has done.
    pub mark: Arc<Mark>,
}

/// What a fault has done so far, over all the connections that it was given to.
#[derive(Debug, Default)]
pub struct Mark {
    hits: AtomicU64,
    seen: AtomicU64,
    fired: AtomicBool,
}

impl Mark {
    /// How many frames, or connections, it has hit.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Fault {
    /// Whether it is over once it has happened, so that a later connection knows nothing of it.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        let ends = matches!(self.kind, Kind::Cut | Kind::Reset);
        ends && (self.at.is_none() || self.mark.fired.load(Ordering::Relaxed))
    }

    /// Whether the server may take it for a reason to close the connection.
    #[must_use]
    pub fn may_end(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Delay(..) | Kind::Chop(_) | Kind::Fragment(_)
        )
    }

    /// Whether nothing gets through from now on until it is healed.
    #[must_use]
    pub fn blocks(&self) -> bool {
        let holds = matches!(self.kind, Kind::Silence | Kind::Stall(None));
        holds && (self.at.is_none() || self.mark.fired.load(Ordering::Relaxed))
    }

    /// A frame passes: whether the fault begins with it.
    fn fires(&self, way: Way, frame: &str) -> Option<bool> {
        let at = self.at.as_ref().filter(|at| at.way == way)?;
        if at.frame.as_ref().is_some_and(|wanted| wanted != frame) {
            return None;
        }
        let nth = self.mark.seen.fetch_add(1, Ordering::Relaxed) + 1;
        (nth == at.nth).then(|| {
            self.mark.fired.store(true, Ordering::Relaxed);
            at.after
        })
    }
}
