//! The cases, for any log.

use serde_json::json;
use syncline_server::log::{Append, Log, Opened, Position, Tail};
use syncline_server_core::{Checkpoint, Decided, Decision, Effect, Event, Record};

use crate::Place;

const WORKSPACE: &str = "w";

fn record(version: u64, value: &str) -> Record {
    let effects = vec![Effect {
        table: "t".into(),
        key: "k".into(),
        value: Some(json!(value).into()),
        trail: None,
        document: None,
    }];
    let decision = Decision::Applied {
        effects,
        untouched: Vec::new(),
        raises: Vec::new(),
        declares: Vec::new(),
        told: Vec::new(),
    };
    let decided = Decided {
        client: "c".into(),
        seq: version,
        op_id: format!("o{version}").into(),
        decision,
    };
    Record {
        version,
        at_ms: 1_000 + version,
        event: Event::Outcome(decided),
    }
}

pub(crate) fn records(versions: impl IntoIterator<Item = u64>) -> Vec<Record> {
    versions
        .into_iter()
        .map(|version| record(version, "v"))
        .collect()
}

pub(crate) fn at(epoch: &str, version: u64) -> Position {
    Position {
        epoch: epoch.to_owned(),
        version,
    }
}

fn checkpoint(version: u64, text: &str) -> Checkpoint {
    Checkpoint {
        version,
        text: text.to_owned(),
    }
}

/// Appends and expects to succeed.
async fn append(log: &impl Log, workspace: &str, at: &Position, records: &[Record]) {
    let appended = log.append(workspace, at, records).await.unwrap();
    assert!(
        matches!(appended, Append::Done { .. }),
        "{at:?}: {appended:?}"
    );
}

/// A workspace of epoch `e` with these versions, one append each.
async fn filled(log: &impl Log, versions: impl IntoIterator<Item = u64>) {
    let mut at = log.open(WORKSPACE, "e").await.unwrap().position;
    for version in versions {
        append(log, WORKSPACE, &at, &records([version])).await;
        at.version = version;
    }
}

async fn opened(log: &impl Log) -> Opened {
    log.open(WORKSPACE, "another").await.unwrap()
}

fn versions(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.version).collect()
}

pub(crate) async fn an_announced_window_never_shrinks(place: &impl Place) {
    for (announced, widest) in [(5, 5), (9, 9), (3, 9), (9, 9), (10, 10)] {
        assert_eq!(
            place.open().announce_window(announced).await.unwrap(),
            widest,
            "{announced}"
        );
    }
}

pub(crate) async fn a_workspace_is_created_once(place: &impl Place) {
    let log = place.open();
    let first = log.open(WORKSPACE, "e").await.unwrap();
    assert_eq!(first.position, at("e", 0));
    assert!(first.checkpoint.is_none() && first.records.is_empty());
    assert_eq!(log.open(WORKSPACE, "f").await.unwrap().position, at("e", 0));
    drop(log);
    assert_eq!(
        place.open().open(WORKSPACE, "g").await.unwrap().position,
        at("e", 0)
    );
}

pub(crate) async fn what_is_appended_is_there(place: &impl Place) {
    let log = place.open();
    log.open(WORKSPACE, "e").await.unwrap();
    let (first, second) = (records([1, 2]), records([3]));
    append(&log, WORKSPACE, &at("e", 0), &first).await;
    append(&log, WORKSPACE, &at("e", 2), &second).await;
    let before = opened(&log).await;
    drop(log);
    for opened in [before, opened(&place.open()).await] {
        assert_eq!(opened.position, at("e", 3));
        assert_eq!(opened.records, [first.clone(), second.clone()].concat());
        assert!(opened.record_bytes > 100, "{}", opened.record_bytes);
    }
}

pub(crate) async fn appending_elsewhere_than_at_the_end_conflicts(place: &impl Place) {
    let log = place.open();
    filled(&log, [1, 2]).await;
    for elsewhere in [at("e", 0), at("e", 1), at("e", 3), at("f", 2)] {
        assert_eq!(
            log.append(WORKSPACE, &elsewhere, &records([9]))
                .await
                .unwrap(),
            Append::Conflict,
            "{elsewhere:?}"
        );
    }
    assert_eq!(versions(&opened(&log).await.records), [1, 2]);
}

