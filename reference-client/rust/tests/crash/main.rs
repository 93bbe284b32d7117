//! Apps that are killed, and apps whose store cannot be written: what the client said was written is there, once.
#![allow(clippy::unwrap_used, reason = "a test")]
#![cfg(unix)]

mod app;
mod kills;
mod storage;
