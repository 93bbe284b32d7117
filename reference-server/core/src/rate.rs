//! How fast a client may go: a bucket of `limits.mutationBurst` tokens, filled by `limits.mutationsPerSecond`.

use syncline_schemas::{Limits, mark};

/// Tokens are counted in thousandths, so that a rate a second is a whole number a millisecond.
const TOKEN: u64 = 1000;

/// By how much the clock may go back and still tell how long ago something was: more than it is ever put right by, bit by bit.
const SET_BACK_MS: u64 = 1000;

/// The tokens that a client had left at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    thousandths: u64,
    at_ms: u64,
}

impl Bucket {
    /// The bucket of whoever has rested.
    pub(crate) fn full(limits: &Limits) -> Bucket {
        Bucket {
            thousandths: limits.mutation_burst.saturating_mul(TOKEN),
            at_ms: 0,
        }
    }

    /// The bucket after one new mutation now. Where the clock was set back, nobody knows how long the client has rested: long enough, or it would be told to wait
    /// again and again until the clock is where it was.
    ///
    /// # Errors
    /// It is empty: the milliseconds until it is not.
    pub(crate) fn take(self, now_ms: u64, limits: &Limits) -> Result<Bucket, u64> {
        if self.at_ms.saturating_sub(now_ms) > SET_BACK_MS {
            let rested = Bucket {
                at_ms: now_ms,
                ..Bucket::full(limits)
            };
            return rested.take(now_ms, limits);
        }
        let filled = now_ms
            .saturating_sub(self.at_ms)
            .saturating_mul(limits.mutations_per_second);
        let capacity = limits.mutation_burst.saturating_mul(TOKEN);
        let thousandths = self.thousandths.saturating_add(filled).min(capacity);
        match thousandths.checked_sub(TOKEN) {
            Some(thousandths) => Ok(Bucket {
                thousandths,
                at_ms: now_ms.max(self.at_ms),
            }),
            None => {
                mark!("server_rate_limited");
                Err((TOKEN - thousandths).div_ceil(limits.mutations_per_second))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at each moment; `Err(n)`: to be told to wait n milliseconds.
    #[track_caller]
    fn check(per_second: u64, burst: u64, takes: &[(u64, Result<(), u64>)]) {
        let limits = Limits {
            mutations_per_second: per_second,
            mutation_burst: burst,
            ..Limits::default()
        };
        let mut bucket = Bucket::full(&limits);
        for (at, expected) in takes {
            let taken = bucket.take(*at, &limits);
            assert_eq!(taken.map(|_| ()), *expected, "at {at}");
            bucket = taken.unwrap_or(bucket);
        }
    }

    #[test]
    fn a_burst_then_the_rate() {
        check(
            10,
            2,
            &[
                (0, Ok(())),
                (0, Ok(())),
                (0, Err(100)),
                (40, Err(60)),
                (100, Ok(())),
                (100, Err(100)),
            ],
        );
        check(
            1000,
            1,
            &[(5, Ok(())), (5, Err(1)), (6, Ok(())), (3, Err(1))],
        );
        check(1, 1, &[(0, Ok(())), (999, Err(1)), (1000, Ok(()))]);
        check(3, 1, &[(0, Ok(())), (0, Err(334)), (334, Ok(()))]);
        check(
            u64::MAX,
            u64::MAX,
            &[(0, Ok(())), (u64::MAX, Ok(())), (0, Ok(()))],
        );
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait() {
        check(
            10,
            2,
            &[
                (9_000_000, Ok(())),
                (9_000_000, Ok(())),
                (9_000_000 - SET_BACK_MS, Err(100)),
                (9_000_000 - SET_BACK_MS - 1, Ok(())),
                (9_000_000 - SET_BACK_MS - 1, Ok(())),
                (9_000_000 - SET_BACK_MS - 1, Err(100)),
                (9_000_000 - SET_BACK_MS + 99, Ok(())),
            ],
        );
    }

    #[test]
    fn no_more_than_the_burst_after_a_rest() {
        check(
            1000,
            2,
            &[
                (0, Ok(())),
                (1 << 40, Ok(())),
                (1 << 40, Ok(())),
                (1 << 40, Err(1)),
            ],
        );
    }
}
