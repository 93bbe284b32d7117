//! How to take a step back: what every record that it applied had replaced, noted in order and undone in reverse.
//!
//! A step is decided before it is durable. When another node appended first, the step never happened: the state
//! goes back, takes the other node's records, and the same inputs are decided again.

use std::sync::Arc;

use crate::clients::{Client, ClientBefore};
use crate::documents::Replaced;
use crate::history::Noted;
use crate::table::Row;
use crate::tables::Settings;
use crate::truncation::Marks;

/// One thing that a record has changed, as it was before.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    /// A row was written, or forgotten.
    Row {
        table: Arc<str>,
        key: Arc<str>,
        before: Option<Row>,
    },
    /// A document was changed, or its delete forgotten.
    Document {
        table: Arc<str>,
        key: Arc<str>,
        replaced: Replaced,
    },
    /// A sequence was raised.
    Sequence { name: Arc<str>, before: Option<u64> },
    /// Settings of a table were declared.
    Declared {
        table: Arc<str>,
        before: Option<Arc<Settings>>,
    },
    /// An outcome was remembered.
    Client { id: Arc<str>, before: ClientBefore },
    /// Changes were noted, and older ones forgotten for them.
    Changes(Noted),
    /// A client was forgotten.
    Forgotten { id: Arc<str>, client: Box<Client> },
}

/// The small things of the state, kept whole.
#[derive(Clone, Debug)]
pub(crate) struct Scalars {
    pub(crate) head: u64,
    pub(crate) at_ms: u64,
    pub(crate) truncated_to: u64,
    pub(crate) bytes: u64,
    pub(crate) marks: Marks,
}

/// What it takes to go back to where the journal was begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    scalars: Option<Scalars>,
    undos: Vec<Undo>,
}

impl Journal {
    /// Notes where to go back to, once.
    pub(crate) fn begin(&mut self, scalars: impl FnOnce() -> Scalars) {
        self.scalars.get_or_insert_with(scalars);
    }

    /// The head to go back to, if there is anything to take back.
    pub(crate) fn head(&self) -> Option<u64> {
        self.scalars.as_ref().map(|scalars| scalars.head)
    }

    pub(crate) fn note(&mut self, undo: Undo) {
        self.undos.push(undo);
    }

    /// What would be undone, in the order in which it was done.
    pub(crate) fn undos(&self) -> &[Undo] {
        &self.undos
    }

    /// Nothing will be taken back.
    pub(crate) fn clear(&mut self) {
        self.scalars = None;
        self.undos.clear();
    }

    pub(crate) fn take(&mut self) -> (Option<Scalars>, Vec<Undo>) {
        (self.scalars.take(), std::mem::take(&mut self.undos))
    }
}
