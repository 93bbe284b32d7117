//! Whom to judge: a server known by its URL, a target file with hooks, a command that starts one, or the reference server within this process.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::scenario::{Hook, Scenario};

pub mod command;
pub mod embedded;
pub mod file;
pub mod url;

/// What can be judged.
pub trait Target: Send + Sync {
    /// For people: what it is.
    fn describe(&self) -> String;

    /// The hooks that it offers.
    fn hooks(&self) -> BTreeSet<Hook>;

    /// Whether every scenario with hooks gets a server of its own. If not, such scenarios run alone.
    fn isolates(&self) -> bool;

    /// A server to run this scenario against.
    fn provide<'a>(
        &'a self,
        scenario: &'a Scenario,
    ) -> BoxFuture<'a, Result<Arc<dyn Instance>, String>>;
}

/// A server that is running.
pub trait Instance: Send + Sync {
    /// Where it is now; a restart may change it.
    fn url(&self) -> String;

    /// Does something to the server; it is done when the future is.
    ///
    /// # Errors
    /// For people: why it could not be done.
    fn hook<'a>(&'a self, hook: Hook, workspace: &'a str) -> BoxFuture<'a, Result<(), String>>;
}
