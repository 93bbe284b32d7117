//! Round after round, until so many kills have found something in flight.

use std::sync::Arc;

use super::{CHAPTER, Tally, program};
use crate::dice;
use crate::judge::{Judgement, Settings};
use crate::scenario;
use crate::suite;
use crate::target::Target;

/// What to do to the server.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Makes the rounds; when exactly a kill hits is up to the machine.
    pub seed: u64,
    /// How many kills must find something in flight.
    pub kills: u64,
    /// How many clients write.
    pub clients: u64,
    /// How many rounds at once, each with a server of its own.
    pub jobs: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Series {
    /// The judgements on all rounds.
    pub judgements: Vec<Judgement>,
    /// What the kills found.
    pub tally: Tally,
}

/// Kills in a round at most: its history is judged as a whole, and that takes longer than to make it.
const ROUND_KILLS: u64 = 10;

/// So often as many kills are tried as must find something in flight.
const TRIES: u64 = 4;

/// Kills the server until so many kills have found something in flight, or a round has not passed. Tells after each batch of rounds how it stands.
///
/// # Panics
/// Never: what is made is a scenario.
pub async fn series(
    plan: Plan,
    target: Arc<dyn Target>,
    settings: &Settings,
    mut told: impl FnMut(&Tally),
) -> Series {
    let mut series = Series::default();
    let mut round = 0;
    let goes_on = |series: &Series| {
        let Tally {
            under_load, idle, ..
        } = series.tally;
        let passed = series.judgements.iter().all(Judgement::has_passed);
        passed && under_load < plan.kills && under_load + idle < TRIES * plan.kills
    };
    while goes_on(&series) {
        let mut left = plan.kills - series.tally.under_load;
        let mut rounds = Vec::new();
        while left > 0 && rounds.len() < plan.jobs.max(1) {
            let kills = left.min(ROUND_KILLS);
            left -= kills;
            rounds.push(Arc::new(scenario_of(&plan, round, kills)));
            round += 1;
        }
        let judging = suite::run(
            rounds,
            Arc::clone(&target),
            settings.clone(),
            plan.jobs,
            |_| (),
        );
        for mut judgement in judging.await {
            series.tally += Tally::of(&judgement.facts);
            if judgement.has_passed() {
                judgement.facts = Default::default();
            }
            series.judgements.push(judgement);
        }
        told(&series.tally);
    }
    series
}

fn scenario_of(plan: &Plan, round: u64, kills: u64) -> scenario::Scenario {
    let id = format!("{CHAPTER}-{}-{round}", plan.seed);
    let file = program(
        dice::mixed(plan.seed, &round.to_string()),
        &id,
        kills,
        plan.clients,
    );
    let path = format!("{CHAPTER}/{id}.json");
    scenario::parse(&path, &file.to_string()).expect("a program is a scenario")
}
