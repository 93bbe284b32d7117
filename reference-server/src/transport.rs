//! The WebSocket binding: from sockets to workspaces and back.

mod connection;
mod http;
mod reader;
mod socket;
mod writer;

pub(crate) use http::{Endpoint, router};
pub(crate) use socket::{Peer, Watching};
