//! Tables of good and bad histories.

use super::CHECKER;
use crate::checkers::notation::table;
use crate::facts::author;

/// A session of alice's, with three mutations: t/k and t/j at version 1, t/k again at 2, t/k deleted at 5; another was rejected at 3.
fn written(more: &str) -> String {
    let hello = r#"a > hello alice
        a < WELCOME
        a > push 1 x t/k=1 t/j=1 | 2 y t/k=2 | 3 z t/k=3 t/k=3 | 4 w t/k-
        a < ack 2 1 x applied 1, 2 y applied 2, 3 z rejected 3 duplicate_row, 4 w applied 5
        "#;
    let limits = r#"{"historyPageMax":100,"historyChangesMax":64,"historyBytesMax":65536,"historyMs":60000,"tableBytesMax":64,"keyBytesMax":64,"valueBytesMax":4096}"#;
    let welcome = format!(
        r#"{{"type":"welcome","epoch":"e","version":0,"lastSeq":0,"results":[],"session":"s","capabilities":["history"],"limits":{limits},"serverTime":1000000}}"#
    );
    hello.replace("WELCOME", &welcome) + more
}

/// `ask newest t/k limit=2 before=2.0`, `tell 3 1..5 more k@5.0- k@2.0=2`: questions and pages in short.
fn lines(text: &str) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["ask", order, row, rest @ ..] => ask(order, row, rest),
            ["tell", re, span, rest @ ..] => tell(re, span, rest),
            _ => line.to_owned(),
        }
    };
    written(&text.lines().map(line).collect::<Vec<_>>().join("\n"))
}

fn ask(order: &str, row: &str, rest: &[&str]) -> String {
    let (table, key) = row.split_once('/').unwrap_or((row, ""));
    let mut frame = serde_json::json!({ "type": "history", "table": table, "order": order });
    if !key.is_empty() {
        frame["key"] = key.into();
    }
    for (name, value) in rest.iter().filter_map(|word| word.split_once('=')) {
        frame[name] = match value.split_once('.') {
            Some((version, index)) => {
                serde_json::json!({ "version": number(version), "index": number(index) })
            }
            None if name == "limit" => number(value).into(),
            None => serde_json::json!({ "version": number(value) }),
        };
    }
    format!("a > {frame}")
}

