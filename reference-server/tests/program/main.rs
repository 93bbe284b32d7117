//! The program as people start it: what it says, and its exit code.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod faults;
mod process;
mod secrets;
mod serving;
