//! Checkers of what clients send: pure functions of a history, in every scenario, whatever it is about.
//!
//! They go by what a client can know. A frame of the server's counts as read only where the client has answered it; so what was told may be
//! used in a client's favour, never against it.

mod chain;
mod entries;
mod filters;
mod frames;
mod history;
mod identity;
#[cfg(test)]
mod notation;
mod opening;
mod presence;
mod refused;
mod sequences;
mod standing;
mod waiting;

use super::facts::Facts;
use crate::checkers::Findings;

/// One checker.
pub struct Checker {
    /// Its name.
    pub name: &'static str,
    /// The requirements that it judges, where there is occasion.
    pub requirements: &'static [&'static str],
    /// The function.
    pub check: fn(&Facts<'_>, &mut Findings),
}

/// All checkers.
pub const ALL: &[Checker] = &[
    frames::CHECKER,
    opening::CHECKER,
    chain::CHECKER,
    entries::CHECKER,
    identity::CHECKER,
    refused::CHECKER,
    sequences::CHECKER,
    standing::CHECKER,
    waiting::CHECKER,
    presence::CHECKER,
    filters::CHECKER,
    history::CHECKER,
];

/// What all checkers say of a history.
#[must_use]
pub fn check(facts: &Facts<'_>) -> Findings {
    let mut findings = Findings::default();
    for checker in ALL {
        (checker.check)(facts, &mut findings);
    }
    findings
}