fn tell(re: &str, span: &str, rest: &[&str]) -> String {
    let (from, to) = span.split_once("..").expect("from..to");
    let mut who = "alice";
    let mut at = 1_000_000;
    let mut changes = Vec::new();
    for word in rest {
        if let Some(client) = word.strip_prefix("by=") {
            who = client;
        } else if let Some(ms) = word.strip_prefix("at=") {
            at = number(ms);
        } else if let Some((key, rest)) = word.split_once('@') {
            let (place, value) = rest
                .split_once('=')
                .unwrap_or((rest.trim_end_matches('-'), "-"));
            let (version, index) = place.split_once('.').expect("version.index");
            let op = if value == "-" { "delete" } else { "set" };
            let mut change = serde_json::json!({
                "op": op, "table": "t", "key": key, "version": number(version), "index": number(index),
                "author": author("e", who), "at": at,
            });
            if value != "-" {
                change["value"] = number(value).into();
            }
            changes.push(change);
        }
    }
    let more = rest.contains(&"more");
    let past = serde_json::json!({
        "type": "past", "re": number(re), "from": number(from), "to": number(to), "changes": changes, "hasMore": more,
    });
    format!("a < {past}")
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

const ALL: &str = "k@5.0- k@2.0=2 j@1.1=1 k@1.0=1";

#[test]
fn good_histories() {
    let page = format!("ask newest t\ntell 3 1..5 {ALL}");
    let good = [
        ("HIST-CHANGES HIST-ORDER HIST-PAGE HIST-AUTHOR HIST-AT HIST-RETAINED HIST-FROM HIST-ANSWER HIST-LIMITS HIST-INVALID", page.clone()),
        ("HIST-KEPT", format!("{page}\nask oldest t/k\ntell 4 1..5 k@1.0=1 k@2.0=2 k@5.0-")),
        ("HIST-PAGE", "ask newest t limit=2\ntell 3 1..5 more k@5.0- k@2.0=2\nask newest t limit=2 before=2.0\ntell 4 1..5 j@1.1=1 k@1.0=1".to_owned()),
        // Pages amid a version; fewer than asked for.
        ("HIST-PAGE", "ask oldest t limit=3\ntell 3 1..5 more k@1.0=1\nask oldest t after=1.0\ntell 4 1..5 more j@1.1=1\nask oldest t after=1\ntell 5 1..5 k@2.0=2 k@5.0-".to_owned()),
        ("HIST-CHANGES", "ask newest t after=1 before=5\ntell 3 1..5 k@2.0=2".to_owned()),
        ("HIST-ANSWER", "ask newest u\ntell 3 0..5".to_owned()),
        // The moments may be those of a node whose clock is not quite the same.
        ("HIST-AT", "ask newest t/j\ntell 3 1..5 at=999000 j@1.1=1".to_owned()),
        // What is on its way may be told, or not.
        ("HIST-CHANGES", format!("a > push 5 v t/i=7\nask newest t limit=1\ntell 4 1..6 more i@6.0=7\nask newest t before=6.0\ntell 5 1..6 {ALL}")),
        ("HIST-INVALID", "ask newest t limit=100\ntell 3 1..5 k@5.0- k@2.0=2 j@1.1=1 k@1.0=1\nask newest t limit=101\na < error invalid_message 4".to_owned()),
        ("HIST-PENDING", format!("ask newest t\nask newest t\na < error history_pending 4\ntell 3 1..5 {ALL}")),
    ];
    let good: Vec<_> = good
        .iter()
        .map(|(occasion, text)| (*occasion, lines(text)))
        .collect();
    let good: Vec<_> = good
        .iter()
        .map(|(occasion, text)| (*occasion, text.as_str()))
        .collect();
    table(&CHECKER, &good, &[]);
}

#[test]
fn bad_histories() {
    let told = |rest: &str| format!("ask newest t\ntell 3 1..5 {rest}");
    let bad = [
        ("HIST-CHANGES", told("k@2.0=2 j@1.1=1 k@1.0=1")),
        ("HIST-CHANGES", told("k@5.0- j@1.1=1 k@1.0=1")),
        ("HIST-CHANGES", told("k@5.0- k@2.0=2 k@1.0=1")),
        ("HIST-CHANGES", told("k@5.0- k@2.0=2")),
        ("HIST-CHANGES", told("k@5.0- k@2.0=7 j@1.1=1 k@1.0=1")),
        ("HIST-CHANGES", told("k@5.0=1 k@2.0=2 j@1.1=1 k@1.0=1")),
        ("HIST-CHANGES", told("k@5.0- k@3.0=3 k@2.0=2 j@1.1=1 k@1.0=1")),
        ("HIST-CHANGES", told("")),
        ("HIST-CHANGES", "ask newest t/j\ntell 3 1..5 j@1.1=1 k@1.0=1".to_owned()),
        ("HIST-CHANGES", "ask newest t before=2\ntell 3 1..5 k@2.0=2 j@1.1=1 k@1.0=1".to_owned()),
        ("HIST-CHANGES", "ask oldest t limit=1\ntell 3 1..5 more k@1.0=1\nask oldest t after=1.0\ntell 4 1..5 k@2.0=2 k@5.0-\nask oldest t/j\ntell 5 1..5 j@1.1=1".to_owned()),
        ("HIST-ORDER", told("k@1.0=1 j@1.1=1 k@2.0=2 k@5.0-")),
        ("HIST-ORDER", told("k@5.0- k@2.0=2 k@1.1=1 j@1.0=1")),
        ("HIST-PAGE", told("more")),
        ("HIST-PAGE", told("more k@5.0- k@2.0=2 j@1.1=1 k@1.0=1")),
        ("HIST-PAGE", "ask newest t limit=1\ntell 3 1..5 k@5.0-".to_owned()),
        ("HIST-PAGE", "ask newest t limit=1\ntell 3 1..5 more k@5.0- k@2.0=2".to_owned()),
        ("HIST-AUTHOR", told("by=bob k@5.0- k@2.0=2 j@1.1=1 k@1.0=1")),
        ("HIST-AT", told("at=0 k@5.0- k@2.0=2 j@1.1=1 k@1.0=1")),
        ("HIST-AT", told("at=1000000 k@5.0- at=1000001 k@2.0=2 j@1.1=1 at=1000000 k@1.0=1")),
        ("HIST-RETAINED", "ask newest t\ntell 3 2..5 k@5.0- k@2.0=2".to_owned()),
        ("HIST-FROM", "ask newest t\ntell 3 2..5 k@5.0- k@2.0=2 j@1.1=1 k@1.0=1".to_owned()),
        ("HIST-FROM", format!("ask newest t\ntell 3 7..5\nask newest t\ntell 4 1..5 {ALL}")),
        ("HIST-ANSWER", "ask newest t/j\ntell 3 1..4 j@1.1=1".to_owned()),
        ("HIST-ANSWER", format!("ask newest t\ntell 3 1..5 {ALL}\ntell 3 1..5 {ALL}")),
        ("HIST-KEPT", format!("ask newest t\ntell 3 1..5 {ALL}\nask newest t/j\ntell 4 1..5 at=1000001 j@1.1=1")),
        ("HIST-KEPT", "ask newest t/j\ntell 3 1..5 j@1.1=1\nask newest t/j\ntell 4 1..5 j@1.2=1".to_owned()),
        ("HIST-INVALID", "ask newest t limit=101\ntell 3 1..5 k@5.0- k@2.0=2 j@1.1=1 k@1.0=1".to_owned()),
        ("HIST-INVALID", "ask newest t limit=100\na < error invalid_message 3".to_owned()),
        ("HIST-PENDING", format!("ask newest t\ntell 3 1..5 {ALL}\nask newest t\na < error history_pending 4")),
    ];
    for (breaks, text) in bad {
        let history = lines(&text);
        let found = crate::checkers::notation::broken(&CHECKER, &history);
        assert!(
            found.contains(&breaks),
            "{breaks} is not among {found:?}:\n{text}"
        );
        // What follows from the same fault may be said too, but no more than that.
        assert!(found.len() <= 3, "{found:?}:\n{text}");
    }
}

#[test]
fn not_offered() {
    let history = written("").replace(r#"["history"]"#, "[]");
    let refused = format!(
        "{history}{}\na < error unknown_type 3",
        ask("newest", "t", &[])
    );
    table(&CHECKER, &[("HIST-NOT-OFFERED", &refused)], &[]);
    let told = format!(
        "{history}{}\n{}",
        ask("newest", "t", &[]),
        tell("3", "6..5", &[])
    );
    assert!(crate::checkers::notation::broken(&CHECKER, &told).contains(&"HIST-NOT-OFFERED"));
    let no_limit = written("").replace(r#""historyMs":60000,"#, "");
    table(&CHECKER, &[], &[("HIST-LIMITS", &no_limit)]);
}