pub(crate) async fn appending_nothing_changes_nothing(place: &impl Place) {
    let log = place.open();
    filled(&log, [1]).await;
    append(&log, WORKSPACE, &at("e", 1), &[]).await;
    assert_eq!(opened(&log).await.position, at("e", 1));
}

pub(crate) async fn versions_must_rise(place: &impl Place) {
    let log = place.open();
    filled(&log, [5]).await;
    for wrong in [vec![5], vec![4], vec![6, 6], vec![7, 6]] {
        log.append(WORKSPACE, &at("e", 5), &records(wrong.clone()))
            .await
            .expect_err(&format!("{wrong:?}"));
    }
    assert_eq!(opened(&log).await.position, at("e", 5));
}

pub(crate) async fn versions_may_have_holes(place: &impl Place) {
    let log = place.open();
    filled(&log, [3, 10, 9_007_199_254_740_991]).await;
    let opened = opened(&log).await;
    assert_eq!(versions(&opened.records), [3, 10, 9_007_199_254_740_991]);
    assert_eq!(opened.position.version, 9_007_199_254_740_991);
}

pub(crate) async fn a_tail_is_what_came_after(place: &impl Place) {
    let log = place.open();
    log.open(WORKSPACE, "e").await.unwrap();
    append(&log, WORKSPACE, &at("e", 0), &records([1, 2, 3])).await;
    append(&log, WORKSPACE, &at("e", 3), &records([4])).await;
    for (after, expected) in [
        (0, vec![1, 2, 3, 4]),
        (2, vec![3, 4]),
        (3, vec![4]),
        (4, vec![]),
    ] {
        let Tail::Records(tail) = log.tail(WORKSPACE, &at("e", after)).await.unwrap() else {
            panic!("{after}")
        };
        assert_eq!(versions(&tail), expected, "after {after}");
    }
    assert!(matches!(
        log.tail(WORKSPACE, &at("f", 4)).await.unwrap(),
        Tail::Gone
    ));
}

/// Each appender does what a server does: on a conflict it reads the tail and tries again behind it.
pub(crate) async fn many_appenders_make_one_order(place: &impl Place) {
    const APPENDERS: u64 = 16;
    const EACH: u64 = 25;
    let log = place.open();
    log.open(WORKSPACE, "e").await.unwrap();
    let appenders: Vec<_> = (0..APPENDERS)
        .map(|appender| tokio::spawn(append_many(log.clone(), appender, EACH)))
        .collect();
    for appender in appenders {
        appender.await.unwrap();
    }
    let opened = opened(&log).await;
    let expected: Vec<u64> = (1..=APPENDERS * EACH).collect();
    assert_eq!(versions(&opened.records), expected);
    for appender in 0..APPENDERS {
        let of_one = opened
            .records
            .iter()
            .filter(|record| record.at_ms == appender)
            .count() as u64;
        assert_eq!(of_one, EACH, "appender {appender}");
    }
}

async fn append_many(log: impl Log, appender: u64, count: u64) {
    let mut at = at("e", 0);
    for _ in 0..count {
        loop {
            let record = Record {
                at_ms: appender,
                ..record(at.version + 1, "v")
            };
            if let Append::Done { .. } = log.append(WORKSPACE, &at, &[record]).await.unwrap() {
                at.version += 1;
                break;
            }
            let Tail::Records(newer) = log.tail(WORKSPACE, &at).await.unwrap() else {
                panic!("the tail is gone")
            };
            at.version = newer
                .last()
                .expect("after a conflict there is something newer")
                .version;
        }
    }
}

