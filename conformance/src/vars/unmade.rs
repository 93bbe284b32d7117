//! [`Unmade`]: why a template has no value, and the bounds of what is made.
//!
//! A target may announce limits as large as it likes. A value of exactly such a limit is not worth the runner's memory: what a scenario is about does not happen then.

use std::fmt;

/// Why a template has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmade {
    /// The template is wrong: how.
    Wrong(String),
    /// What the target announces asks for more than a runner can make: what.
    TooLarge(String),
}

impl From<String> for Unmade {
    fn from(why: String) -> Unmade {
        Unmade::Wrong(why)
    }
}

impl From<&str> for Unmade {
    fn from(why: &str) -> Unmade {
        Unmade::Wrong(why.to_owned())
    }
}

/// Bytes of what a generator makes, and of a frame that is padded.
pub const BYTES_MAX: u64 = 64 << 20;

/// Arrays within each other that a generator makes.
pub(super) const DEPTH_MAX: u64 = 1000;

/// Items that a generator makes, turns of a `repeat`, mutations of a load.
pub const COUNT_MAX: u64 = 1_000_000;

/// Whether so much can be made; the limits that a target announces may be anything.
///
/// # Errors
/// If it is more than `max`.
pub fn bounded(what: &str, size: u64, max: u64) -> Result<usize, Unmade> {
    let why = || Unmade::TooLarge(format!("{what} of {size}: more than {max} is not made"));
    (size <= max).then_some(size as usize).ok_or_else(why)
}

impl fmt::Display for Unmade {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Unmade::Wrong(why) | Unmade::TooLarge(why)) = self;
        out.write_str(why)
    }
}
