//! Good and bad histories of presence.

use super::*;
use crate::checkers::notation::table;

/// b watches, a and c are others of its workspace, x one of another.
fn begun(rest: &str) -> String {
    let limits = r#"{"presenceBytesMax":1024,"presenceSessionsMax":16,"presenceIntervalMs":100}"#;
    let welcome = |name: &str| {
        format!(
            r#"{name} < {{"type":"welcome","epoch":"e","version":0,"session":"{name}","capabilities":["presence"],"limits":{limits}}}"#
        )
    };
    let names = r#"{"type":"hello","workspace":"w","capabilities":["presence"]}"#;
    let other = r#"{"type":"hello","workspace":"v"}"#;
    [
        format!("a > hello alice\n{}", welcome("a")),
        format!("b > {names}\n{}", welcome("b")),
        format!("c > hello\n{}", welcome("c")),
        format!("x > {other}\n{}", welcome("x")),
        rest.to_owned(),
    ]
    .join("\n")
}

fn present(state: &str) -> String {
    format!(r#"a > {{"type":"present","state":{state}}}"#)
}

fn word(of: &str, state: &str) -> String {
    let author = match of {
        "a" => format!(r#","author":"{}""#, author("e", "alice")),
        _ => String::new(),
    };
    let state = match state {
        "" => String::new(),
        state => format!(r#","state":{state}"#),
    };
    format!(r#"b < {{"type":"presence","session":"{of}"{author}{state}}}"#)
}

const WITHDRAW: &str = r#"a > {"type":"present"}"#;

fn check(good: &[(&str, &[String])], bad: &[(&str, &[String])]) {
    let histories = |rows: &[(&str, &[String])]| {
        let rows = rows.iter();
        rows.map(|(_, lines)| begun(&lines.join("\n")))
            .collect::<Vec<_>>()
    };
    let (good_texts, bad_texts) = (histories(good), histories(bad));
    let good: Vec<_> = good
        .iter()
        .zip(&good_texts)
        .map(|((ids, _), text)| (*ids, text.as_str()))
        .collect();
    let bad: Vec<_> = bad
        .iter()
        .zip(&bad_texts)
        .map(|((ids, _), text)| (*ids, text.as_str()))
        .collect();
    table(&CHECKER, &good, &bad);
}

#[test]
fn good_and_bad_words() {
    let wait = |ms: u64| format!("wait {ms}");
    let ping = || "a > ping 1\na < pong 1".to_owned();
    let withdraw = || WITHDRAW.to_owned();
    let line = |text: &str| text.to_owned();
    check(
        &[
            (
                "PRES-TRUE PRES-AUTHOR PRES-TO-WHOM PRES-LIMITS",
                &[present("1"), word("a", "1.0")],
            ),
            (
                "PRES-TRUE",
                &[
                    line(r#"c > {"type":"present","state":null}"#),
                    word("c", "null"),
                ],
            ),
            // States may be left out, and told twice.
            (
                "PRES-TRUE",
                &[
                    present("1"),
                    present("2"),
                    present("1"),
                    word("a", "2"),
                    wait(200),
                    word("a", "1"),
                    wait(200),
                    word("a", "1"),
                ],
            ),
            (
                "PRES-TRUE",
                &[
                    present("1"),
                    word("a", "1"),
                    withdraw(),
                    wait(100),
                    word("a", ""),
                    ping(),
                    present("1"),
                    wait(100),
                    word("a", "1"),
                ],
            ),
            // It ended; that it has is seen later.
            (
                "PRES-TRUE",
                &[
                    present("1"),
                    word("a", "1"),
                    word("a", ""),
                    line("a closed"),
                ],
            ),
            (
                "PRES-TRUE",
                &[present("1"), line("a left"), word("a", "1"), word("a", "")],
            ),
            // It took nothing for long, or was sent other things.
            (
                "",
                &[
                    word("a", "1").replace("a\"", "z\""),
                    wait(6000),
                    line("b < goaway slow_consumer"),
                ],
            ),
            (
                "",
                &[line("b > push 1 x t/k=1"), line("b < goaway slow_consumer")],
            ),
            // Nothing is known of others.
            ("PRES-TO-WHOM", &[word("stranger", "1")]),
            // One besides, and the end.
            (
                "PRES-INTERVAL",
                &[
                    present("1"),
                    present("2"),
                    word("a", "1"),
                    word("a", "2"),
                    word("a", ""),
                ],
            ),
            (
                "PRES-INTERVAL",
                &[
                    present("1"),
                    present("2"),
                    present("3"),
                    wait(50),
                    word("a", "1"),
                    word("a", "2"),
                    word("a", "3"),
                ],
            ),
            (
                "PRES-BYTES",
                &[present(&format!("{:?}", "x".repeat(1022))), ping()],
            ),
            (
                "PRES-BYTES",
                &[
                    present(&format!("{:?}", "x".repeat(1023))),
                    line("a < error invalid_message 2"),
                ],
            ),
        ],
        &[
            ("PRES-TRUE", &[word("a", "1")]),
            ("PRES-TRUE", &[present("1"), word("a", "2")]),
            ("PRES-TRUE", &[word("a", "1"), present("1")]),
            (
                "PRES-TRUE",
                &[
                    present("1"),
                    present("2"),
                    word("a", "2"),
                    wait(500),
                    word("a", "1"),
                ],
            ),
            (
                "PRES-TRUE",
                &[
                    present("1"),
                    line("a < error presence_full 2"),
                    word("a", "1"),
                ],
            ),
            (
                "PRES-TRUE",
                &[present("1"), word("a", "1"), word("a", ""), ping()],
            ),
            (
                "PRES-TRUE",
                &[
                    present("1"),
                    word("a", "1"),
                    word("a", ""),
                    wait(500),
                    word("a", "1"),
                ],
            ),
            (
                "PRES-TRUE",
                &[
                    present("1"),
                    withdraw(),
                    word("a", ""),
                    wait(500),
                    word("a", "1"),
                ],
            ),
            (
                "PRES-TRUE",
                &[line(r#"x > {"type":"present","state":1}"#), word("x", "1")],
            ),
            (
                "PRES-TO-WHOM",
                &[line(r#"b > {"type":"present","state":1}"#), word("b", "1")],
            ),
            (
                "PRES-TO-WHOM",
                &[present("1"), word("a", "1").replacen('b', "c", 1)],
            ),
            (
                "PRES-AUTHOR",
                &[
                    present("1"),
                    word("a", "1").replace(&author("e", "alice"), &author("f", "alice")),
                ],
            ),
            (
                "PRES-AUTHOR",
                &[present("1"), word("a", "1").replace("author", "writer")],
            ),
            (
                "PRES-AUTHOR",
                &[
                    line(r#"c > {"type":"present","state":1}"#),
                    word("c", "1").replace(",\"state", r#","author":"0","state"#),
                ],
            ),
            (
                "PRES-INTERVAL",
                &[
                    present("1"),
                    present("2"),
                    present("3"),
                    word("a", "1"),
                    word("a", "2"),
                    word("a", "3"),
                ],
            ),
            (
                "PRES-PRESSURE",
                &[
                    present("1"),
                    word("a", "1"),
                    line("b < goaway slow_consumer"),
                ],
            ),
            (
                "PRES-BYTES",
                &[present(&format!("{:?}", "x".repeat(1023))), ping()],
            ),
            (
                "PRES-BYTES",
                &[
                    present(&format!("{:?}", "x".repeat(1022))),
                    line("a < error invalid_message 2"),
                ],
            ),
        ],
    );
}

#[test]
fn good_and_bad_refusals() {
    let begun = |rest: &str| {
        let welcome =
            r#"b < {"type":"welcome","epoch":"e","version":0,"session":"b","capabilities":[]}"#;
        format!("b > hello\n{welcome}\n{rest}")
    };
    let present = r#"b > {"type":"present","state":1}"#;
    let full = r#"b < {"type":"welcome","epoch":"e","version":0,"session":"b","capabilities":["presence"],"limits":{"presenceBytesMax":1}}"#;
    table(
        &CHECKER,
        &[(
            "PRES-NOT-OFFERED",
            &begun(&format!("{present}\nb < error unknown_type 2")),
        )],
        &[
            (
                "PRES-NOT-OFFERED",
                &begun(&format!("{present}\nb < error invalid_message 2")),
            ),
            ("PRES-NOT-OFFERED", &begun(&word("a", "1"))),
            ("PRES-LIMITS", &format!("b > hello\n{full}")),
        ],
    );
}