pub(crate) async fn workspaces_are_apart(place: &impl Place) {
    let log = place.open();
    log.open("a", "e").await.unwrap();
    log.open("b", "f").await.unwrap();
    append(&log, "a", &at("e", 0), &records([1])).await;
    append(&log, "b", &at("f", 0), &records([1])).await;
    append(&log, "b", &at("f", 1), &records([2])).await;
    log.checkpoint("b", "f", &checkpoint(2, "b\n"))
        .await
        .unwrap();
    log.truncate("b", "f", 2).await.unwrap();
    let a = log.open("a", "x").await.unwrap();
    assert_eq!(
        (a.position, a.checkpoint.is_none(), versions(&a.records)),
        (at("e", 1), true, vec![1])
    );
}

pub(crate) async fn any_name_is_a_name(place: &impl Place) {
    let longest = "x".repeat(128);
    let names = [
        "",
        "A",
        "a",
        "..",
        "a/b",
        "%",
        "_",
        "'; DROP TABLE segment; --",
        "ü",
        "u\u{308}",
        "\u{2028}",
        &longest,
    ];
    let log = place.open();
    for (index, name) in names.iter().enumerate() {
        assert_eq!(
            log.open(name, &format!("e{index}"))
                .await
                .unwrap()
                .position
                .epoch,
            format!("e{index}"),
            "{name:?}"
        );
    }
    drop(log);
    let log = place.open();
    for (index, name) in names.iter().enumerate() {
        assert_eq!(
            log.open(name, "other").await.unwrap().position.epoch,
            format!("e{index}"),
            "{name:?}"
        );
    }
}

pub(crate) async fn big_records_come_back(place: &impl Place) {
    let log = place.open();
    log.open(WORKSPACE, "e").await.unwrap();
    let line_breaks = "line\r\nbreaks \u{2028} and \u{1F600}\n";
    let sizes = [1, 300_000, 3_000_000];
    let mut expected = Vec::new();
    for (version, size) in (1..).zip(sizes) {
        let big = record(version, &line_breaks.repeat(size / line_breaks.len() + 1));
        append(
            &log,
            WORKSPACE,
            &at("e", version - 1),
            std::slice::from_ref(&big),
        )
        .await;
        expected.push(big);
    }
    drop(log);
    assert_eq!(opened(&place.open()).await.records, expected);
}

pub(crate) async fn a_checkpoint_shortens_what_is_read(place: &impl Place) {
    let log = place.open();
    filled(&log, 1..=5).await;
    // Longer than what a store might keep in one piece, and with a last line that has no end.
    let text = format!("{}\nlast", "a line of a checkpoint\n".repeat(100_000));
    log.checkpoint(WORKSPACE, "e", &checkpoint(3, &text))
        .await
        .unwrap();
    let before = opened(&log).await;
    drop(log);
    for opened in [before, opened(&place.open()).await] {
        assert_eq!(opened.position, at("e", 5));
        assert_eq!(opened.checkpoint, Some(checkpoint(3, &text)));
        assert_eq!(versions(&opened.records), [4, 5]);
    }
}

pub(crate) async fn an_older_checkpoint_does_not_replace_a_newer(place: &impl Place) {
    let log = place.open();
    filled(&log, 1..=5).await;
    log.checkpoint(WORKSPACE, "e", &checkpoint(4, "newer\n"))
        .await
        .unwrap();
    log.checkpoint(WORKSPACE, "e", &checkpoint(2, "older\n"))
        .await
        .unwrap();
    assert_eq!(
        opened(&log).await.checkpoint,
        Some(checkpoint(4, "newer\n"))
    );
    log.checkpoint(WORKSPACE, "e", &checkpoint(5, "newest\n"))
        .await
        .unwrap();
    assert_eq!(
        opened(&log).await.checkpoint,
        Some(checkpoint(5, "newest\n"))
    );
}

