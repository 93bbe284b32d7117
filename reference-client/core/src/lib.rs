//! The core of a Syncline client: a replica of one workspace, without IO.
//!
//! An app writes at once, offline or not, and sees its own writes over what the server has said. The replica sees to it that no write
//! is lost, none is applied twice, and no state is shown that never was: the chapter
//! *client* of the specification (`spec/v1/client.md`), as code. The files carry the names
//! of that chapter's ideas.
//!
//! No clock, no randomness, no socket, no file, no thread: all of that is the shell's, which calls a [`Replica`] as its documentation says. So the
//! same code runs in an app, in a test with virtual time, and under a checker.
//!
//! ```
//! use syncline_client_core::{Env, Replica, StoredState, Wish};
//! use syncline_schemas::{Json, Op, SetOp};
//!
//! let env = Env { wall_ms: 1_795_000_000_000, steady_ms: 0, random: 42 };
//! let mut replica = Replica::load("home", StoredState::default(), env)?;
//! replica.subscribe(["notes".to_owned()].into(), env)?;
//! let op = SetOp::new("notes", "1", Json::parse(r#""buy milk""#)?);
//! replica.mutate(vec![Op::Set(op)], env)?;
//! assert_eq!(replica.view("notes", "1").map(Json::get), Some(r#""buy milk""#));
//!
//! // The shell stores this, then tells the app that the note is written, and connects.
//! let mut stored = StoredState::default();
//! stored.apply(replica.poll_store().expect("a new store and a first write"));
//! assert_eq!(stored, *replica.stored());
//! replica.go_online(env);
//! assert_eq!(replica.poll_wish(), Some(Wish::Connect));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod acks;
mod awaited;
mod backoff;
mod conflicts;
mod connection;
mod control;
mod digests;
mod documents;
mod durable;
mod env;
mod events;
mod filters;
mod history;
mod identity;
mod limits;
mod migrations;
mod opened;
mod outbox;
mod overlay;
mod pile;
mod presence;
mod replica;
mod run;
mod sending;
mod sequences;
mod session;
mod shapes;
mod staging;
mod stored;
mod sums;
mod trouble;
mod unsent;
mod updates;
mod urgency;
mod welcome;

pub use conflicts::{Conflict, ConflictEntry, ConflictKind, Stands, UntoldFields};
pub use control::{Mode, Trigger};
pub use documents::{Document, DocumentEntry, SeenEntry};
pub use env::Env;
pub use events::{
    DocumentNews, Event, FieldConflict, Origin, Progress, RowChange, Status, SyncCounts, Trouble,
};
pub use history::{HistoryPage, NoHistory};
pub use identity::derive;
pub use limits::{Refusal, least_limits};
pub use migrations::{Migration, Migrations, NewerStore, PatchFields};
pub use presence::{Other, Others};
pub use replica::{Decision, OtherWorkspace, Replica, ResolveError, Wish};
pub use sequences::NoId;
pub use stored::{
    Block, DoubtEntry, Entry, Filters, Meta, RejectedEntry, Row, Sequence, StoreChange,
    StoredState, Tables, Transaction,
};
