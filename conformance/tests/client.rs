//! The runner against clients: the Rust client passes every scenario; the example for strangers speaks the protocol; documents and schemas say what the code does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use syncline_conformance::client::judge::{Judgement, Settings, ask_ready};
use syncline_conformance::client::{adapter, checkers, scenario, suite, unjudged};
use syncline_conformance::judge::Verdict;
use syncline_conformance::requirements::{self, Binds, Level};

/// Side by side, but not so many that a small machine comes to nothing.
const JOBS: usize = 8;

const DEADLINE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn scenarios() -> Vec<scenario::Scenario> {
    scenario::embedded().unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// Builds the Rust client's adapter, if need be: the runner depends on no client. Gives its path.
fn rust_adapter() -> PathBuf {
    let args = [
        "build",
        "--locked",
        "--offline",
        "--message-format=json",
        "-p",
        "syncline-client",
        "--example",
        "adapter",
    ];
    let built = Command::new(env!("CARGO"))
        .args(args)
        .current_dir(root())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success(), "{complaint}");
    let messages = String::from_utf8(built.stdout).unwrap();
    let messages = messages
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut programs =
        messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs.next().expect("cargo names what it has built")
}

async fn judged(cmd: &str, chosen: impl Fn(&scenario::Scenario) -> bool) -> Vec<Judgement> {
    let cmd: Arc<str> = cmd.into();
    let ready = ask_ready(&cmd, DEADLINE).await.unwrap();
    let settings = Settings {
        cmd,
        deadline: DEADLINE,
        ready: Arc::new(ready),
    };
    let chosen = scenarios().into_iter().filter(|scenario| chosen(scenario));
    suite::run(chosen.map(Arc::new).collect(), settings, JOBS, |_| ()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rust_client_passes_every_scenario() {
    let cmd = rust_adapter();
    let judgements = judged(cmd.to_str().unwrap(), |_| true).await;
    let others = judgements
        .iter()
        .filter(|judgement| !matches!(judgement.verdict, Verdict::Pass));
    let others: Vec<_> = others
        .map(|judgement| format!("{}: {:?}", judgement.scenario.id, judgement.verdict))
        .collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
    assert!(judgements.len() > 100, "{} scenarios", judgements.len());
}

/// The toy never connects: what needs no server it passes, what needs abilities that it does not claim is not judged, and all else fails as a client's
/// fault, not as an unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_python_can_be_judged() {
    if !Command::new("python3")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        eprintln!(
            "SKIPPED: there is no python3 here, so that conformance/examples/adapter.py was not tried"
        );
        return;
    }
    let path = root().join("conformance/examples/adapter.py");
    let cmd: Arc<str> = format!("python3 '{}'", path.display()).into();
    let ready = ask_ready(&cmd, DEADLINE).await.unwrap();
    assert_eq!(ready.client, "toy 0.1");
    let settings = Settings {
        cmd,
        deadline: Duration::from_secs(15),
        ready: Arc::new(ready),
    };
    let stays_offline = r#"{ "id": "offline", "title": "Reads its own writes", "checks": ["CLIENT-STORE-FIRST"], "steps": [
        { "do": "start", "client": "a", "tables": ["t"] },
        { "do": "tell", "client": "a", "command": "write", "with": { "table": "t", "key": "k", "value": [1] } },
        { "do": "tell", "client": "a", "command": "mutate", "with": { "ops": [] }, "refused": { "message": { "$contains": "needs an op" } } },
        { "do": "expect_event", "client": "a", "event": { "event": "sync", "pending": 1 } },
        { "do": "crash", "client": "a" }, { "do": "start", "client": "a" },
        { "do": "sees", "client": "a", "table": "t", "view": { "k": [1] }, "base": {}, "now": true },
        { "do": "stop", "client": "a" } ] }"#;
    let offline = scenario::parse("client/offline.json", stays_offline).unwrap();
    let named = |id: &str| {
        scenarios()
            .into_iter()
            .find(|scenario| scenario.id == id)
            .unwrap()
    };
    let chosen = vec![offline, named("first-write"), named("backoff")];
    let judgements = suite::run(
        chosen.into_iter().map(Arc::new).collect(),
        settings,
        JOBS,
        |_| (),
    )
    .await;
    let verdicts: Vec<_> = judgements
        .iter()
        .map(|judgement| &judgement.verdict)
        .collect();
    let as_expected = matches!(
        verdicts[..],
        [Verdict::Pass, Verdict::Fail(_), Verdict::NotJudged(_)]
    );
    assert!(as_expected, "{verdicts:?}");
}

