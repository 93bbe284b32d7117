//! The model checker: both cores, in *every* order of events that a small scope allows.
//!
//! What runs is the real thing: [`Engine`](syncline_server_core::Engine) and [`Replica`](syncline_client_core::Replica). A state is the server's log and engine, each client with its
//! store, and what is under way between them; an [`Action`] delivers one frame, writes once, or lets one thing go wrong. From the beginning of a [`Scope`] every state is visited that any
//! sequence of actions leads to, and in each one the [properties](Scope#impl-Model-for-Scope) are looked at. What the simulator meets by chance in large worlds, this meets for certain in small ones.
//!
//! ```text
//!   client 0 ──up──▶ ┌────────┐ ◀──up── client 1        up, down: frames in order, until the connection is cut
//!            ◀─down─ │ engine │ ─down─▶                 time stands still, but for waiting before a reconnect
//!    store           └───┬────┘           store
//!                       log
//! ```
//!
//! Two states are one if their logs, stores, replicas and connections are equal, and if on each connection the engine has read the same at the same heads: for what an engine
//! is follows from its log and its inputs.
#![forbid(unsafe_code)]

mod action;
mod client;
mod scope;
mod server;
mod truth;
mod world;

pub use action::Action;
pub use scope::{Checked, Faults, Scope, check, scopes};
pub use world::World;
