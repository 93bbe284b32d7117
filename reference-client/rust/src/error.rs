//! [`Error`]: the one error of this crate. Each says who can do something about it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use syncline_client_core::{NoHistory, NoId, OtherWorkspace, Refusal, RejectedEntry, Status};

/// Why something could not be done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The write cannot pass, now or later: nothing has changed. The app's fault.
    Refused(Box<Refusal>),
    /// A value is not JSON, or a row is not what the app takes it for. The app's fault.
    Value(Arc<serde_json::Error>),
    /// The URL is none that a WebSocket can be opened to.
    Url(String),
    /// The name is none that a workspace may have (the chapter *model*, names).
    WorkspaceName(String),
    /// The store is of another workspace than the one asked for.
    OtherWorkspace(OtherWorkspace),
    /// Another process, or another client of this one, has the store open.
    StoreInUse(PathBuf),
    /// The file is no store of a Syncline client.
    StoreForeign(PathBuf),
    /// The store was written by a newer version of this crate.
    StoreNewer {
        /// The file.
        path: PathBuf,
        /// The version of its layout.
        found: i64,
        /// The newest version that this crate reads.
        known: i64,
    },
    /// The store failed: disk, permissions, corruption. The client has stopped; what it said was written is.
    Store(Arc<dyn std::error::Error + Send + Sync>),
    /// No mutation of this name waits for the app.
    NoSuchMutation(String),
    /// What the app waits for was rejected; it stays in the list of rejected writes.
    Rejected(Box<RejectedEntry>),
    /// Nobody can say whether the mutation of this name was applied; it stays in the list of writes in doubt.
    InDoubt(String),
    /// No shape that is subscribed has this table: what the server has of it is not known. The app's fault.
    NotSubscribed(String),
    /// The deadline passed before everything was synced: how it stood then.
    NotSynced(Box<Status>),
    /// There is no id of the sequence: why, and what to do.
    NoId(NoId),
    /// There is no page of the past: why.
    NoHistory(Box<NoHistory>),
    /// The client is closed.
    Closed,
}

impl Error {
    /// A failure of the store.
    pub fn store(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Store(Arc::new(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(refusal) => write!(out, "the write was refused: {refusal}"),
            Error::Value(error) => write!(out, "not the value that was expected: {error}"),
            Error::Url(reason) => write!(out, "not a server's URL: {reason}"),
            Error::WorkspaceName(name) => write!(
                out,
                "{name:?} cannot name a workspace: 1 to 128 of A-Z a-z 0-9 . _ -"
            ),
            Error::OtherWorkspace(error) => error.fmt(out),
            Error::StoreInUse(path) => write!(
                out,
                "the store {} is open in another process",
                path.display()
            ),
            Error::StoreForeign(path) => write!(
                out,
                "{} is not a store of a Syncline client",
                path.display()
            ),
            Error::StoreNewer { path, found, known } => {
                let path = path.display();
                write!(
                    out,
                    "the store {path} has layout {found}; this version reads up to {known}"
                )
            }
            Error::Store(error) => write!(out, "the local store failed: {error}"),
            Error::NoSuchMutation(op_id) => {
                write!(out, "no mutation {op_id:?} waits for a decision")
            }
            Error::InDoubt(op_id) => {
                write!(
                    out,
                    "nobody can say whether the write {op_id:?} was applied"
                )
            }
            Error::Rejected(entry) => write!(out, "the write was rejected: {}", entry.code),
            Error::NotSubscribed(table) => {
                write!(out, "no shape that is subscribed has the table {table:?}")
            }
            Error::NotSynced(status) => {
                let line = if status.online { "online" } else { "offline" };
                write!(
                    out,
                    "not synced in time: {line}, writes not confirmed yet: {}",
                    status.pending
                )
            }
            Error::NoId(why) => why.fmt(out),
            Error::NoHistory(why) => why.fmt(out),
            Error::Closed => out.write_str("the client is closed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Refused(refusal) => Some(refusal.as_ref()),
            Error::Value(error) => Some(error.as_ref()),
            Error::OtherWorkspace(error) => Some(error),
            Error::NoId(why) => Some(why),
            Error::NoHistory(why) => Some(why.as_ref()),
            Error::Store(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(Box::new(refusal))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::Value(Arc::new(error))
    }
}

impl From<OtherWorkspace> for Error {
    fn from(error: OtherWorkspace) -> Error {
        Error::OtherWorkspace(error)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_is_small() {
        assert!(size_of::<super::Error>() <= 48);
    }
}
