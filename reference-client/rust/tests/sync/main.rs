//! Clients against the reference server.
#![allow(clippy::unwrap_used, reason = "a test")]

mod backups;
mod conflicts;
mod connection;
mod control;
mod convergence;
mod digests;
mod documents;
mod fields;
mod filters;
mod history;
mod identity;
mod migrations;
mod misuse;
mod opened;
mod presence;
mod schemas;
mod sequences;
mod support;
mod update;
mod urgency;
