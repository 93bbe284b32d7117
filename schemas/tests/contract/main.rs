//! The contract of this crate: the data files hold together, every example is judged as its folder says, and the generated types accept
//! exactly what the schemas accept.

#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking what does not hold"
)]

mod data;
mod differential;
mod examples;
mod kinds;
mod refusals;
