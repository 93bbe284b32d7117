//! What the kills of a history found: how much was in the air, and what became of it.

use std::fmt;
use std::ops::AddAssign;

use crate::facts::Facts;
use crate::scenario::Hook;

/// Counts over histories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Kills that took at least one unanswered write with them.
    pub under_load: u64,
    /// Kills that found nothing in flight.
    pub idle: u64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes that had been sent when the server was killed, and that this connection never heard of: decided or not.
    pub in_doubt: u64,
    /// Of the acknowledged, those of which `welcome` told first: they were durable, and their acks lost.
    pub lost_acks: u64,
}

impl Tally {
    /// The counts of a history.
    #[must_use]
    pub fn of(facts: &Facts) -> Tally {
        let mut tally = Tally::default();
        for (_, begun, _) in { facts.hooks.iter() }.filter(|(hook, ..)| *hook == Hook::Kill) {
            let found = taken_by(facts, *begun);
            tally.in_doubt += found;
            *match found {
                0 => &mut tally.idle,
                _ => &mut tally.under_load,
            } += 1;
        }
        for mutation in &facts.ledger.mutations {
            if let Some(first) = mutation.outcomes.first() {
                tally.acknowledged += 1;
                let welcome = facts.conns[first.conn].welcome.as_ref();
                tally.lost_acks += u64::from(welcome.is_some_and(|(at, _)| *at == first.at));
            }
        }
        tally
    }
}

/// How many writes were on their way at this entry, on connections that ended later, and were never answered there.
fn taken_by(facts: &Facts, begun: usize) -> u64 {
    let sends = facts
        .ledger
        .mutations
        .iter()
        .flat_map(|mutation| &mutation.sends);
    let taken = sends.filter(|send| {
        let conn = &facts.conns[send.conn];
        let answered =
            { conn.sent.get(send.ordinal as usize - 1) }.is_some_and(|sent| sent.answer.is_some());
        send.at < begun && !answered && conn.ended.is_none_or(|end| end.at > begun)
    });
    taken.count() as u64
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.under_load += other.under_load;
        self.idle += other.idle;
        self.acknowledged += other.acknowledged;
        self.in_doubt += other.in_doubt;
        self.lost_acks += other.lost_acks;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            under_load,
            idle,
            acknowledged,
            in_doubt,
            lost_acks,
        } = self;
        write!(
            out,
            "{under_load} kills under load, {idle} more that found nothing in flight; \
             {acknowledged} writes acknowledged, {in_doubt} were in doubt at a kill, {lost_acks} of them durable with their ack lost"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::notation::facts;

    /// Under load, idle, acknowledged, in doubt, lost acks.
    fn check(history: &str, expected: [u64; 5]) {
        let Tally {
            under_load,
            idle,
            acknowledged,
            in_doubt,
            lost_acks,
        } = Tally::of(&facts(history));
        let found = [under_load, idle, acknowledged, in_doubt, lost_acks];
        assert_eq!(found, expected, "{history}");
    }

    #[test]
    fn what_a_kill_found_is_counted() {
        let begin = "a > hello alice\na < welcome 0 0 []\na > push 1 x t/k=1 | 2 y t/k=2\n";
        let ack = "a < ack 2 1 x applied 1, 2 y applied 2\n";
        check(&format!("{begin}{ack}hook kill\na reset"), [0, 1, 2, 0, 0]);
        check(&format!("{begin}hook kill\na reset"), [1, 0, 0, 2, 0]);
        // Answered just before it died, after all.
        check(&format!("{begin}hook kill\n{ack}a reset"), [0, 1, 2, 0, 0]);
        let told = "b > hello alice\nb < welcome 1 1 [1 x applied 1]\nb > push 2 y t/k=2\nb < ack 2 2 y applied 2\n";
        check(
            &format!("{begin}hook kill\na reset\n{told}"),
            [1, 0, 2, 2, 1],
        );
        // What an earlier kill took is not the next one's.
        check(
            &format!("{begin}hook kill\na reset\n{told}hook kill\nb reset"),
            [1, 1, 2, 2, 1],
        );
        check(&format!("{begin}hook restart\na reset"), [0; 5]);
    }
}
