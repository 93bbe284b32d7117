//! The server over real sockets.
#![allow(clippy::unwrap_used)]

mod harness;
mod sessions;
