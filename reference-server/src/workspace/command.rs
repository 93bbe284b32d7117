//! What a workspace's task is told.

use std::fmt;
use std::sync::Arc;

use syncline_schemas::Hello;
use syncline_server_core::{Input, SessionKey};
use tokio::sync::oneshot;

use crate::closing::Closing;
use crate::link::Link;

use super::Backup;

/// Something for a workspace to do.
pub(crate) enum Command {
    /// A connection has said hello.
    Enter(Entry),
    /// A connection has sent a frame; so many bytes of its inbox are given back when it is decided.
    Frame {
        session: SessionKey,
        input: Input,
        bytes: usize,
    },
    /// A connection's outbox has room again.
    Drained,
    /// A connection asks to be closed once everything before is decided and acknowledged.
    Leave {
        session: SessionKey,
        closing: Closing,
    },
    /// A connection is over.
    Gone { session: SessionKey },
    /// An operator wants something.
    Operate(Operation),
}

/// A connection that becomes a session.
pub(crate) struct Entry {
    pub(crate) session: SessionKey,
    pub(crate) name: String,
    pub(crate) hello: Hello,
    pub(crate) link: Arc<Link>,
}

/// What an operator can want, and where the answer goes.
pub(crate) enum Operation {
    Truncate(oneshot::Sender<Result<(), Refusal>>),
    Backup(oneshot::Sender<Result<Backup, Refusal>>),
    Restore(Backup, oneshot::Sender<Result<(), Refusal>>),
}

/// Why an operation was not done.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The server has ended.
    Stopped,
    /// There are `workspaces_max` workspaces in memory.
    Full,
    /// The log failed; it says why.
    Failed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Stopped => out.write_str("the server has ended"),
            Refusal::Full => out.write_str("too many workspaces are open"),
            Refusal::Failed(reason) => out.write_str(reason),
        }
    }
}

impl std::error::Error for Refusal {}
