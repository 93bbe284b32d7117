//! Marks: rare situations, named where the cores meet them, so that a test can ask whether they are met at all.
//!
//! `mark!("reset_with_pending")` counts in builds with debug assertions and is nothing in others. The simulator must meet each mark again and again:
//! what no test ever meets is not tested, however much of the code is covered.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// All marks: the name, and what is rare about it.
pub const ALL: [(&str, &str); 25] = [
    (
        "server_step_taken_back",
        "a decided step is taken back, because another node appended first",
    ),
    (
        "server_retry_answered",
        "a mutation that was decided before is answered from memory",
    ),
    (
        "server_seq_gap",
        "a mutation comes before the one that is expected",
    ),
    ("server_rate_limited", "a client is deferred for its rate"),
    (
        "server_outcome_elsewhere",
        "an outcome is told to a session that did not push it",
    ),
    (
        "server_session_replaced",
        "a newer connection of a client ends the older",
    ),
    (
        "server_welcome_tells_outcomes",
        "a welcome lists outcomes that the client may not know",
    ),
    (
        "server_subscriber_left_behind",
        "a live subscriber has no room, and is served by itself from then on",
    ),
    (
        "server_truncated_before_pump",
        "deletes are forgotten that live subscribers were not told of",
    ),
    (
        "server_cursor_truncated",
        "a cursor is below what the log still knows",
    ),
    (
        "server_cursor_of_other_epoch",
        "a cursor is of another history",
    ),
    ("server_client_forgotten", "an idle client is forgotten"),
    (
        "client_copy_found",
        "a store finds that another uses its clientId",
    ),
    (
        "client_forgotten_found",
        "the server knows less of a client than its store",
    ),
    (
        "client_doubt",
        "mutations are put before the app, because nobody knows what became of them",
    ),
    (
        "client_epoch_with_pending",
        "the epoch changes while mutations are undecided",
    ),
    ("client_given_up", "an undecided mutation is given up"),
    (
        "client_new_id_with_pending",
        "undecided mutations move to a new clientId",
    ),
    (
        "client_replaced",
        "a newer session of the same clientId has ended this one",
    ),
    (
        "client_replacement_with_pending",
        "a shape is replaced while mutations are undecided",
    ),
    (
        "client_staging_dropped",
        "parts of an update are dropped with their connection",
    ),
    (
        "client_outcome_at_welcome",
        "an outcome is learned from welcome that no ack told",
    ),
    (
        "client_rewind",
        "undecided mutations are sent again on one connection",
    ),
    (
        "client_silence",
        "a connection is given up because nothing comes",
    ),
    (
        "client_stray_update",
        "an update comes of a shape that is not wanted any more",
    ),
];

static HITS: [AtomicU64; ALL.len()] = [const { AtomicU64::new(0) }; ALL.len()];

/// The place of a mark. A name that is not in [`ALL`] does not compile.
///
/// # Panics
/// There is no such mark.
#[must_use]
pub const fn place(name: &str) -> usize {
    let mut place = 0;
    while place < ALL.len() {
        if is_same(ALL[place].0.as_bytes(), name.as_bytes()) {
            return place;
        }
        place += 1;
    }
    panic!("there is no such mark")
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Counts a mark; use [`mark!`](crate::mark).
#[inline]
pub fn hit(place: usize) {
    if cfg!(debug_assertions) {
        HITS[place].fetch_add(1, Relaxed);
    }
}

/// How often each mark was met in this process; none, in a build that does not count.
#[must_use]
pub fn hits() -> Option<Vec<(&'static str, u64)>> {
    let counts = ALL.iter().zip(&HITS);
    let counts = counts.map(|((name, _), hits)| (*name, hits.load(Relaxed)));
    cfg!(debug_assertions).then(|| counts.collect())
}

/// A rare situation is met: its name, one of [`marks::ALL`](crate::marks::ALL).
#[macro_export]
macro_rules! mark {
    ($name:literal) => {
        $crate::marks::hit(const { $crate::marks::place($name) })
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_counted_by_its_name() {
        let count = |name: &str| hits().map(|hits| hits[place(name)].1);
        let before = count("client_doubt");
        crate::mark!("client_doubt");
        assert_eq!(count("client_doubt"), before.map(|hits| hits + 1));
        assert_eq!(count("client_copy_found").unwrap_or(0), 0);
    }
}
