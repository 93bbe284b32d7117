//! A Syncline client: a local replica that an app reads and writes at once, and that is kept in sync in the background.
//!
//! ```no_run
//! use syncline_client::{Client, Store};
//!
//! # async fn example() -> Result<(), syncline_client::Error> {
//! let store = Store::sqlite("notes.db")?;
//! let client = Client::builder("ws://127.0.0.1:8081/sync", "home").store(store).open().await?;
//! client.subscribe(["notes"]).await?;
//!
//! client.set("notes", "1", "buy milk").await?; // durable here, seen at once, sent when there is a connection
//! let notes = client.get_all::<String>("notes").await?;
//! println!("{} notes, {} writes not yet sent", notes.len(), client.status().pending);
//!
//! let mut changes = client.watch::<String>("notes").await?;
//! while let Some(change) = changes.next().await {
//!     println!("{:?}", change?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! This crate is the shell around `syncline-client-core`, where every decision is made: it owns the clock, the store and the connection. One task
//! holds all three; a [`Client`] is a handle that asks it.
#![forbid(unsafe_code)]
#![cfg_attr(doctest, doc = include_str!("../../README.md"))]

mod actor;
mod builder;
mod client;
mod clock;
mod control;
mod document;
mod error;
mod forms;
mod history;
mod link;
mod lists;
mod mutation;
mod sequence;
mod shape;
mod store;
mod update;
mod watch;

pub use builder::Builder;
pub use client::{BaseRow, Client, Notice};
pub use clock::Clock;
pub use document::{Document, DocumentChange, DocumentEntry, DocumentWatch};
pub use error::Error;
pub use history::{History, HistoryChange, HistoryPage};
pub use mutation::{Fields, Mutation, TableSettings};
pub use sequence::Sequence;
pub use shape::Shape;
pub use store::{MemoryStore, Storage, Store};
pub use syncline_client_core::{
    Conflict, ConflictEntry, ConflictKind, Decision, DoubtEntry, FieldConflict, Migration, Mode,
    NewerStore, NoHistory, NoId, Origin, Other, OtherWorkspace, Others, PatchFields, Progress,
    Refusal, RejectedEntry, Stands, Status, StoreChange, StoredState, SyncCounts, Tables,
    Transaction, Trigger, Trouble, UntoldFields,
};
pub use syncline_schemas::{Bound, Filter, Side, Strategy};
pub use watch::{Change, Watch};
