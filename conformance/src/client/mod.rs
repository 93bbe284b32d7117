//! Judging clients: the runner is the server, and the client under test is a child process behind an [`adapter`].
//!
//! It is the same instrument turned round. A scenario says what the app does and what the server says; everything that crosses either line goes
//! into one [history](crate::history); pure checkers judge it. The server is a script with just enough memory to be honest
//! where a scenario does not say otherwise: it is not the reference server, so that client and server cannot share one misunderstanding.

pub mod adapter;
pub mod checkers;
mod cx;
mod facts;
mod journal;
pub mod judge;
mod listener;
mod process;
pub mod scenario;
mod socket;
pub mod steps;
pub mod suite;
pub mod unjudged;
mod wait;
mod world;

pub use scenario::Scenario;
