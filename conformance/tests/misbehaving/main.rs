//! The runner against small servers that are wrong in one way each: it must say so, and say what; and pass the honest one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use server::Fault;
use syncline_conformance::judge::{Judgement, Settings, Verdict, judge};
use syncline_conformance::scenario;
use syncline_conformance::target::url::Url;

/// A retry on a second connection, after the first was cut.
const RETRY: &str = r#"{
  "id": "retry", "title": "t", "checks": ["PUSH-RETRY-SAME", "PUSH-ONCE"],
  "steps": [
    { "do": "connect", "conn": "a", "client": "${alice}" },
    { "do": "push", "conn": "a", "mutations": [{ "as": "m", "ops": [
      { "op": "set", "table": "${notes}", "key": "k", "value": 1 }, { "op": "set", "table": "${notes}", "key": "j", "value": 2 } ] }] },
    { "do": "cut", "conn": "a" },
    { "do": "connect", "conn": "b", "client": "${alice}" },
    { "do": "push", "conn": "b", "retry": ["m"], "results": ["applied"] }
  ]
}"#;

/// A reader that is there when another writes.
const LIVE: &str = r#"{
  "id": "live", "title": "t", "checks": ["UPD-DELIVERED"],
  "steps": [
    { "do": "connect", "conn": "a", "client": "${alice}" },
    { "do": "connect", "conn": "b" },
    { "do": "subscribe", "conn": "b", "tables": ["${notes}"] },
    { "do": "push", "conn": "a", "mutations": [{ "ops": [{ "op": "set", "table": "${notes}", "key": "k", "value": 1 }] }] },
    { "do": "converge" }
  ]
}"#;

/// An author whose mutation changes nothing.
const LEVEL: &str = r#"{
  "id": "level", "title": "t", "checks": ["UPD-LEVEL"],
  "steps": [
    { "do": "connect", "conn": "a", "client": "${alice}" },
    { "do": "subscribe", "conn": "a", "tables": ["${notes}"] },
    { "do": "push", "conn": "a", "mutations": [{ "ops": [{ "op": "delete", "table": "${notes}", "key": "k" }] }] }
  ]
}"#;

async fn judged(url: String, deadline: Duration) -> Judgement {
    run("mutations/retry.json", RETRY, url, deadline).await
}

async fn run(path: &str, text: &str, url: String, deadline: Duration) -> Judgement {
    let scenario = scenario::parse(path, text).unwrap();
    let target = Arc::new(Url::parse(&url).unwrap());
    judge(
        Arc::new(scenario),
        target,
        Settings {
            deadline,
            ..Settings::default()
        },
    )
    .await
}

/// What must come needs time on a slow machine; what never comes need not be waited for long.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(1);

async fn broken(fault: Fault, deadline: Duration) -> Vec<String> {
    broken_in(judged(server::start(fault).await, deadline).await)
}

fn broken_in(judgement: Judgement) -> Vec<String> {
    match judgement.verdict {
        Verdict::Fail(failures) => failures
            .into_iter()
            .flat_map(|failure| failure.requirements)
            .collect(),
        other => panic!("{other:?}"),
    }
}

async fn unknown(url: String, deadline: Duration) -> String {
    match judged(url, deadline).await.verdict {
        Verdict::Unknown(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_honest_server_passes() {
    let judgement = judged(server::start(Fault::None).await, LONG).await;
    assert!(
        matches!(judgement.verdict, Verdict::Pass),
        "{:?}",
        judgement.verdict
    );
    for id in ["PUSH-ONCE", "UPD-ROW-VERSION", "CONN-ANSWER-ORDER"] {
        assert!(
            judgement.judged.iter().any(|judged| judged == id),
            "no occasion to judge {id}"
        );
    }
}

#[tokio::test]
async fn a_server_that_upgrades_a_little_later_passes() {
    let judgement = judged(server::start(Fault::UpgradesNone).await, LONG).await;
    assert!(judgement.has_passed(), "{:?}", judgement.verdict);
}

#[tokio::test]
async fn two_acks_of_a_push_are_seen() {
    assert!(
        broken(Fault::AcksTwice, LONG)
            .await
            .contains(&"PUSH-ONE-ACK".to_owned())
    );
}

#[tokio::test]
async fn a_retry_that_is_applied_again_is_seen() {
    assert!(
        broken(Fault::AppliesTwice, LONG)
            .await
            .contains(&"PUSH-ONCE".to_owned())
    );
}

#[tokio::test]
async fn a_torn_mutation_is_seen() {
    assert!(
        broken(Fault::Tears, LONG)
            .await
            .contains(&"UPD-ATOMIC".to_owned())
    );
}

#[tokio::test]
async fn a_push_that_is_never_answered_is_a_failure_if_a_later_ping_is() {
    let broken = broken(Fault::NeverAcks, SHORT).await;
    assert!(broken.contains(&"PUSH-ONE-ACK".to_owned()), "{broken:?}");
}

#[tokio::test]
async fn a_connection_that_is_closed_without_need_is_a_failure() {
    assert_eq!(
        broken(Fault::Closes, LONG).await,
        ["PUSH-RETRY-SAME", "PUSH-ONCE"]
    );
}

#[tokio::test]
async fn a_server_that_selects_no_subprotocol_is_wrong() {
    assert_eq!(
        broken(Fault::NoSubprotocol, LONG).await,
        ["CONN-SUBPROTOCOL"]
    );
}

#[tokio::test]
async fn of_a_silent_server_nothing_is_known() {
    let why = unknown(server::start(Fault::Mute).await, SHORT).await;
    assert!(why.contains("silent"), "{why}");
}

#[tokio::test]
async fn of_what_is_no_server_nothing_is_known() {
    unknown(server::start(Fault::HangsUp).await, SHORT).await;
    let nobody = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("ws://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let why = unknown(url, SHORT).await;
    assert!(why.contains("cannot be reached"), "{why}");
}

#[tokio::test]
async fn a_change_that_does_not_reach_a_subscriber_is_seen() {
    let url = server::start(Fault::None).await;
    let broken = broken_in(run("updates/live.json", LIVE, url, SHORT).await);
    assert_eq!(broken, ["UPD-DELIVERED"]);
}

#[tokio::test]
async fn an_author_whose_shape_is_not_brought_past_his_write_is_seen() {
    let url = server::start(Fault::None).await;
    let broken = broken_in(run("updates/level.json", LEVEL, url, SHORT).await);
    assert!(broken.contains(&"UPD-LEVEL".to_owned()), "{broken:?}");
}
