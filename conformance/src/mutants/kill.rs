//! Runs the suite against a mutant, and says whether it was caught for the right reason.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::tree::Programs;
use super::{Mutant, SWITCH, Side};

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Everything that it breaks was found broken, by these scenarios.
    Killed(Vec<String>),
    /// Something was found broken, but not these requirements that it breaks.
    WrongReason {
        /// What it breaks and was not found broken.
        missed: Vec<String>,
        /// What was found broken.
        found: Vec<String>,
    },
    /// The suite found nothing wrong.
    Survived,
    /// Nothing can be said.
    Unknown(String),
}

impl Fate {
    /// Whether this requirement, which the mutant breaks, was found broken.
    #[must_use]
    pub fn shows(&self, id: &String) -> bool {
        match self {
            Fate::Killed(_) => true,
            Fate::WrongReason { missed, .. } => !missed.contains(id),
            Fate::Survived | Fate::Unknown(_) => false,
        }
    }
}

/// A mutant's trial.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What became of it.
    pub fate: Fate,
    /// How often the suite was run: a race is not lost every time.
    pub runs: usize,
    /// How long it took.
    pub took: Duration,
}

/// Seconds that the runner waits for what a mutant withholds.
const DEADLINE: &str = "5";

/// So often the suite is run at most before a mutant counts as one that it does not catch.
const RUNS_MAX: usize = 3;

/// Runs the suite against a mutant until that is caught.
#[must_use]
pub fn attempt(programs: &Programs, mutant: &Mutant, report: &Path) -> Trial {
    let began = Instant::now();
    let name = Some(mutant.name.as_str());
    let once = || {
        let found = judge(programs, mutant.side, name, selection(mutant), report);
        found.map_or_else(Fate::Unknown, |found| fate(mutant, &found))
    };
    let mut runs = 1;
    let mut fate = once();
    while !matches!(fate, Fate::Killed(_)) && runs < RUNS_MAX {
        runs += 1;
        fate = once();
    }
    Trial {
        fate,
        runs,
        took: began.elapsed(),
    }
}

/// Runs what is run against these mutants against what is no mutant: nothing of it may fail.
///
/// # Errors
/// What failed, or that the suite could not be run.
pub fn control(
    programs: &Programs,
    side: Side,
    mutants: &[Mutant],
    report: &Path,
) -> Result<(), String> {
    let of_side = mutants.iter().filter(|mutant| mutant.side == side);
    let selected: BTreeSet<String> = of_side.flat_map(selection).collect();
    let found = judge(programs, side, None, selected.into_iter().collect(), report)?;
    if found.failed.is_empty() {
        return Ok(());
    }
    let (broken, failed) = (found.broken, found.failed.join(", "));
    Err(format!(
        "without a mutant, these fail: {broken:?} ({failed})"
    ))
}

fn selection(mutant: &Mutant) -> Vec<String> {
    if mutant.text.select.is_empty() {
        mutant.text.breaks.clone()
    } else {
        mutant.text.select.clone()
    }
}

/// What a run found.
#[derive(Debug, Default)]
struct Found {
    exit_code: u64,
    broken: BTreeSet<String>,
    failed: Vec<String>,
}

fn judge(
    programs: &Programs,
    side: Side,
    mutant: Option<&str>,
    selected: Vec<String>,
    report: &Path,
) -> Result<Found, String> {
    let mut command = Command::new(&programs.runner);
    match side {
        Side::Server => command.arg("run"),
        Side::Client => command.args(["client", "--cmd"]).arg(&programs.adapter),
    };
    for name in &selected {
        command.args(["--select", name]);
    }
    let ran = command
        .args(["--deadline", DEADLINE, "--json"])
        .arg(report)
        .env(SWITCH, mutant.unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", programs.runner.display()))?;
    let said = || String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    let text = std::fs::read_to_string(report).map_err(|error| format!("{error}: {}", said()))?;
    let report: Value =
        serde_json::from_str(&text).map_err(|error| format!("{error}: {}", said()))?;
    Ok(found(&report))
}

fn found(report: &Value) -> Found {
    let list = |member: &str| report[member].as_array().map_or(&[][..], Vec::as_slice);
    let named = |entry: &Value| entry["id"].as_str().unwrap_or_default().to_owned();
    let broken = list("requirements")
        .iter()
        .filter(|requirement| requirement["found"] == "broken");
    let failed = list("scenarios")
        .iter()
        .filter(|scenario| scenario["verdict"] == "fail");
    Found {
        exit_code: report["exitCode"].as_u64().unwrap_or(2),
        broken: broken.map(named).collect(),
        failed: failed.map(named).collect(),
    }
}

fn fate(mutant: &Mutant, found: &Found) -> Fate {
    let missed: Vec<String> = mutant
        .text
        .breaks
        .iter()
        .filter(|id| !found.broken.contains(*id))
        .cloned()
        .collect();
    match found.exit_code {
        1 if missed.is_empty() => Fate::Killed(found.failed.clone()),
        1 => Fate::WrongReason {
            missed,
            found: found.broken.iter().cloned().collect(),
        },
        0 => Fate::Survived,
        _ => Fate::Unknown("nothing failed, and something remained unknown".to_owned()),
    }
}
