//! The program as people start it: what it says, and its exit code.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod backups;
mod faults;
mod process;
mod secrets;
mod serving;
mod storage;
mod talk;