/// Each line: an adapter, as a shell command, and what comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_adapters_are_told_from_bad_clients() {
    let ready = r#"echo '{"ready": {"client": "x", "can": []}}'"#;
    let table = [
        ("exit 3".to_owned(), "ended (exit status: 3)"),
        ("echo 'hello'; cat".to_owned(), "no JSON"),
        (
            r#"echo '{"ready": 1}'; cat"#.to_owned(),
            "does not keep to its protocol",
        ),
        (format!("{ready}; exit 0"), "x"),
    ];
    for (cmd, told) in table {
        let said = match ask_ready(&cmd.as_str().into(), DEADLINE).await {
            Ok(ready) => ready.client,
            Err(why) => why,
        };
        assert!(said.contains(told), "{cmd}: {said}");
    }
}

fn owed() -> BTreeSet<String> {
    let clients = requirements::ALL
        .iter()
        .filter(|of| of.binds == Binds::Client && of.level != Level::May);
    clients.map(|of| of.id.clone()).collect()
}

#[test]
fn every_requirement_of_clients_is_checked_or_has_a_reason() {
    let checked: BTreeSet<String> = scenarios()
        .into_iter()
        .flat_map(|scenario| scenario.checks)
        .collect();
    let reasons: BTreeSet<String> = unjudged::REASONS.keys().cloned().collect();
    let forgotten: Vec<_> = owed()
        .into_iter()
        .filter(|id| !checked.contains(id) && !reasons.contains(id))
        .collect();
    assert!(
        forgotten.is_empty(),
        "no scenario checks {forgotten:?}, and client-unjudged.toml does not say why"
    );
    let both: Vec<_> = reasons.intersection(&checked).collect();
    assert!(
        both.is_empty(),
        "{both:?} are checked: take them out of client-unjudged.toml"
    );
    let by_checkers = checkers::ALL
        .iter()
        .flat_map(|checker| checker.requirements)
        .map(|id| (*id).to_owned());
    let unknown: Vec<_> = by_checkers
        .chain(reasons)
        .filter(|id| !owed().contains(id))
        .collect();
    assert!(
        unknown.is_empty(),
        "{unknown:?}: no such requirement binds clients"
    );
}

#[test]
fn every_requirement_of_a_checker_is_also_that_of_a_scenario() {
    let checked: BTreeSet<String> = scenarios()
        .into_iter()
        .flat_map(|scenario| scenario.checks)
        .collect();
    let by_checkers = checkers::ALL
        .iter()
        .flat_map(|checker| checker.requirements);
    let left: Vec<_> = by_checkers.filter(|id| !checked.contains(**id)).collect();
    assert!(
        left.is_empty(),
        "no scenario brings clients into the situation of {left:?}"
    );
}

#[test]
fn the_scenario_schema_is_that_of_the_types_and_holds_for_all() {
    let path = root().join("conformance/client-scenario.schema.json");
    let schema = scenario::Scenario::schema();
    if std::fs::read_to_string(&path).unwrap_or_default() != schema {
        std::fs::write(&path, &schema).unwrap();
        panic!(
            "{} was stale: it has been written anew, run the tests again",
            path.display()
        );
    }
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for chapter in requirements::CHAPTERS {
        let folder = root().join("conformance/client-scenarios").join(chapter);
        for file in std::fs::read_dir(folder).into_iter().flatten() {
            let path = file.unwrap().path();
            let scenario = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            if let Some(error) = validator.iter_errors(&scenario).next() {
                panic!("{}: at {}: {error}", path.display(), error.instance_path());
            }
        }
    }
}

#[test]
fn the_guide_shows_every_verb() {
    let guide = std::fs::read_to_string(root().join("conformance/CLIENT-SCENARIOS.md")).unwrap();
    for verb in syncline_conformance::client::steps::NAMES {
        assert!(
            guide.contains(&format!("\"do\": \"{verb}\"")),
            "CLIENT-SCENARIOS.md has no example of {verb}"
        );
    }
}

/// A stranger goes by the text: every line that it shows must be one, and every command and event of the schema must be explained.
#[test]
fn the_text_on_adapters_agrees_with_the_schema() {
    let text = std::fs::read_to_string(root().join("conformance/adapter.md")).unwrap();
    let schema: Value = serde_json::from_str(adapter::SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let blocks: Vec<&str> = text
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() > 5, "{blocks:?}");
    for block in blocks {
        let line = serde_json::from_str(block).unwrap();
        assert!(validator.is_valid(&line), "{block}");
    }
    for part in ["command", "event"] {
        for one in schema["$defs"][part]["oneOf"].as_array().unwrap() {
            let name = one["title"].as_str().unwrap();
            assert!(
                text.contains(&format!("| `{name}`")),
                "adapter.md does not explain {name}"
            );
        }
    }
}
