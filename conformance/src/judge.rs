//! Judges one scenario: runs it, audits, checks its history, and gives the verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audit::audit;
use crate::checkers::{self, Findings};
use crate::dice;
use crate::drive::{Cx, Failure, Journal, Stop};
use crate::facts::Facts;
use crate::history::Event;
use crate::proxy::Network;
use crate::scenario::Scenario;
use crate::stall;
use crate::steps::{Step, run_all};
use crate::target::{Instance, Target};
use crate::vars::Vars;

/// How scenarios are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long to wait for what must come.
    pub deadline: Duration,
    /// Decides what faults do by chance. Names are fresh in every run, whatever the seed: runs must not meet each other's.
    pub seed: Option<u64>,
    /// The workspace of every scenario; without it each has a fresh one.
    pub workspace: Option<String>,
    /// Everything is late by up to so many milliseconds each way, by chance: a slow network.
    pub latency_ms: u64,
    /// What the server offers beyond the core.
    pub capabilities: Arc<[String]>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            deadline: Duration::from_secs(20),
            seed: None,
            workspace: None,
            latency_ms: 0,
            capabilities: Arc::default(),
        }
    }
}

/// What came of a scenario.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// All held, and there was occasion to judge all that it checks.
    Pass,
    /// The server broke requirements.
    Fail(Vec<Failure>),
    /// Nothing can be said: why.
    Unknown(String),
    /// The target lacks what it needs, or what it is about did not happen there: what.
    NotJudged(String),
}

/// A scenario's verdict, with all that led to it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The verdict.
    pub verdict: Verdict,
    /// Its history.
    pub facts: Facts,
    /// The requirements that it gave occasion to judge: its own, and what the checkers found.
    pub judged: Vec<String>,
    /// Whether it is unknown because a fault of it hit nothing, in every attempt: another scenario might say more.
    pub missed: bool,
    /// How long it took.
    pub took: Duration,
}

/// Runs and judges a scenario.
pub async fn judge(
    scenario: Arc<Scenario>,
    target: Arc<dyn Target>,
    settings: Settings,
) -> Judgement {
    let began = Instant::now();
    let hooks = target.hooks();
    let needs = &scenario.needs;
    let hooks = needs
        .hooks
        .iter()
        .filter(|hook| !hooks.contains(hook))
        .map(|hook| format!("hook `{}`", hook.name()));
    let capabilities = needs
        .capabilities
        .iter()
        .filter(|name| !settings.capabilities.contains(name));
    let missing: Vec<_> = hooks
        .chain(capabilities.map(|name| format!("capability `{name}`")))
        .collect();
    if !missing.is_empty() {
        return Judgement::without(
            Arc::clone(&scenario),
            Verdict::NotJudged(format!("needs {}", missing.join(", "))),
        );
    }
    let server = match target.provide(&scenario).await {
        Ok(server) => server,
        Err(why) => {
            return Judgement::without(
                scenario,
                Verdict::Unknown(format!("there is no server to run it against: {why}")),
            );
        }
    };
    let mut attempt = 0;
    let mut stalled = 0;
    loop {
        let mut stalls = stall::Mark::now();
        let ran = run(&scenario, Arc::clone(&server), &settings, attempt).await;
        let (facts, findings) = checked(ran.facts).await;
        let mut judged: Vec<String> = findings.judged.iter().map(|id| (*id).to_owned()).collect();
        let went_through = ran.stop.is_none();
        let mut verdict = verdict(&scenario, ran.stop, findings);
        let lost = stalls.lost();
        if matches!(verdict, Verdict::Fail(_)) && !lost.is_zero() {
            stalled += 1;
            attempt += 1;
            if stalled < ATTEMPTS_MAX {
                continue;
            }
            verdict = Verdict::Unknown(format!(
                "the runner's machine stood still for {} s, in each of {ATTEMPTS_MAX} attempts",
                lost.as_secs()
            ));
        }
        if went_through && matches!(verdict, Verdict::Pass | Verdict::Fail(_)) {
            judged.extend(scenario.checks.iter().cloned());
        }
        let missed = ran.idle_faults.first();
        let missed = missed.filter(|_| matches!(verdict, Verdict::Pass));
        if let Some(place) = missed {
            attempt += 1;
            if attempt < ATTEMPTS_MAX {
                continue;
            }
            verdict = Verdict::Unknown(format!(
                "the fault at {place} hit nothing, in {ATTEMPTS_MAX} attempts"
            ));
        }
        return Judgement {
            scenario,
            verdict,
            facts,
            judged,
            missed: missed.is_some(),
            took: began.elapsed(),
        };
    }
}

/// What the checkers find. They may take long, and those who write and read meanwhile must not wait for them: a thread of its own.
async fn checked(facts: Facts) -> (Facts, Findings) {
    let check = move || {
        let findings = checkers::check(&facts);
        (facts, findings)
    };
    let checked = tokio::task::spawn_blocking(check).await;
    checked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// So often is a scenario run whose faults hit nothing, each time with another seed.
const ATTEMPTS_MAX: u64 = 3;

impl Judgement {
    /// Whether all held.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        matches!(self.verdict, Verdict::Pass)
    }

    /// The verdict on a scenario that was not run.
    #[must_use]
    pub fn without(scenario: Arc<Scenario>, verdict: Verdict) -> Judgement {
        Judgement {
            scenario,
            verdict,
            facts: Facts::default(),
            judged: Vec::new(),
            missed: false,
            took: Duration::ZERO,
        }
    }
}

