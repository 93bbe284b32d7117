//! The crash series: a server is killed (`kill -9`) again and again, at moments made by chance, while several clients write.
//!
//! It is made of rounds, each an ordinary scenario with a server and data of its own, judged by the checkers of every other: no acknowledged write is lost, none is
//! applied twice, whatever a client was told holds. What is special is how much is in the air when the server dies, and that it is counted: a
//! kill that found nothing in flight shows little, and is made up for by another.

mod program;
mod series;
mod tally;

pub use program::program;
pub use series::{Plan, Series, series};
pub use tally::Tally;

/// The chapter of the rounds.
pub const CHAPTER: &str = "crash";
