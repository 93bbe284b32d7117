//! Time and random bits for the core.

use std::time::{SystemTime, UNIX_EPOCH};

use syncline_client_core::Env;
use tokio::time::Instant;

/// The clocks of a client: the wall's, and one that never goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    /// The time now, with fresh random bits.
    pub(crate) fn env(&self) -> Env {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the system has random bits");
        Env {
            // A clock before 1970 counts as 1970: ages are computed from differences.
            wall_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64),
            steady_ms: self.start.elapsed().as_millis() as u64,
            random: u128::from_le_bytes(random),
        }
    }

    /// The moment of the steady clock, for the runtime's timer.
    pub(crate) fn instant(&self, steady_ms: u64) -> Instant {
        self.start + std::time::Duration::from_millis(steady_ms)
    }
}