pub(crate) async fn only_what_a_checkpoint_holds_is_forgotten(place: &impl Place) {
    let log = place.open();
    filled(&log, 1..=5).await;
    log.truncate(WORKSPACE, "e", 5).await.unwrap();
    assert_eq!(
        versions(&opened(&log).await.records),
        [1, 2, 3, 4, 5],
        "without a checkpoint nothing may go"
    );
    log.checkpoint(WORKSPACE, "e", &checkpoint(3, "c\n"))
        .await
        .unwrap();
    log.truncate(WORKSPACE, "e", 5).await.unwrap();
    drop(log);
    let log = place.open();
    assert_eq!(versions(&opened(&log).await.records), [4, 5]);
    append(&log, WORKSPACE, &at("e", 5), &records([6])).await;
    log.checkpoint(WORKSPACE, "e", &checkpoint(6, "c\n"))
        .await
        .unwrap();
    log.truncate(WORKSPACE, "e", 6).await.unwrap();
    drop(log);
    let all_folded = opened(&place.open()).await;
    assert_eq!(
        (all_folded.position, all_folded.records.len()),
        (at("e", 6), 0)
    );
}

pub(crate) async fn a_tail_that_was_forgotten_is_gone(place: &impl Place) {
    let log = place.open();
    filled(&log, 1..=5).await;
    log.checkpoint(WORKSPACE, "e", &checkpoint(3, "c\n"))
        .await
        .unwrap();
    log.truncate(WORKSPACE, "e", 3).await.unwrap();
    assert!(matches!(
        log.tail(WORKSPACE, &at("e", 2)).await.unwrap(),
        Tail::Gone
    ));
    let Tail::Records(tail) = log.tail(WORKSPACE, &at("e", 3)).await.unwrap() else {
        panic!("3 is still known")
    };
    assert_eq!(versions(&tail), [4, 5]);
}

pub(crate) async fn replacing_makes_another_history(place: &impl Place) {
    let log = place.open();
    filled(&log, 1..=5).await;
    log.checkpoint(WORKSPACE, "e", &checkpoint(4, "old\n"))
        .await
        .unwrap();
    log.replace(WORKSPACE, "f", &checkpoint(2, "restored\n"))
        .await
        .unwrap();
    assert_eq!(
        log.append(WORKSPACE, &at("e", 5), &records([6]))
            .await
            .unwrap(),
        Append::Conflict
    );
    assert!(matches!(
        log.tail(WORKSPACE, &at("e", 5)).await.unwrap(),
        Tail::Gone
    ));
    append(&log, WORKSPACE, &at("f", 2), &records([3])).await;
    drop(log);
    let opened = opened(&place.open()).await;
    assert_eq!(opened.position, at("f", 3));
    assert_eq!(opened.checkpoint, Some(checkpoint(2, "restored\n")));
    assert_eq!(versions(&opened.records), [3]);
}

pub(crate) async fn replacing_creates(place: &impl Place) {
    let log = place.open();
    log.replace(WORKSPACE, "f", &checkpoint(7, "c\n"))
        .await
        .unwrap();
    let opened = opened(&log).await;
    assert_eq!(
        (opened.position, opened.checkpoint),
        (at("f", 7), Some(checkpoint(7, "c\n")))
    );
}

pub(crate) async fn another_epoch_is_not_touched(place: &impl Place) {
    let log = place.open();
    filled(&log, 1..=3).await;
    log.checkpoint(WORKSPACE, "e", &checkpoint(1, "c\n"))
        .await
        .unwrap();
    log.checkpoint(WORKSPACE, "f", &checkpoint(3, "of another history\n"))
        .await
        .unwrap();
    log.truncate(WORKSPACE, "f", 3).await.unwrap();
    let opened = opened(&log).await;
    assert_eq!(opened.checkpoint, Some(checkpoint(1, "c\n")));
    let Tail::Records(tail) = log.tail(WORKSPACE, &at("e", 0)).await.unwrap() else {
        panic!("nothing was truncated")
    };
    assert_eq!(versions(&tail), [1, 2, 3]);
}

pub(crate) async fn what_was_never_opened_is_an_error(place: &impl Place) {
    let log = place.open();
    log.append("nowhere", &at("e", 0), &records([1]))
        .await
        .expect_err("append");
    log.tail("nowhere", &at("e", 0)).await.expect_err("tail");
    log.checkpoint("nowhere", "e", &checkpoint(0, ""))
        .await
        .expect_err("checkpoint");
    // One caller's error is nobody else's.
    filled(&log, [1]).await;
}
