//! When something was written: known as well as the runner's clock and the order of frames tell.

use super::Replay;
use crate::facts::Facts;
use crate::facts::mutation::{Mutation, Outcome};
use crate::history::whole;

/// When something was written, by the server's clock as seen from here: not before, and not after, in milliseconds. What is surely before that clock's 0 is there, at
/// [`NEVER`](Moment::NEVER).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::facts) struct Moment(f64, f64);

impl Moment {
    /// As long ago as can be: at 0 of the server's clock.
    pub(in crate::facts) const NEVER: Moment = Moment(f64::NEG_INFINITY, f64::NEG_INFINITY);

    /// The moments at which the server's clock may have stood at 0: as it told its time in the welcomes of a workspace.
    pub(super) fn zero(facts: &Facts, workspace: &str) -> Moment {
        let ms = |at: usize| facts.entries[at].at_us as f64 / 1000.0;
        let welcomed = facts
            .conns
            .iter()
            .filter(|conn| conn.workspace() == workspace);
        let zeros = welcomed.filter_map(|conn| {
            let (hello, (told, welcome)) = conn.hello.as_ref().zip(conn.welcome.as_ref())?;
            let time = welcome.get("serverTime").and_then(whole)? as f64;
            Some(Moment(ms(hello.at) - time, ms(*told) - time))
        });
        let either = |one: Moment, other: Moment| Moment(one.0.min(other.0), one.1.max(other.1));
        let zero = zeros
            .reduce(either)
            .map(|zero| Moment(zero.0 - SLACK_MS, zero.1 + SLACK_MS));
        // Who was never told the time knows nothing of it.
        zero.unwrap_or(Moment(f64::NEG_INFINITY, f64::INFINITY))
    }

    /// The same, but not before 0 (CFL-MOMENT).
    fn not_before(self, zero: Moment) -> Moment {
        let Moment(mut lowest, mut highest) = self;
        if lowest <= zero.1 {
            lowest = f64::NEG_INFINITY;
        }
        if highest < zero.0 {
            highest = f64::NEG_INFINITY;
        }
        Moment(lowest, highest)
    }

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
        Moment(moment.0 - SLACK_MS, moment.1 + SLACK_MS).not_before(self.zero)
    }
}
