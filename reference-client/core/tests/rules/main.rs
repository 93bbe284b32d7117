//! The requirements of the chapter on the client, one by one, at the level of frames. Each test is named for what it holds; the requirement stands above it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod answers;
mod conflicts;
mod control;
mod digests;
mod driver;
mod fields;
mod filters;
mod history;
mod identity;
mod migrations;
mod opened;
mod outbox;
mod overlay;
mod presence;
mod sequences;
mod session;
mod syncs;
mod updates;
mod urgency;
