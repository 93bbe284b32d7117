//! How long it takes until replicas converge: from when a write is known to be applied until each live reader has it.

use crate::facts::{Facts, Mutation, Sub};
use crate::judge::Judgement;

/// How long acknowledged writes took to their live readers, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took no longer.
    pub median_us: u64,
    /// 99 of 100 took no longer: the rest are mostly those whom a scenario holds up.
    pub p99_us: u64,
    /// How many there were: each write to each of its readers.
    pub count: usize,
}

impl Latency {
    /// Of all histories; nothing, where nobody read what another wrote.
    #[must_use]
    pub fn of(judgements: &[Judgement]) -> Option<Latency> {
        let facts = judgements.iter().map(|judgement| &judgement.facts);
        let mut all: Vec<u64> = facts.flat_map(latencies).collect();
        all.sort_unstable();
        let last = all.len().checked_sub(1)?;
        Some(Latency {
            median_us: all[last / 2],
            p99_us: all[last * 99 / 100],
            count: all.len(),
        })
    }
}

fn latencies(facts: &Facts) -> Vec<u64> {
    let subs = facts.subs.iter();
    subs.flat_map(|sub| {
        { facts.ledger.mutations.iter() }.filter_map(|mutation| latency(facts, sub, mutation))
    })
    .collect()
}

/// From the write's first ack to the update of a subscription that was live then.
fn latency(facts: &Facts, sub: &Sub, mutation: &Mutation) -> Option<u64> {
    let same =
        mutation.workspace == facts.conns[sub.conn].workspace() && mutation.touches(&sub.tables);
    let outcome = mutation
        .outcomes
        .first()
        .filter(|outcome| same && outcome.status == "applied" && outcome.epoch == sub.epoch)?;
    let part_at = |index: usize| sub.parts[index].at;
    let first = part_at(sub.completes.first()?.last);
    if first > outcome.at || sub.ended_at.is_some_and(|ended| ended < outcome.at) {
        return None;
    }
    let has = { sub.completes.iter() }.find(|complete| complete.to >= outcome.version)?;
    let at_us = |at: usize| facts.entries[at].at_us;
    Some(at_us(part_at(has.last)).saturating_sub(at_us(outcome.at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::notation;

    /// Each line is a millisecond after the one before.
    #[test]
    fn from_the_first_ack_to_the_update() {
        let begun = "r > hello\nr < welcome 0 0\nr > subscribe i t\nr < subscribed i s t\nr < update s 0..0 replace\n\
            a > hello alice\na < welcome 0 0\na > push 1 x t/k=1 | 2 y u/k=1\n";
        let late = notation::facts(&format!(
            "{begun}a < ack 2 1 x applied 1, 2 y applied 2\nwait 5\nr < update s 0..2 t/k=1@1"
        ));
        assert_eq!(latencies(&late), [6000]);
        let early = notation::facts(&format!(
            "{begun}r < update s 0..2 t/k=1@1\na < ack 2 1 x applied 1, 2 y applied 2"
        ));
        assert_eq!(latencies(&early), [0]);
        let never = notation::facts(&format!("{begun}a < ack 2 1 x applied 1, 2 y applied 2"));
        assert_eq!(latencies(&never), [0_u64; 0]);
    }
}
