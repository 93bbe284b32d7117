//! Random histories: programs made by chance, run and judged as any scenario; what fails is made as small as it gets and kept.
//!
//! A program *is* a scenario file. So there is one engine, one set of checkers, one way to look at a failure, and what was found by chance today can be
//! replayed by anybody tomorrow.

mod documents;
mod edits;
mod hunt;
mod mishaps;
mod print;
mod program;
mod shrink;

pub use hunt::{CHAPTER, Find, Hunt, Plan, hunt};
pub use program::{Offer, program};
pub use shrink::{Shrunk, fails_with};
