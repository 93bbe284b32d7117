//! Digests: what is held of a shape, held against what the server says that it has.
//!
//! The two differ only if something is wrong: a program, a disk. So the replica does not look for the fault: it takes the shape anew, once on each
//! connection, and tells the app. It checks after each resume, and at an interval while a connection lasts.

use syncline_schemas::{ClientMessage, Digest, Digested};

use crate::env::Env;
use crate::events::Event;
use crate::replica::Replica;
use crate::session::{Link, LiveShape, Session, Stage};
use crate::stored::{StoreChange, Tables};

/// The capability's name.
pub(crate) const DIGESTS: &str = "digests";

/// How often a replica verifies itself, unless the app chooses otherwise: a quarter of an hour.
const VERIFY_MS: u64 = 15 * 60 * 1000;

/// No interval is shorter: what differs does not come of time.
const VERIFY_LEAST_MS: u64 = 1_000;

/// When the replica checks what it holds beside the checks after a resume and a replacement.
#[derive(Clone, Debug)]
pub(crate) struct Verification {
    every_ms: Option<u64>,
}

impl Default for Verification {
    fn default() -> Verification {
        let every_ms = Some(VERIFY_MS);
        Verification { every_ms }
    }
}

impl Verification {
    /// When a shape is to be checked again.
    fn due_ms(&self, shape: &LiveShape) -> Option<u64> {
        let is_live = matches!(shape.stage, Stage::Live { .. }) && shape.levelled;
        let every_ms = self.every_ms.filter(|_| is_live)?;
        Some(shape.verified_ms.saturating_add(every_ms))
    }
}

impl Session {
    /// When the next shape is to be checked again; one whose digest is on its way is not.
    pub(crate) fn verify_due(&self, verification: &Verification) -> Option<(u64, Tables)> {
        let shapes = self.shapes.iter().filter(|_| self.offers_digests);
        let idle =
            shapes.filter(|(tables, _)| !self.digests.values().any(|asked| asked == *tables));
        let due = idle.filter_map(|(tables, shape)| Some((verification.due_ms(shape)?, tables)));
        due.min().map(|(due_ms, tables)| (due_ms, tables.clone()))
    }
}

impl Replica {
    /// The replica verifies each shape so often while a connection lasts, in milliseconds, a second at least, from now on; none: only after a resume and a
    /// replacement (`DIG-INTERVAL`). Without this: every quarter of an hour.
    pub fn verify_every(&mut self, every_ms: Option<u64>, env: Env) {
        self.env = env;
        let every_ms = every_ms.map(|every_ms| every_ms.max(VERIFY_LEAST_MS));
        self.verification = Verification { every_ms };
        self.verify_if_due();
    }

    /// Asks for the digests of the shapes that are to be checked.
    pub(crate) fn verify_if_due(&mut self) {
        let now_ms = self.env.steady_ms;
        while let Link::Ready(session) = &self.link {
            let due = session.verify_due(&self.verification);
            let Some((_, tables)) = due.filter(|(due_ms, _)| now_ms >= *due_ms) else {
                return;
            };
            self.ask_for_digest(&tables);
        }
    }

    /// Asks what the server has of a shape, as after it went on from its cursor (`DIG-ASK`). At the end of a replacement it says so by itself.
    pub(crate) fn ask_for_digest(&mut self, tables: &Tables) {
        let now_ms = self.env.steady_ms;
        let Some(session) = self.session().filter(|session| session.offers_digests) else {
            return;
        };
        let Some(shape) = session.shapes.get_mut(tables) else {
            return;
        };
        if let Stage::Live { name } = &shape.stage {
            let shape_name = name.clone();
            shape.verified_ms = now_ms;
            let frame = self.send(ClientMessage::Digest(Digest { shape: shape_name }));
            if let Some(session) = self.session() {
                session.digests.insert(frame, tables.clone());
            }
        }
    }

    /// Whether this frame asked for a digest, and is answered now.
    pub(crate) fn take_digest(&mut self, frame: Option<u64>) -> bool {
        let asked = frame.zip(self.session());
        asked.is_some_and(|(frame, session)| session.digests.remove(&frame).is_some())
    }

    /// The server says what it has of a shape. At another version than the cursor's that says nothing (`DIG-COMPARE`).
    pub(crate) fn on_digested(&mut self, digested: &Digested) {
        self.take_digest(digested.re);
        let now_ms = self.env.steady_ms;
        let named = |session: &mut Session| {
            let (tables, shape) = session.shape_named(&digested.shape)?;
            shape.verified_ms = now_ms;
            Some(tables)
        };
        let Some(tables) = self.session().and_then(named) else {
            return;
        };
        let epoch = self.durable.meta().epoch.as_ref();
        let cursor = self.durable.shapes.get(&tables).cloned().flatten();
        let is_level = cursor
            .is_some_and(|cursor| Some(&cursor.epoch) == epoch && cursor.version == digested.at);
        if is_level && !self.is_held(&tables, digested) {
            self.on_divergence(tables);
        }
    }

    /// Whether the base has these rows of a shape.
    fn is_held(&mut self, tables: &Tables, said: &Digested) -> bool {
        let held = self.durable.digest(tables);
        held.is_some_and(|held| (held.count, held.sum()) == (said.count, said.sum.clone()))
    }

    /// The base is not what the server has: takes it anew, but not twice on one connection, for that would not help (`DIG-REPAIR`).
    fn on_divergence(&mut self, tables: Tables) {
        self.events.push_back(Event::Diverged {
            tables: tables.clone(),
        });
        let Some(session) = self.session() else {
            return;
        };
        if session.repaired.insert(tables.clone()) {
            // What has no cursor is asked for whole, also on the next connection, if this one breaks before.
            self.durable
                .record(StoreChange::ShapePut(tables.clone(), None));
            self.ask_for(tables, false);
        }
    }
}
