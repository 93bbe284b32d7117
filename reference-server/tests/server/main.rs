//! The server over real sockets.
#![allow(clippy::unwrap_used)]

mod endings;
mod failures;
mod frames;
mod handshake;
mod harness;
mod nodes;
mod operations;
mod presence;
mod sessions;
mod slowness;
