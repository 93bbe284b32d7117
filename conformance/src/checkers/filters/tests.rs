//! Good and bad histories of filters.

use super::*;
use crate::checkers::notation::table;

const LIMITS: &str = r#"{"filterNodesMax":2,"filterBytesMax":40,"digestScanRowsMax":1,"tableBytesMax":64,"shapeTablesMax":4}"#;

/// Alice writes t/k, which matches, and t/j, which does not; k leaves at version 2, j is deleted at 3. Then what b sees.
fn after(capabilities: &str, limits: &str, rest: &str) -> String {
    let log = "a > hello alice\na < welcome 0 0\na > push 1 x t/k={\"n\":1} t/j={\"n\":2} | 2 y t/k={\"n\":2} | 3 z t/j-\n\
               a < ack 2 1 x applied 1, 2 y applied 2, 3 z applied 3\n";
    let welcome = format!(
        r#"b < {{"type":"welcome","epoch":"e","version":3,"session":"b","capabilities":[{capabilities}],"limits":{limits}}}"#
    );
    format!("{log}b > hello\n{welcome}\n{rest}")
}

fn subscribe(filter: &str, cursor: &str) -> String {
    format!(r#"b > {{"type":"subscribe","id":"i","tables":{{"t":{{"where":{filter}}}}}{cursor}}}"#)
}

fn subscribed(filter: &str) -> String {
    format!(
        r#"b < {{"type":"subscribed","id":"i","shape":"s","tables":{{"t":{{"where":{filter}}}}}}}"#
    )
}

const ONE: &str = r#"{"field":"n","eq":1}"#;
const CURSOR: &str = r#","cursor":{"epoch":"e","version":1}"#;

fn lines(lines: &[&str]) -> String {
    lines.join("\n")
}

fn offered(rest: &[&str]) -> String {
    after("\"filters\",\"digests\"", LIMITS, &lines(rest))
}

fn removes(change: &str) -> String {
    format!(r#"b < {{"type":"update","shape":"s","from":1,"to":3,"changes":[{change}]}}"#)
}

#[test]
fn good_and_bad_answers() {
    let (ask, accept) = (subscribe(ONE, ""), subscribed(ONE));
    let (large, wide) = (
        format!(r#"{{"field":"n","eq":"{}"}}"#, "x".repeat(20)),
        r#"{"field":"n","in":[1,2]}"#,
    );
    let fits = r#"{"field":"n","in":[1]}"#;
    let (ask_none, none) = (subscribe(r#"{"n":1}"#, ""), subscribed(r#"{"n":1}"#));
    let plain = |rest: &[&str]| after("", LIMITS, &lines(rest));
    let good = [
        ("FLT-TOLD FLT-LIMITS FLT-SIZE", offered(&[&ask, &accept])),
        (
            "FLT-TOLD",
            offered(&[&ask, &subscribed(r#"{"eq":1.0,"field":"n"}"#)]),
        ),
        (
            "FLT-SIZE",
            offered(&[&subscribe(fits, ""), &subscribed(fits)]),
        ),
        (
            "FLT-SIZE",
            offered(&[&subscribe(wide, ""), "b < error invalid_filter 2"]),
        ),
        (
            "FLT-SIZE",
            offered(&[&subscribe(&large, ""), "b < error invalid_filter 2"]),
        ),
        (
            "FLT-INVALID",
            offered(&[&ask_none, "b < error invalid_filter 2"]),
        ),
        (
            "FLT-NOT-OFFERED",
            plain(&[&ask, "b < error unsupported_setting 2"]),
        ),
    ];
    let bad = [
        ("FLT-TOLD", offered(&[&ask, "b < subscribed i s t"])),
        (
            "FLT-TOLD",
            offered(&[&ask, &subscribed(r#"{"field":"n","eq":2}"#)]),
        ),
        ("FLT-TOLD", offered(&["b > subscribe i t", &accept])),
        (
            "FLT-SIZE",
            offered(&[&subscribe(wide, ""), &subscribed(wide)]),
        ),
        (
            "FLT-SIZE",
            offered(&[&subscribe(&large, ""), &subscribed(&large)]),
        ),
        (
            "FLT-SIZE",
            offered(&[&subscribe(fits, ""), "b < error invalid_filter 2"]),
        ),
        (
            "FLT-SIZE",
            offered(&[&ask, "b < error unsupported_setting 2"]),
        ),
        ("FLT-INVALID", offered(&[&ask_none, &none])),
        (
            "FLT-INVALID",
            offered(&[&ask_none, "b < error invalid_shape 2"]),
        ),
        ("FLT-NOT-OFFERED", plain(&[&ask, &accept])),
        (
            "FLT-NOT-OFFERED",
            plain(&[&ask, "b < error invalid_filter 2"]),
        ),
        (
            "FLT-LIMITS",
            after("\"filters\"", &LIMITS.replace("filterNodesMax", "x"), ""),
        ),
    ];
    check_table(&good, &bad);
}

fn check_table(good: &[(&'static str, String)], bad: &[(&'static str, String)]) {
    let good: Vec<_> = good
        .iter()
        .map(|(ids, text)| (*ids, text.as_str()))
        .collect();
    let bad: Vec<_> = bad
        .iter()
        .map(|(ids, text)| (*ids, text.as_str()))
        .collect();
    table(&CHECKER, &good, &bad);
}

#[test]
fn good_and_bad_updates() {
    let (ask, accept) = (subscribe(ONE, CURSOR), subscribed(ONE));
    let remove = r#"{"op":"remove","table":"t","key":"k","version":2}"#;
    let delete = r#"{"op":"delete","table":"t","key":"j","version":3}"#;
    let both = format!("{remove},{delete}");
    let update = |changes: &str| removes(changes);
    let other = subscribe(r#"{"field":"n","eq":2}"#, CURSOR);
    let other_accepted = subscribed(r#"{"field":"n","eq":2}"#);
    let replaced = "b < update s 0..3 replace";
    let good = [
        ("FLT-REMOVE", offered(&[&ask, &accept, &update(&both)])),
        // Nobody knows what happened at a version that nobody was told of.
        (
            "FLT-TOLD",
            offered(&[&ask, &accept, &update(&remove.replace(":2", ":9"))]),
        ),
        (
            "FLT-CHANGE",
            offered(&[
                &ask,
                &accept,
                &update(&both),
                &other,
                &other_accepted,
                replaced,
            ]),
        ),
        (
            "FLT-DIGEST",
            offered(&[
                &ask,
                &accept,
                &update(&both),
                r#"b > {"type":"digest","shape":"s"}"#,
                "b < {\"type\":\"digested\",\"re\":3,\"shape\":\"s\",\"at\":3,\"count\":0,\"sum\":\"00000000000000000000000000000000\"}",
            ]),
        ),
        // k and j: two rows, and one is the limit.
        (
            "FLT-DIGEST",
            offered(&[
                &ask,
                &accept,
                &update(&both),
                r#"b > {"type":"digest","shape":"s"}"#,
                "b < error digest_too_large 3",
            ]),
        ),
    ];
    let few = after(
        "\"filters\"",
        &LIMITS.replace("digestScanRowsMax\":1", "digestScanRowsMax\":2"),
        &lines(&[
            &ask,
            &accept,
            &update(&both),
            r#"b > {"type":"digest","shape":"s"}"#,
            "b < error digest_too_large 3",
        ]),
    );
    let bad = [
        (
            "FLT-REMOVE",
            offered(&[&ask, &accept, &update(&remove.replace("remove", "delete"))]),
        ),
        (
            "FLT-REMOVE",
            offered(&[&ask, &accept, &update(&delete.replace("delete", "remove"))]),
        ),
        (
            "FLT-REMOVE",
            offered(&[
                "b > subscribe i t @1",
                "b < subscribed i s t",
                &update(remove),
            ]),
        ),
        (
            "FLT-NOT-OFFERED FLT-REMOVE",
            after(
                "",
                "{}",
                &lines(&[
                    "b > subscribe i t @1",
                    "b < subscribed i s t",
                    &update(remove),
                ]),
            ),
        ),
        (
            "FLT-CHANGE",
            offered(&[
                &ask,
                &accept,
                &update(&both),
                &other,
                &other_accepted,
                "b < update s 3..3",
            ]),
        ),
        ("FLT-DIGEST", few),
    ];
    check_table(&good, &bad);
}

/// Documents k and j are appended to; j is deleted. b has a filter by keys.
#[test]
fn good_and_bad_documents() {
    let log = "a > hello alice\na < welcome 0 0\n\
               a > push 1 w t!document | 2 x t/k>AQ== t/j>AQ== | 3 y t/j>Ag== | 4 z t/j-\n\
               a < ack 2 1 w applied 1, 2 x applied 2, 3 y applied 3, 4 z applied 4\n";
    let welcome = format!(
        r#"b < {{"type":"welcome","epoch":"e","version":4,"session":"b","capabilities":["filters","documents"],"limits":{LIMITS}}}"#
    );
    let keys = r#"{"keys":["k"]}"#;
    let (ask, accept) = (subscribe(keys, CURSOR), subscribed(keys));
    let told = |changes: &str| {
        let update =
            format!(r#"b < {{"type":"update","shape":"s","from":1,"to":4,"changes":[{changes}]}}"#);
        format!("{log}b > hello\n{welcome}\n{ask}\n{accept}\n{update}")
    };
    let append = |key: &str, version: u64| {
        format!(r#"{{"op":"append","table":"t","key":"{key}","version":{version},"data":"AQ=="}}"#)
    };
    let gone =
        |op: &str, key: &str| format!(r#"{{"op":"{op}","table":"t","key":"{key}","version":4}}"#);
    let good = [("DOC-FILTER", told(&append("k", 2)))];
    let bad = [append("j", 2), gone("delete", "j"), gone("remove", "j")]
        .map(|change| ("DOC-FILTER", told(&format!("{},{change}", append("k", 2)))));
    check_table(&good, &bad);
}
