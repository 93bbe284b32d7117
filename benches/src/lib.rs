//! What the benches of the engine share: a workspace that is driven without sockets and without a disk, and rounds of work for it.
//!
//! A round is set up apart from what is measured, so the same rounds serve a clock (the criterion benches) and a count of instructions.

#![forbid(unsafe_code)]

pub mod rounds;
pub mod workspace;
