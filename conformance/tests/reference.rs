//! The reference server, embedded, passes every scenario.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use syncline_conformance::judge::{Settings, Verdict};
use syncline_conformance::target::embedded::Embedded;
use syncline_conformance::{scenario, suite};

/// Side by side, but not so many that a small machine comes to nothing.
const JOBS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_server_passes_every_scenario() {
    let scenarios = scenario::embedded().unwrap_or_else(|errors| panic!("{errors:?}"));
    let all = scenarios.len();
    let settings = Settings {
        deadline: Duration::from_secs(60),
        capabilities: ["digests".to_owned(), "sequences".to_owned()].into(),
        ..Settings::default()
    };
    let scenarios = scenarios.into_iter().map(Arc::new).collect();
    let target = Arc::new(Embedded::default());
    let judgements = suite::run(scenarios, target, settings, JOBS, |_| ()).await;
    let passed = |verdict: &Verdict| matches!(verdict, Verdict::Pass);
    let others: Vec<_> = judgements
        .iter()
        .filter(|judgement| !passed(&judgement.verdict))
        .map(|judgement| format!("{}: {:?}", judgement.scenario.id, judgement.verdict))
        .collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
    assert!(judgements.len() == all && all > 0, "{all} scenarios");
}