/// What came of running a scenario once.
struct Ran {
    /// What stopped it.
    stop: Option<Stop>,
    /// What is known then.
    facts: Facts,
    /// The places of faults that have hit nothing.
    idle_faults: Vec<String>,
}

/// Runs the steps and the audit.
async fn run(
    scenario: &Scenario,
    server: Arc<dyn Instance>,
    settings: &Settings,
    attempt: u64,
) -> Ran {
    let seed = settings
        .seed
        .unwrap_or_else(dice::seed)
        .wrapping_add(attempt);
    let run = unique(dice::seed(), &scenario.id);
    let shared = settings
        .workspace
        .clone()
        .filter(|_| !scenario.own_workspace);
    let workspace = shared.unwrap_or_else(|| format!("w-{run}"));
    let journal = Arc::new(Journal::new(Vars::new(&run, &workspace)));
    let seed = dice::mixed(seed, &scenario.id);
    let proxied = scenario.has_faults() || settings.latency_ms > 0;
    let network = proxied.then(|| Arc::new(Network::new(seed, settings.latency_ms)));
    let cx = Cx::new(Arc::clone(&journal), server, settings.deadline).through(network.clone());
    let mut outcome = run_all(&cx, &scenario.steps).await;
    if let Some(network) = &network {
        network.heal(None);
    }
    if outcome.is_ok() && scenario.audit {
        outcome = audit(&cx).await;
    }
    if let Some(at) = gone(&cx).await {
        let entries = journal.with(|state| state.facts.entries[..at].to_vec());
        let last = entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Sent { frame, .. } => Some(frame.to_string()),
            _ => None,
        });
        let why = format!(
            "the server went away and cannot be reached any more; it was last sent {}",
            last.as_deref().unwrap_or("nothing")
        );
        return Ran {
            stop: Some(Stop::Unknown(why)),
            facts: Facts::of(entries),
            idle_faults: Vec::new(),
        };
    }
    cx.leave_all().await;
    Ran {
        stop: outcome.err(),
        facts: journal.with(|state| state.facts.clone()),
        idle_faults: network.map_or_else(Vec::new, |network| network.idle()),
    }
}

/// The entry at which the server went away, if it broke a connection off without a word and nobody can reach it now. What came after says
/// nothing of it: whether a frame was its end, or somebody stopped it, cannot be seen from outside.
async fn gone(cx: &Cx) -> Option<usize> {
    let broken_off = cx.with(|state| {
        let ends = state.facts.conns.iter().filter_map(|conn| conn.ended);
        let abrupt = ends.filter(|end| end.by_server() && end.code().is_none());
        abrupt.map(|end| end.at).min()
    });
    if broken_off.is_some() && !cx.is_reachable().await {
        broken_off
    } else {
        None
    }
}

fn verdict(scenario: &Scenario, stop: Option<Stop>, findings: Findings) -> Verdict {
    let mut failures: Vec<Failure> = Vec::new();
    let mut did_not_happen = false;
    let at_fault = findings.internal.first();
    let mut unknown = at_fault
        .map(|why| format!("the runner is at fault: {why}"))
        .or_else(|| findings.unclear.first().cloned());
    match stop {
        Some(Stop::Fail(mut failure)) => {
            if failure.requirements.is_empty() {
                failure.requirements.clone_from(&scenario.checks);
            }
            failures.push(failure);
        }
        Some(Stop::Unknown(why) | Stop::Lost(why)) => unknown = Some(why),
        Some(Stop::DidNotHappen(_)) => did_not_happen = true,
        None => {}
    }
    failures.extend(findings.violations.into_iter().map(|violation| Failure {
        requirements: vec![violation.requirement.to_owned()],
        expected: violation.expected,
        actual: violation.actual,
        step: None,
        at: violation.at,
    }));
    // A scenario that asserts nothing itself leaves the judging to the checkers: they must have had occasion.
    let left_to_checkers = if scenario.steps.iter().any(Step::asserts) {
        &[][..]
    } else {
        &scenario.checks[..]
    };
    let vacuous = left_to_checkers
        .iter()
        .find(|id| !findings.judged.contains(id.as_str()));
    match (failures.is_empty(), unknown, vacuous) {
        (false, _, _) => Verdict::Fail(failures),
        (true, Some(why), _) => Verdict::Unknown(why),
        (true, None, _) if did_not_happen => Verdict::NotJudged(DID_NOT_HAPPEN.to_owned()),
        (true, None, Some(id)) => Verdict::Unknown(format!(
            "nothing in the history gave occasion to judge {id}"
        )),
        (true, None, None) => Verdict::Pass,
    }
}

/// Why a scenario is not judged that went through, and found its matter missing.
const DID_NOT_HAPPEN: &str = "with this target's limits, what they are about did not happen";

/// What makes the fresh names of a run unique, fit for every kind of name.
pub(crate) fn unique(seed: u64, scenario: &str) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bits = dice::mixed(seed, scenario);
    let digit = |_| {
        let digit = DIGITS[(bits % 32) as usize];
        bits /= 32;
        char::from(digit)
    };
    (0..12).map(digit).collect()
}
