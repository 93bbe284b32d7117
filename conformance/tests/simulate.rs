//! The simulator: what it runs holds, the same plan gives the same history, and a world that is wrong is found to be.

use std::fs;
use std::path::{Path, PathBuf};

use syncline_conformance::simulate::{Judged, Plan, judge, plan, shrink, sum_of};

/// A few of each kind of mishap; the hunt through thousands is `.ci/run`'s.
const SEEDS: u64 = 24;

#[track_caller]
fn holds(what: &str, judged: &Judged) {
    let failures: Vec<String> = judged.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{what}: {failures:#?}");
    assert!(
        judged.facts.entries.len() > 20,
        "{what}: hardly anything happened"
    );
}

#[test]
fn what_happens_by_chance_holds() {
    for seed in 0..SEEDS {
        holds(&format!("seed {seed}"), &judge(&plan(seed, 4, 60)));
    }
}

#[test]
fn the_same_plan_gives_the_same_history() {
    for seed in 100..106 {
        let plan = plan(seed, 4, 60);
        let sum = || sum_of(&judge(&plan).facts.entries);
        assert_eq!(sum(), sum(), "seed {seed}");
    }
    let sum = |seed| sum_of(&judge(&plan(seed, 4, 60)).facts.entries);
    assert_ne!(sum(100), sum(101));
}

#[test]
fn a_plan_is_its_file() {
    for seed in 0..50 {
        let plan = plan(seed, 4, 100);
        let text = serde_json::to_string(&plan).expect("a plan is JSON");
        assert_eq!(serde_json::from_str::<Plan>(&text).expect("a plan"), plan);
    }
}

/// The plans of all that was ever found by simulating, made small.
fn found() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulated");
    let entries = fs::read_dir(folder).expect("the folder of what was found");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "json"));
    files.sort();
    files
}

#[test]
fn what_failed_once_holds_now() {
    let files = found();
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).expect("a file");
        let plan: Plan = serde_json::from_str(&text).expect("a plan");
        let judged = judge(&plan);
        let failures: Vec<String> = judged.failures.iter().map(ToString::to_string).collect();
        assert!(failures.is_empty(), "{}: {failures:#?}", file.display());
    }
}

/// A log that loses what it had said was durable: the checkers say so, as they would over sockets, and of the plan little is left.
#[test]
fn a_log_that_loses_what_was_acknowledged_is_found_out() {
    let mut plan = plan(7, 3, 40);
    let quiet = r#"[{"atMs":900000,"what":"loseLast"},{"atMs":900010,"what":{"kill":{"node":0,"torn":false,"away_ms":0}}}]"#;
    let wrong: Vec<_> = serde_json::from_str(quiet).expect("doings");
    plan.nodes = 1;
    plan.doings.extend(wrong);
    let kinds = judge(&plan).kinds();
    assert!(!kinds.is_empty(), "a write was acknowledged, and is lost");
    let small = shrink(&plan, &kinds);
    assert!(small.doings.len() <= 4, "{:#?}", small.doings);
    assert!(!judge(&small).kinds().is_disjoint(&kinds));
}
