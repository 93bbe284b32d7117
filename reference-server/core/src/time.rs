//! [`Time`]: the time by which a workspace decides. It never runs backwards along the log, whatever becomes of the clock.
//!
//! ```text
//!   clock not behind the last record:   the clock's time
//!   clock behind it (put back; another  the last record's, and from there on half as fast as the clock,
//!   node's was ahead; a restart):       until the clock has caught up
//! ```
//!
//! To stand still meanwhile would make all that is decided equally old, and what a client says of a write's age (`ageMs`) would then decide wrongly.

/// Keeps the time of a workspace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Time {
    /// What the clock and the workspace had when the clock was seen to be behind.
    behind: Option<Behind>,
}

#[derive(Clone, Copy, Debug)]
struct Behind {
    clock_ms: u64,
    time_ms: u64,
}

impl Time {
    /// What time it is, where the clock says so and the last record is of this moment.
    pub(crate) fn at(&mut self, clock_ms: u64, last_ms: u64) -> u64 {
        if clock_ms >= last_ms {
            self.behind = None;
            return clock_ms;
        }
        let runs = |behind: Behind| {
            let passed = clock_ms.checked_sub(behind.clock_ms)?;
            Some(behind.time_ms.saturating_add(passed / 2))
        };
        match self.behind.and_then(runs).filter(|time| *time >= last_ms) {
            Some(time_ms) => time_ms,
            None => {
                let time_ms = last_ms;
                self.behind = Some(Behind { clock_ms, time_ms });
                time_ms
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    /// The clock at each record, and the time that the record gets.
    #[track_caller]
    fn check(records: &[(u64, u64)]) {
        let (mut time, mut last) = (Time::default(), 0);
        for (clock, expected) in records {
            last = time.at(*clock, last);
            assert_eq!(last, *expected, "at {clock}");
            assert_eq!(time.at(*clock, last), last, "asked again at {clock}");
        }
    }

    #[test]
    fn a_clock_that_is_right_is_followed() {
        check(&[(1_000, 1_000), (1_000, 1_000), (1_007, 1_007)]);
    }

    #[test]
    fn a_clock_that_is_put_back_is_caught_up_with() {
        let back = [(1_000, 1_000), (400, 1_000), (500, 1_050), (501, 1_050)];
        check(&back);
        // Half as fast: they meet.
        let meets = [(1_000, 1_000), (400, 1_000), (1_600, 1_600), (1_601, 1_601)];
        check(&meets);
    }

    #[test]
    fn one_that_is_put_back_again_and_again_never_takes_the_time_back() {
        let again = [(1_000, 1_000), (400, 1_000), (600, 1_100), (100, 1_100)];
        check(&again);
        check(&[again[0], again[1], again[2], again[3], (300, 1_200)]);
    }

    #[test]
    fn what_others_have_decided_meanwhile_is_not_older() {
        let mut time = Time::default();
        assert_eq!(time.at(400, 1_000), 1_000);
        assert_eq!(time.at(420, 5_000), 5_000, "another node's record");
        assert_eq!(time.at(440, 5_000), 5_010);
    }
}
