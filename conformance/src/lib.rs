//! The conformance runner: judges any Syncline server by its URL, and any client through its [adapter](client::adapter).
//!
//! [`scenario`]s are data; [`steps`] do what they say; everything that was sent and received goes into one history, which pure checkers judge.
//! The crate shares the message schemas with the reference server and nothing else, so that both cannot have one misunderstanding.
#![forbid(unsafe_code)]

#[macro_use]
mod out;

mod audit;
pub mod checkers;
pub mod cli;
pub mod client;
pub mod coverage;
pub mod crash;
pub mod dice;
pub mod drive;
pub mod facts;
pub mod faults;
pub mod history;
pub mod judge;
pub mod matcher;
pub mod mutants;
mod preflight;
mod proxy;
pub mod random;
pub mod report;
pub mod requirements;
pub mod scenario;
pub mod simulate;
mod stall;
pub mod steps;
pub mod suite;
pub mod target;
pub mod unjudged;
pub mod vars;
