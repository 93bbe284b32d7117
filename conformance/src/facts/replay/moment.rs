//! When something was written: known as well as the runner's clock and the order of frames tell.

use super::Replay;
use crate::facts::mutation::{Mutation, Outcome};

/// When something was written, by the server's clock as seen from here: not before, and not after, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::facts) struct Moment(f64, f64);

impl Moment {
    /// Before all that was ever written.
    pub(in crate::facts) const NEVER: Moment = Moment(f64::NEG_INFINITY, f64::NEG_INFINITY);

    pub(in crate::facts) fn later(self, other: Moment) -> Moment {
        Moment(self.0.max(other.0), self.1.max(other.1))
    }

    /// Whether it was surely before another.
    pub(in crate::facts) fn surely_before(self, other: Moment) -> bool {
        self.1 < other.0
    }

    /// Whether it was surely at another, or after it.
    pub(in crate::facts) fn surely_from(self, other: Moment) -> bool {
        self.0 >= other.1
    }
}

/// Clocks count in whole milliseconds, and need not run quite alike.
const SLACK_MS: f64 = 20.0;

impl Replay<'_> {
    /// When a mutation was decided: between its first send and its answer.
    pub(super) fn decided(&self, mutation: &Mutation, outcome: &Outcome) -> Moment {
        let ms = |at: usize| self.facts.entries[at].at_us as f64 / 1000.0;
        let sends = { mutation.sends.iter() }.map(|send| send.at);
        let first = sends.min().unwrap_or(outcome.at);
        Moment(ms(first) - SLACK_MS, ms(outcome.at) + SLACK_MS)
    }

    /// When a mutation was made: between its first send and its answer, less the age that it was sent with.
    pub(super) fn moment(&self, mutation: &Mutation, outcome: &Outcome) -> Moment {
        let ms = |at: usize| self.facts.entries[at].at_us as f64 / 1000.0;
        let sends = mutation.sends.iter().filter(|send| send.at < outcome.at);
        let mut moment = Moment(f64::INFINITY, f64::NEG_INFINITY);
        for send in sends {
            let age = send.age_ms as f64;
            moment = Moment(
                moment.0.min(ms(send.at) - age),
                moment.1.max(ms(outcome.at) - age),
            );
        }
        Moment(moment.0 - SLACK_MS, moment.1 + SLACK_MS)
    }
}
