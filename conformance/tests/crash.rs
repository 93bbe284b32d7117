//! The reference server, as a program, is killed again and again while clients write, and put back to backups. `SYNCLINE_CRASH_KILLS=200` kills it so often.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use syncline_conformance::crash::{Plan, series};
use syncline_conformance::dice;
use syncline_conformance::judge::{Settings, Verdict};
use syncline_conformance::scenario::{self, Hook};
use syncline_conformance::suite;
use syncline_conformance::target::command::Command;

/// Kills that must find writes in flight, where nobody says how many.
const KILLS: u64 = 10;

/// Builds the server, if need be: the runner is to judge a program, as it judges any other. Gives its path.
fn server() -> PathBuf {
    let flags = ["build", "--locked", "--offline", "--message-format=json"];
    let built = Process::new(env!("CARGO"))
        .args(flags)
        .args(["-p", "syncline-server", "--bin", "syncline-server"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success(), "{complaint}");
    let messages = String::from_utf8(built.stdout).unwrap();
    let messages = { messages.lines() }.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut programs =
        messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs.next().expect("cargo names what it has built")
}

/// Checkpoints are made all the time, so that kills hit those, too.
fn target(data: &str) -> Arc<Command> {
    let program = server().display().to_string();
    let flags = "--listen 127.0.0.1:{port} --log warn --checkpoint-bytes-min 50000";
    Arc::new(Command::new(&format!("'{program}' {flags} {data}"), "/sync").unwrap())
}

fn settings() -> Settings {
    Settings {
        deadline: Duration::from_secs(60),
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_and_applies_nothing_twice() {
    let kills = std::env::var("SYNCLINE_CRASH_KILLS");
    let plan = Plan {
        seed: dice::seed() % 1_000_000,
        kills: kills.map_or(KILLS, |kills| kills.parse().unwrap()),
        clients: 4,
        jobs: 1,
    };
    let target = target("--data '{dir}/s.db'");
    let done = series(plan, target, &settings(), |tally| println!("{tally}")).await;
    let others: Vec<_> = { done.judgements.iter() }
        .filter(|judgement| !judgement.has_passed())
        .map(|judgement| format!("{}: {:?}", judgement.scenario.id, judgement.verdict))
        .collect();
    let seed = plan.seed;
    assert!(others.is_empty(), "seed {seed}: {}", others.join("\n"));
    let found = done.tally;
    assert!(found.under_load >= plan.kills, "seed {seed}: {found}");
    assert!(
        found.acknowledged > found.under_load,
        "seed {seed}: {found}"
    );
}

/// The series can fail: a server that keeps nothing is found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_is_found_out() {
    let plan = Plan {
        seed: 1,
        kills: 1,
        clients: 2,
        jobs: 1,
    };
    let done = series(plan, target("--memory"), &settings(), |_| ()).await;
    let [judgement] = &done.judgements[..] else {
        panic!(
            "{} rounds: it goes on after a failure",
            done.judgements.len()
        );
    };
    let Verdict::Fail(failures) = &judgement.verdict else {
        panic!("{:?}", judgement.verdict);
    };
    let broken =
        |id: &str| { failures.iter() }.any(|found| found.requirements.iter().any(|it| it == id));
    assert!(broken("MODEL-EPOCH-KEPT"), "{failures:?}");
}

/// The scenarios of backups, with what an operator would run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_put_back_to_a_backup_passes() {
    let program = server().display().to_string();
    let data = "--data '{dir}/s.db'";
    let serve = format!("'{program}' --listen 127.0.0.1:{{port}} --log warn {data}");
    let [backup, restore] = ["backup", "restore"]
        .map(|word| format!("'{program}' {word} '{{dir}}/b.db' --overwrite {data}"));
    let target = Command::new(&serve, "/sync").unwrap();
    let target = target.with_backups(Some(&backup), Some(&restore));
    let scenarios = scenario::embedded().unwrap_or_else(|errors| panic!("{errors:?}"));
    let (scenarios, _): (Vec<_>, Vec<_>) = { scenarios.into_iter() }
        .partition(|scenario| scenario.needs.hooks.contains(&Hook::Restore));
    let needed = { scenarios.iter() }.flat_map(|scenario| scenario.needs.capabilities.clone());
    let settings = Settings {
        capabilities: needed.collect(),
        ..settings()
    };
    let scenarios: Vec<_> = scenarios.into_iter().map(Arc::new).collect();
    assert!(scenarios.len() > 5, "{} scenarios", scenarios.len());
    for judgement in suite::run(scenarios, Arc::new(target), settings, 2, |_| ()).await {
        let (id, verdict) = (&judgement.scenario.id, &judgement.verdict);
        assert!(judgement.has_passed(), "{id}: {verdict:?}");
    }
}
