//! How long to wait before the next attempt to connect (`CLIENT-BACKOFF`).
//!
//! The whole of a window is drawn from at random, so that the clients of a server that comes back do not come all at once; the window
//! doubles with each failure in a row. A session counts as a success only when it has lasted: a server that lets everybody in
//! and then falls over is not helped by clients that start from the smallest window.

use crate::env::Env;

/// The first window.
const FIRST_WINDOW_MS: u64 = 200;

/// The window that is never passed.
const LAST_WINDOW_MS: u64 = 30_000;

/// How long a session lasts to count as a success.
const LASTING_MS: u64 = 5_000;

/// What the next wait depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Forgets the failures.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Takes note that a session ended that had lasted so long.
    pub(crate) fn session_ended(&mut self, lasted_ms: u64) {
        if lasted_ms >= LASTING_MS {
            self.reset();
        }
    }

    /// Goes to the last window at once: the server has said that the same will not succeed soon.
    pub(crate) fn give_up_hope(&mut self) {
        self.failures = u32::MAX;
    }

    /// How long to wait after one more failure, in milliseconds: `at_least`, and a random time beyond it.
    pub(crate) fn next_wait_ms(&mut self, at_least: u64, env: &Env) -> u64 {
        let doublings = self.failures.min(LAST_WINDOW_MS.ilog2());
        let window = (FIRST_WINDOW_MS << doublings).min(LAST_WINDOW_MS);
        self.failures = self.failures.saturating_add(1);
        at_least.saturating_add(env.jitter(window))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn env(random: u128) -> Env {
        Env {
            wall_ms: 0,
            steady_ms: 0,
            random,
        }
    }

    /// The longest of many waits after `failures` failures.
    fn longest(failures: usize, at_least: u64) -> u64 {
        let waits = (0..200).map(|random| {
            let mut backoff = Backoff::default();
            for _ in 0..failures {
                backoff.next_wait_ms(0, &env(random));
            }
            backoff.next_wait_ms(at_least, &env(random))
        });
        waits.max().unwrap()
    }

    #[test]
    fn the_window_grows_up_to_its_bound() {
        assert!(longest(0, 0) <= FIRST_WINDOW_MS);
        assert!(longest(3, 0) > 4 * FIRST_WINDOW_MS && longest(3, 0) <= 8 * FIRST_WINDOW_MS);
        assert!(longest(100, 0) > LAST_WINDOW_MS / 2 && longest(100, 0) <= LAST_WINDOW_MS);
    }

    #[test]
    fn what_the_server_asked_for_is_waited_in_full() {
        assert!((0..50).all(|random| Backoff::default().next_wait_ms(700, &env(random)) >= 700));
    }

    #[test]
    fn only_a_session_that_lasted_resets() {
        let mut backoff = Backoff::default();
        backoff.give_up_hope();
        backoff.session_ended(LASTING_MS - 1);
        assert_ne!(backoff.failures, 0);
        backoff.session_ended(LASTING_MS);
        assert_eq!(backoff.failures, 0);
    }
}
