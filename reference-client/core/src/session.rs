//! What a replica knows only as long as a connection lasts: nothing here is stored, and all of it is dropped when the connection breaks.
//!
//! ```text
//!            go_online             wait is over            connected            welcome handled
//!   Paused ───────────▶ Waiting ───────────────▶ Connecting ────────▶ Greeting ────────────────▶ Ready
//!      ▲                   ▲                         │                   │                         │
//!      │ go_offline        └─────────────────────────┴───────────────────┴─────────────────────────┘
//!      └── from anywhere            the connection failed, broke, or is given up: wait, then again
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syncline_schemas::{Limits, Welcome};

use crate::awaited::Awaited;
use crate::digests::DIGESTS;
use crate::history::HISTORY;
use crate::presence::Told;
use crate::sequences::SEQUENCES;
use crate::staging::Staging;
use crate::stored::Tables;

/// How the replica is connected.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// The app wants no connection.
    Paused,
    /// Waits until this moment before the next attempt.
    Waiting { until_ms: u64 },
    /// The shell was told to connect.
    Connecting,
    /// `hello` was sent; nothing else may be, until `welcome` is handled (`CLIENT-AFTER-WELCOME`).
    Greeting { since_ms: u64 },
    /// In session.
    Ready(Box<Session>),
}

/// A session: what was said in it, and what is expected of it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The limits of its welcome.
    pub(crate) limits: Limits,
    /// When it was opened.
    pub(crate) since_ms: u64,
    /// When anything last came from the server.
    pub(crate) heard_ms: u64,
    /// When anything was last sent to the server.
    pub(crate) said_ms: u64,
    /// How many frames were sent, `hello` included: what `re` counts.
    pub(crate) frames: u64,
    /// Up to which `seq` mutations were sent.
    pub(crate) sent_through: u64,
    /// What was asked and not answered yet, and until when that may be.
    pub(crate) awaited: Awaited,
    /// The pushes that were not answered yet.
    pub(crate) unanswered: VecDeque<SentPush>,
    /// From which `seq` to send again, once the pushes that are under way are answered.
    pub(crate) rewind_to: Option<u64>,
    /// Until when nothing is pushed, because the server deferred.
    pub(crate) hold_until_ms: u64,
    /// The shapes asked for.
    pub(crate) shapes: BTreeMap<Tables, LiveShape>,
    /// Subscribes that are no longer wanted but not answered yet.
    pub(crate) abandoned: Vec<Abandoned>,
    /// Whether the server tells digests.
    pub(crate) offers_digests: bool,
    /// Whether the server allocates ids.
    pub(crate) offers_sequences: bool,
    /// Whether the server tells what was.
    pub(crate) offers_history: bool,
    /// The frames that asked for a digest and were not answered yet, each with the shape.
    pub(crate) digests: BTreeMap<u64, Tables>,
    /// The shapes that were found to differ here, and will not be asked for anew once more (`DIG-REPAIR`).
    pub(crate) repaired: BTreeSet<Tables>,
    /// What the server has been told of us, if it offers presence.
    pub(crate) presence: Option<Told>,
}

/// A push that was sent.
#[derive(Clone, Debug)]
pub(crate) struct SentPush {
    /// Which frame of the connection it was.
    pub(crate) frame: u64,
    /// The first `seq` in it.
    pub(crate) first: u64,
    /// The last `seq` in it.
    pub(crate) last: u64,
}

/// A subscribe that is no longer wanted.
#[derive(Clone, Debug)]
pub(crate) struct Abandoned {
    /// Its id.
    pub(crate) id: String,
    /// Which frame it was.
    pub(crate) frame: u64,
    /// Its tables.
    pub(crate) tables: Tables,
}

/// A shape on a session.
#[derive(Clone, Debug)]
pub(crate) struct LiveShape {
    /// Where the subscription stands.
    pub(crate) stage: Stage,
    /// The parts of an update that is not complete yet.
    pub(crate) staging: Option<Staging>,
    /// Whether it has had a complete update.
    pub(crate) levelled: bool,
    /// Whether it was subscribed anew for a gap, and has had no complete update since.
    pub(crate) gapped: bool,
    /// When its digest was asked for or told last, or else it was subscribed.
    pub(crate) verified_ms: u64,
    /// Whether it is to be asked for anew once it has, to be level with what the server had when the app asked for a sync.
    pub(crate) again: bool,
}

/// How far a subscription has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Asked for under this id, by this frame.
    Asked { id: String, frame: u64 },
    /// In force under this name.
    Live { name: String },
    /// Refused for now: asked for again at this moment.
    Postponed { until_ms: u64 },
    /// Refused for good, or until the next session.
    Refused,
}

impl Session {
    /// A session that begins now, with this answer to its first frame, `hello`.
    pub(crate) fn new(welcome: Welcome, acked_seq: u64, now_ms: u64) -> Session {
        let offers = |capability| welcome.capabilities.iter().any(|name| name == capability);
        let (offers_digests, offers_sequences) = (offers(DIGESTS), offers(SEQUENCES));
        let offers_history = offers(HISTORY);
        Session {
            limits: welcome.limits,
            since_ms: now_ms,
            heard_ms: now_ms,
            said_ms: now_ms,
            frames: 1,
            sent_through: acked_seq,
            awaited: Awaited::default(),
            unanswered: VecDeque::new(),
            rewind_to: None,
            hold_until_ms: 0,
            shapes: BTreeMap::new(),
            abandoned: Vec::new(),
            offers_digests,
            offers_sequences,
            offers_history,
            digests: BTreeMap::new(),
            repaired: BTreeSet::new(),
            presence: None,
        }
    }

    /// The shape of this name, if it is in force (`CLIENT-STRAY`).
    pub(crate) fn shape_named(&mut self, name: &str) -> Option<(Tables, &mut LiveShape)> {
        let named =
            |shape: &LiveShape| matches!(&shape.stage, Stage::Live { name: own } if own == name);
        let (tables, shape) = self.shapes.iter_mut().find(|(_, shape)| named(shape))?;
        Some((tables.clone(), shape))
    }

    /// Takes the push out that this frame answers.
    pub(crate) fn take_answered(&mut self, frame: u64) -> Option<SentPush> {
        let index = self
            .unanswered
            .iter()
            .position(|push| push.frame == frame)?;
        self.unanswered.remove(index)
    }

    /// Sends again from this `seq` on, once the pushes under way are answered: what they were refused for is
    /// then known too, and nothing is sent twice for one refusal (`CLIENT-ORDER`).
    pub(crate) fn rewind(&mut self, seq: u64) {
        self.rewind_to = Some(self.rewind_to.map_or(seq, |other| other.min(seq)));
    }
}
