//! The WebSocket binding: from sockets to workspaces and back.

mod connection;
mod http;
mod reader;
mod writer;

pub(crate) use http::{Endpoint, router};
