//! Where a replica keeps what it keeps: anything that can apply a transaction whole, or not at all.

mod memory;
mod sqlite;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod suite;

use std::fmt;
use std::path::Path;

use syncline_client_core::{StoredState, Transaction};

use crate::Error;

pub use memory::MemoryStore;
pub(crate) use sqlite::SqliteStore;

/// A local store. It holds the state after the last transaction applied, also after a crash in the middle of one.
pub trait Storage: Send + 'static {
    /// Reads all that is held.
    ///
    /// # Errors
    /// The store cannot be read.
    fn load(&mut self) -> Result<StoredState, Error>;

    /// Applies a transaction: when this returns, it is durable.
    ///
    /// # Errors
    /// The store failed; nothing of the transaction is held.
    fn apply(&mut self, transaction: Transaction) -> Result<(), Error>;
}

/// A store to open a client on.
pub struct Store(Box<dyn Storage>);

impl Store {
    /// A store in memory: gone with the client.
    #[must_use]
    pub fn memory() -> Store {
        Store::from(MemoryStore::default())
    }

    /// A store in an SQLite file, created if it is not there. One process at a time may have it open.
    ///
    /// # Errors
    /// The file cannot be opened, is open elsewhere, is of something else, or was written by a newer version.
    pub fn sqlite(path: impl AsRef<Path>) -> Result<Store, Error> {
        SqliteStore::open(path.as_ref()).map(Store::from)
    }

    pub(crate) fn into_storage(self) -> Box<dyn Storage> {
        self.0
    }
}

impl<S: Storage> From<S> for Store {
    fn from(storage: S) -> Store {
        Store(Box::new(storage))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Store")
    }
}
