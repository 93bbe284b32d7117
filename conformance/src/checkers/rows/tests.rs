//! Good and bad histories of rows.

use super::super::notation::table;
use super::*;

#[test]
fn good_and_bad_rows() {
    // Alice writes t/k and t/j at once, then deletes t/j; bob's mutation is rejected.
    let log = "a > hello alice\na < welcome 0 0\na > push 1 x t/k=1 t/j=1 | 2 y t/j-\na < ack 2 1 x applied 1, 2 y applied 2\n\
                   b > hello bob\nb < welcome 2 0\nb > push 1 z t/k=9 t/r=9\nb < ack 2 1 z rejected 3 version_conflict\n";
    let reader = "c > hello\nc < welcome 3 0\nc > subscribe i t\nc < subscribed i s t\n";
    let read = |rest: &str| format!("{log}{reader}{rest}");
    let resumed = |rest: &str| format!("{log}{}{rest}", reader.replace("i t\nc <", "i t @1\nc <"));
    let truncated = |rest: &str| resumed(rest).replace("c > hello", "hook truncate\nc > hello");
    let live = |rest: &str| {
        format!("{reader}c < update s 0..0 replace\n{log}{rest}")
            .replace("welcome 3 0", "welcome 0 0")
    };
    // Two entries, a third, a compaction of the first two; deleted at 7, if asked.
    let documents = |rest: &str| {
        let deletes = rest.contains("6..7") && !rest.contains("push 5");
        let deleted = if deletes { " | 5 v d/k-" } else { "" };
        let acked = if deletes { ", 5 v applied 7" } else { "" };
        format!(
                "a > hello alice\na < welcome 0 0\na > push 1 x d!document | 2 y d/k>AQ== | 3 z d/k>Ag==\n\
                 a < ack 2 1 x applied 1, 2 y applied 2, 3 z applied 3\n\
                 c > hello\nc < welcome 3 0\nc > subscribe i d\nc < subscribed i s d\n\
                 c < update s 0..3 replace d/k>AQ==@2 d/k>Ag==@3\n\
                 b > hello bob\nb < welcome 3 0\nb > push 1 t d/n>AQ== d/k>BA==\nb < ack 2 1 t applied 5\n\
                 a > push 4 w d/k>3>AgM={deleted}\na < ack 3 4 w applied 6{acked}\n{rest}"
            )
            .replace("d/n>AQ== ", "")
    };
    let twice = "a > push 1 x t/k=1 t/j=1\na < ack 3 1 x applied 1\n";
    let good = [
        (
            "SUB-REPLACE-COMPLETE PUSH-ATOMIC UPD-ROW-VERSION",
            read("c < update s 0..3 replace t/k=1@1"),
        ),
        ("SUB-RESUME UPD-DELETE", resumed("c < update s 1..3 t/j-@2")),
        (
            "SUB-CURSOR-TRUNCATED",
            truncated("c < update s 0..3 replace t/k=1@1"),
        ),
        (
            "UPD-COMPLETE UPD-ATOMIC",
            live("c < update s 0..1 t/k=1@1 t/j=1@1\nc < update s 1..3 t/j-@2"),
        ),
        (
            "UPD-ATOMIC",
            live("c < update s 0.. t/k=1@1\nc < update s 0..1 t/j=1@1\nc < update s 1..2 t/j-@2"),
        ),
        (
            "PUSH-ONCE",
            format!("{}{twice}c < update s 0..3 t/k=1@1", live("")),
        ),
        (
            "MODEL-DURABLE",
            format!("{log}hook kill\n{reader}c < update s 0..3 replace t/k=1@1"),
        ),
        // Nobody knows what became of it: nothing is said of its row.
        (
            "SUB-REPLACE-COMPLETE",
            read("b > push 2 q t/k=5\nc < update s 0..4 replace t/k=5@4"),
        ),
        (
            "PUSH-SEQ-GAP",
            read(
                "b > push 7 q t/k=5\nb < ack 3 7 q refused seq_gap\nc < update s 0..3 replace t/k=1@1",
            ),
        ),
        (
            "DOC-APPEND DOC-COMPACT DOC-DELETE DOC-COMPLETE",
            documents("c < update s 3..6 d/k>3>AgM=@6 d/k>BA==@5\nc < update s 6..7 d/k-@7"),
        ),
        // Nothing to merge: nothing changes.
        (
            "DOC-COMPACT",
            documents(
                "c < update s 3..6 d/k>3>AgM=@6 d/k>BA==@5\na > push 5 u d/k>3>Bw==\na < ack 4 5 u applied 7\nc < update s 6..7",
            ),
        ),
        // What a replacement in mid-subscription leaves out is gone.
        (
            "SUB-REPLACE-COMPLETE",
            live("c < update s 0..1 t/k=1@1 t/j=1@1\nc < update s 0..3 replace t/k=1@1"),
        ),
    ];
    let bad = [
        ("SUB-REPLACE-COMPLETE", read("c < update s 0..3 replace")),
        (
            "SUB-REPLACE-COMPLETE",
            read("c < update s 0..3 replace t/k=1@1 t/j=1@1"),
        ),
        (
            "PUSH-ATOMIC",
            read("c < update s 0..3 replace t/k=1@1 t/r=9@3"),
        ),
        ("UPD-ROW-VERSION", read("c < update s 0..3 replace t/k=1@3")),
        ("JSON-VALUE-KEPT", read("c < update s 0..3 replace t/k=2@1")),
        ("SUB-RESUME", resumed("c < update s 1..3")),
        ("SUB-CURSOR-TRUNCATED", truncated("c < update s 1..3")),
        (
            "UPD-ATOMIC",
            live("c < update s 0..1 t/k=1@1\nc < update s 1..3 t/j-@2"),
        ),
        (
            "UPD-DELETE",
            live("c < update s 0..1 t/k=1@1 t/j=1@1\nc < update s 1..3"),
        ),
        (
            "UPD-COMPLETE",
            live(
                "c < update s 0..1 t/k=1@1 t/j=1@1\nc < update s 1..3 t/j-@2\na > push 3 w t/k=4\na < ack 3 3 w applied 4\nc < update s 3..4",
            ),
        ),
        (
            "PUSH-ONCE",
            format!("{}{twice}c < update s 0..4 t/k=1@4", live("")),
        ),
        (
            "MODEL-DURABLE",
            format!("{log}hook kill\n{reader}c < update s 0..3 replace"),
        ),
        (
            "PUSH-SEQ-GAP",
            read(
                "b > push 7 q t/n=5\nb < ack 3 7 q refused seq_gap\nc < update s 0..4 replace t/k=1@1 t/n=5@4",
            ),
        ),
        (
            "PUSH-CHAIN-FOLLOWS",
            read(
                "b > push 2 q t/n=5\nb < ack 3 2 q refused chain_broken\nc < update s 0..4 replace t/k=1@1 t/n=5@4",
            ),
        ),
        (
            "MODEL-ISOLATION",
            read(
                "d > {\"type\":\"hello\",\"workspace\":\"v\",\"clientId\":\"d\"}\nd < welcome 0 0\nd > push 1 q t/n=5\nd < ack 2 1 q applied 1\nc < update s 0..3 replace t/k=1@1 t/n=5@1",
            ),
        ),
        ("DOC-COMPACT", documents("c < update s 3..6 d/k>3>AgM=@6")),
        ("DOC-COMPLETE", documents("c < update s 3..6 d/k>BA==@5")),
        ("DOC-APPEND", documents("c < update s 3..5 d/k>BQ==@5")),
        ("DOC-COMPACT", documents("c < update s 3..6 d/k>5>AgM=@6")),
        (
            "DOC-DELETE",
            documents("c < update s 3..6 d/k>3>AgM=@6 d/k>BA==@5\nc < update s 6..7"),
        ),
        // Rows that the log never named: before those that it names, between them, after them.
        (
            "SUB-REPLACE-COMPLETE",
            read("c < update s 0..3 replace t/a=1@1 t/k=1@1"),
        ),
        (
            "SUB-REPLACE-COMPLETE",
            read("c < update s 0..3 replace t/jj=1@1 t/k=1@1"),
        ),
        (
            "SUB-REPLACE-COMPLETE",
            read("c < update s 0..3 replace t/k=1@1 t/z=1@1"),
        ),
        // A replacement in mid-subscription leaves out what did not change, or adds something.
        (
            "SUB-REPLACE-COMPLETE",
            live("c < update s 0..3 t/k=1@1\nc < update s 0..3 replace"),
        ),
        (
            "SUB-REPLACE-COMPLETE",
            live("c < update s 0..3 t/k=1@1\nc < update s 0..3 replace t/a=1@1 t/k=1@1"),
        ),
    ];
    table(
        &CHECKER,
        &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
    );
    // A truncation that dropped nothing, or nothing that the cursor needs, gives no occasion.
    let above = format!("hook truncate\n{}", resumed("c < update s 1..3 t/j-@2"));
    for history in [truncated("c < update s 1..3 t/j-@2"), above] {
        let judged = super::super::notation::run(&CHECKER, &history).judged;
        assert!(!judged.contains("SUB-CURSOR-TRUNCATED"), "{history}");
    }
}

#[test]
fn each_row_is_compared_once_and_in_order() {
    // The log names t/j, which is deleted, t/k and t/m; t/k is missing, and all but t/m is too much.
    let history = "a > hello alice\na < welcome 0 0\na > push 1 x t/k=1 t/j=1 t/m=1 | 2 y t/j-\na < ack 2 1 x applied 1, 2 y applied 2\n\
                       c > hello\nc < welcome 2 0\nc > subscribe i t\nc < subscribed i s t\n\
                       c < update s 0..2 replace t/a=1@1 t/b=1@1 t/jj=1@1 t/m=1@1 t/y=1@1 t/z=1@1";
    let violations = super::super::notation::run(&CHECKER, history).violations;
    let names = { violations.iter() }.filter_map(|broken| broken.expected.split(',').next());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["a", "b", "jj", "k", "y", "z"].map(|key| format!(r#""t"/"{key}""#))
    );
}
