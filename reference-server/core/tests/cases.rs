//! The procedures of the specification, case by case: scripts in `tests/cases/`, one file a chapter or topic.
//!
//! Each file holds the conversation as it must be. To write a new one, write the clients' lines and run the tests with
//! `UPDATE_CASES=1`; then read what the server has said.

mod support;

use std::fs;
use std::path::Path;

#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the core does no IO, its tests read and write their scripts"
)]
fn check(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(file);
    let script = fs::read_to_string(&path).expect("a script");
    let said = support::script::run(&script);
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&path, &said).expect("a writable script");
        return;
    }
    for (number, (said, expected)) in said.lines().zip(script.lines()).enumerate() {
        assert_eq!(said, expected, "{file}, line {}", number + 1);
    }
    assert_eq!(
        said.lines().count(),
        script.lines().count(),
        "{file}: the end differs"
    );
}

#[test]
fn connection() {
    check("connection.txt");
}

#[test]
fn push() {
    check("push.txt");
}

#[test]
fn decide() {
    check("decide.txt");
}

#[test]
fn limits() {
    check("limits.txt");
}

#[test]
fn if_version() {
    check("if_version.txt");
}

#[test]
fn filters() {
    check("filters.txt");
}

#[test]
fn subscriptions() {
    check("subscriptions.txt");
}

#[test]
fn updates() {
    check("updates.txt");
}

#[test]
fn digests() {
    check("digests.txt");
}

#[test]
fn fields() {
    check("fields.txt");
}

#[test]
fn tables() {
    check("tables.txt");
}

#[test]
fn conflicts() {
    check("conflicts.txt");
}

#[test]
fn sequences() {
    check("sequences.txt");
}

#[test]
fn history() {
    check("history.txt");
}

#[test]
fn presence() {
    check("presence.txt");
}

#[test]
fn truncation() {
    check("truncation.txt");
}

#[test]
fn nodes() {
    check("nodes.txt");
}

#[test]
fn schemas() {
    check("schemas.txt");
}

#[test]
fn documents() {
    check("documents.txt");
}

#[test]
fn granularity() {
    check("granularity.txt");
}
