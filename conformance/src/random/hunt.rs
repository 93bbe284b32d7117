//! The hunt: judges random histories, so many or for so long, and makes the failures small.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::print::printed;
use super::program::{Offer, program};
use super::shrink::{Shrunk, requirements_of, shrink};
use crate::dice;
use crate::facts::Facts;
use crate::judge::{Judgement, Settings, Verdict};
use crate::scenario::{self, Scenario};
use crate::suite;
use crate::target::Target;

/// What to hunt for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Makes the programs: the same ones every time.
    pub seed: u64,
    /// How many.
    pub cases: u64,
    /// Goes on for so long instead.
    pub time: Option<Duration>,
    /// Where failures are saved.
    pub save: PathBuf,
}

/// A server that has failed so often is known well enough: each further failure may cost a deadline.
const FAILED_MAX: usize = 20;

/// What came of it.
#[derive(Debug, Default)]
pub struct Hunt {
    /// The judgements on all histories; where a failure was made smaller, that on the small one.
    pub judgements: Vec<Judgement>,
    /// The failures that were made small.
    pub finds: Vec<Find>,
    /// The files of the others that did not pass, as they were.
    pub others: Vec<PathBuf>,
    /// How many histories were drawn again, because a fault of the first hit nothing.
    pub redrawn: usize,
}

/// A failure that was made small and kept.
#[derive(Debug)]
pub struct Find {
    /// The small one.
    pub shrunk: Shrunk,
    /// Where it was saved; or why not.
    pub saved: Result<PathBuf, String>,
}

/// So many programs are made at once for each job: enough to keep everybody busy until the last of them, few enough to end in time.
const BATCH_PER_JOB: u64 = 4;

/// So many failures are made small; a server that breaks everything need not break everything small.
const SHRUNK_MAX: usize = 3;

/// So many of the others are saved: more of them say nothing new.
const OTHERS_MAX: usize = 20;

/// So often another history is drawn for one whose faults hit nothing: what it was to show has not been seen.
const DRAWS_MAX: u64 = 4;

/// The folder, and the chapter, of random histories.
pub const CHAPTER: &str = "random";

/// Judges random histories, and tells of each as soon as it is done.
pub async fn hunt(
    plan: &Plan,
    target: Arc<dyn Target>,
    settings: &Settings,
    jobs: usize,
    mut done: impl FnMut(&Judgement),
) -> Hunt {
    let began = Instant::now();
    let mut hunt = Hunt::default();
    let mut told = BTreeSet::new();
    let mut case = 0;
    let batch = BATCH_PER_JOB * jobs as u64;
    let offer = Offer {
        hooks: target.hooks(),
        capabilities: settings.capabilities.iter().cloned().collect(),
    };
    let goes_on = |case: u64| {
        plan.time
            .map_or(case < plan.cases, |time| began.elapsed() < time)
    };
    while goes_on(case) && hunt.failed() < FAILED_MAX {
        let until = plan.time.map_or(plan.cases, |_| u64::MAX).min(case + batch);
        let mut judged = Vec::new();
        let mut drawn: Vec<u64> = (case..until).collect();
        for draw in 1..=DRAWS_MAX {
            let files: Vec<Value> = drawn
                .iter()
                .map(|case| drawn_for(plan.seed, *case, draw, &offer))
                .collect();
            let scenarios = files.iter().map(|file| Arc::new(read(file))).collect();
            let counts = |judgement: &Judgement| !judgement.missed || draw == DRAWS_MAX;
            let done = |judgement: &Judgement| {
                if counts(judgement) {
                    done(judgement);
                }
            };
            let judging = suite::run(scenarios, Arc::clone(&target), settings.clone(), jobs, done);
            let results = drawn.into_iter().zip(files).zip(judging.await);
            let (counted, again): (Vec<_>, Vec<_>) =
                results.partition(|(_, judgement)| counts(judgement));
            judged.extend(counted);
            drawn = again.into_iter().map(|((case, _), _)| case).collect();
            hunt.redrawn += drawn.len();
        }
        judged.sort_by_key(|((case, _), _)| *case);
        for ((_, file), mut judgement) in judged {
            if let Some(requirements) = requirements_of(&judgement)
                && hunt.finds.len() < SHRUNK_MAX
                && told.insert(requirements)
            {
                let shrunk = shrink(file, judgement, &target, settings, jobs).await;
                judgement = shrunk.judgement.clone();
                let saved = save(&plan.save, &shrunk.file);
                hunt.finds.push(Find { shrunk, saved });
            } else if !matches!(judgement.verdict, Verdict::Pass | Verdict::NotJudged(_))
                && hunt.others.len() < OTHERS_MAX
            {
                hunt.others.extend(save(&plan.save, &file));
            }
            if !matches!(judgement.verdict, Verdict::Fail(_)) {
                // What happened in the millions that passed is nobody's memory.
                judgement.facts = Facts::default();
            }
            hunt.judgements.push(judgement);
        }
        case = until;
    }
    hunt
}

/// The program of a case; another one at each draw.
fn drawn_for(seed: u64, case: u64, draw: u64, offer: &Offer) -> Value {
    let name = match draw {
        1 => case.to_string(),
        draw => format!("{case}-{draw}"),
    };
    let id = format!("{CHAPTER}-{seed}-{name}");
    program(dice::mixed(seed, &name), &id, offer)
}

impl Hunt {
    fn failed(&self) -> usize {
        let failed = |judgement: &&Judgement| matches!(judgement.verdict, Verdict::Fail(_));
        self.judgements.iter().filter(failed).count()
    }
}

/// The scenario of a program.
pub(super) fn read(file: &Value) -> Scenario {
    parse(file).expect("a program is a scenario")
}

/// The scenario of a file that may be none.
pub(super) fn parse(file: &Value) -> Result<Scenario, Vec<scenario::LoadError>> {
    let id = file["id"].as_str().unwrap_or_default();
    scenario::parse(&format!("{CHAPTER}/{id}.json"), &file.to_string())
}

fn save(folder: &std::path::Path, file: &Value) -> Result<PathBuf, String> {
    let folder = folder.join(CHAPTER);
    let path = folder.join(format!("{}.json", file["id"].as_str().unwrap_or_default()));
    let fault = |error: std::io::Error| format!("{}: cannot be written: {error}", path.display());
    std::fs::create_dir_all(&folder).map_err(fault)?;
    std::fs::write(&path, printed(file)).map_err(fault)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Hook;

    #[test]
    fn every_program_is_a_scenario_and_its_seed_makes_it() {
        let all = Offer {
            hooks: Hook::ALL.into(),
            capabilities: ["fields", "filters", "presence", "tables", "conflicts"]
                .map(ToOwned::to_owned)
                .into(),
        };
        let mut filtered = 0;
        for seed in 0..500 {
            let offer = if seed % 2 == 0 {
                all.clone()
            } else {
                Offer::default()
            };
            let file = program(seed, &format!("random-{seed}"), &offer);
            assert_eq!(file, program(seed, &format!("random-{seed}"), &offer));
            let (steps, needs) = (file["steps"].to_string(), file["needs"].to_string());
            for (op, capability) in [
                ("patch", "fields"),
                ("declare", "conflicts"),
                ("where", "filters"),
            ] {
                let used = steps.contains(&format!("{op:?}"));
                filtered += usize::from(used && op == "where");
                assert_eq!(used, needs.contains(capability), "{seed}: {op}");
            }
            if let Err(errors) = parse(&file) {
                panic!("{errors:?}\n{file:#}");
            }
        }
        assert!((50..200).contains(&filtered), "{filtered} programs filter");
    }
}
