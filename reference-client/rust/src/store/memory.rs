//! A store in memory.

use std::sync::{Arc, Mutex, PoisonError};

use syncline_client_core::{StoredState, Transaction};

use crate::{Error, Storage};

/// A store in memory. A clone is a handle to the same state, so that a test can open a client on it again; a
/// [`fork`](Self::fork) is a copy.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<StoredState>>,
}

impl MemoryStore {
    /// What is held now.
    #[must_use]
    pub fn state(&self) -> StoredState {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A store of its own with the same content: what happens to a device that is cloned.
    #[must_use]
    pub fn fork(&self) -> MemoryStore {
        MemoryStore {
            state: Arc::new(Mutex::new(self.state())),
        }
    }
}

impl Storage for MemoryStore {
    fn load(&mut self) -> Result<StoredState, Error> {
        Ok(self.state())
    }

    fn apply(&mut self, transaction: Transaction) -> Result<(), Error> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(transaction);
        Ok(())
    }
}
