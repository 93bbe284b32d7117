//! Digests: what is held of a shape, held against what the server says that it has.
//!
//! The two differ only if something is wrong: a program, a disk. So the replica does not look for the fault: it takes the shape anew, once on each
//! connection, and tells the app.

use syncline_schemas::{ClientMessage, Digest, Digested, RowNumber, RowsDigest};

use crate::events::Event;
use crate::replica::Replica;
use crate::session::{Session, Stage};
use crate::stored::{StoreChange, StoredState, Tables};

/// The capability's name.
pub(crate) const DIGESTS: &str = "digests";

impl Replica {
    /// Asks what the server has of a shape that went on from its cursor (`DIG-ASK`). At the end of a replacement it says so by itself.
    pub(crate) fn ask_for_digest(&mut self, tables: &Tables) {
        let Some(session) = self.session().filter(|session| session.offers_digests) else {
            return;
        };
        if let Some(Stage::Live { name }) = session.shapes.get(tables).map(|shape| &shape.stage) {
            let shape = name.clone();
            let frame = self.send(ClientMessage::Digest(Digest { shape }));
            if let Some(session) = self.session() {
                session.digests.insert(frame);
            }
        }
    }

    /// Whether this frame asked for a digest, and is answered now.
    pub(crate) fn take_digest(&mut self, frame: Option<u64>) -> bool {
        let asked = frame.zip(self.session());
        asked.is_some_and(|(frame, session)| session.digests.remove(&frame))
    }

    /// The server says what it has of a shape. At another version than the cursor's that says nothing (`DIG-COMPARE`).
    pub(crate) fn on_digested(&mut self, digested: &Digested) {
        self.take_digest(digested.re);
        let named = |session: &mut Session| Some(session.shape_named(&digested.shape)?.0);
        let Some(tables) = self.session().and_then(named) else {
            return;
        };
        let epoch = self.durable.meta().epoch.as_ref();
        let cursor = self.durable.shapes.get(&tables).cloned().flatten();
        let is_level = cursor
            .is_some_and(|cursor| Some(&cursor.epoch) == epoch && cursor.version == digested.at);
        if is_level && !is_held(&self.durable, &tables, digested) {
            self.on_divergence(tables);
        }
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

/// Whether the base has these rows of a shape. The overlay is no part of it: the server does not know it.
fn is_held(stored: &StoredState, tables: &Tables, said: &Digested) -> bool {
    // A value that cannot be read is not the server's.
    rows_digest(stored, tables)
        .is_ok_and(|held| (held.count, held.sum()) == (said.count, said.sum.clone()))
}

/// The digest of the base's rows of some tables.
fn rows_digest(stored: &StoredState, tables: &Tables) -> Result<RowsDigest, serde_json::Error> {
    let mut digest = RowsDigest::default();
    for table in tables {
        for (key, row) in stored.base.get(table).into_iter().flatten() {
            digest.add(RowNumber::with_siblings(
                table,
                key,
                row.version,
                &row.value,
                &row.siblings,
            )?);
        }
    }
    Ok(digest)
}
