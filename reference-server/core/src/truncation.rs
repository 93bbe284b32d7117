//! When deletes and idle clients are forgotten, and how far: by the count and the age of versions.
//!
//! To forget is a decision like any other, with a place in the log, so that on every node and after every restart the same
//! is known. The age of a version is known from marks: a version and its moment, one for about a
//! sixty-fourth of the age that is kept.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use syncline_schemas::Limits;

use crate::config::Retention;
use crate::record::Truncated;
use crate::state::State;

/// Moments of versions, oldest first, spread over the time that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Marks(VecDeque<(u64, u64)>);

impl Marks {
    /// How far apart marks stand.
    pub(crate) fn spacing_ms(retention: Retention) -> u64 {
        (retention.age_ms_max / 64).max(1)
    }

    /// Marks a version, unless the last mark is still near.
    pub(crate) fn add(&mut self, version: u64, at_ms: u64, every_ms: u64) {
        if self
            .0
            .back()
            .is_none_or(|(_, last)| at_ms >= last.saturating_add(every_ms))
        {
            self.0.push_back((version, at_ms));
        }
    }

    pub(crate) fn forget(&mut self, to: u64) {
        let forgotten = self.0.partition_point(|(version, _)| *version <= to);
        self.0.drain(..forgotten);
    }

    /// The last marked version that was decided at or before a moment.
    fn version_at(&self, at_ms: u64) -> Option<u64> {
        let old = self.0.partition_point(|(_, at)| *at <= at_ms);
        old.checked_sub(1)
            .and_then(|last| self.0.get(last))
            .map(|(version, _)| *version)
    }
}

/// What is to be forgotten now, if anything is. There is some slack in the count, so that not every step truncates.
pub(crate) fn due(
    state: &State,
    retention: Retention,
    limits: &Limits,
    now_ms: u64,
) -> Option<Truncated> {
    let slack = retention.versions_max / 8 + 1;
    let kept = state.head - state.truncated_to;
    let by_count = (kept > retention.versions_max.saturating_add(slack))
        .then(|| state.head - retention.versions_max);
    let by_age = now_ms
        .checked_sub(retention.age_ms_max)
        .and_then(|moment| state.marks.version_at(moment));
    let to = by_count.max(by_age)?;
    Some(upto(to, limits, now_ms))
}

/// How much longer than `limits.clientTtlMs`, in milliseconds, a client is remembered (`PUSH-REMEMBERED`): by so much its clock, or that of another node, may be wrong,
/// and what it sends again is still known.
pub const CLIENT_MARGIN_MS: u64 = 24 * 3600 * 1000;

/// Forgets deletes up to a version, and with them the clients that are idle for so long that none of them sends anything again.
pub(crate) fn upto(to: u64, limits: &Limits, now_ms: u64) -> Truncated {
    Truncated {
        to,
        clients_idle_before_ms: now_ms
            .saturating_sub(limits.client_ttl_ms.saturating_add(CLIENT_MARGIN_MS)),
    }
}
