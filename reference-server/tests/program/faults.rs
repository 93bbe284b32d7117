//! Whatever keeps the program from starting: one clear line on stderr, exit code 2.

use std::net::TcpListener;
use std::path::Path;

use crate::process::{Serving, output, program};

const ANY_PORT: &[&str] = &["--listen", "127.0.0.1:0"];

/// The program ends with code 2 and one line that says this.
fn check(directory: &Path, flags: &[&str], environment: &[(&str, &str)], part: &str) {
    let flags = [ANY_PORT, flags].concat();
    let environment = [&[("SYNCLINE_LOG", "error")], environment].concat();
    let output = output(program(directory, &flags).envs(environment));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{flags:?}: {said}");
    assert!(
        said.starts_with("syncline-server: ") && said.contains(part),
        "{said:?} does not say {part:?}"
    );
}

#[test]
fn wrong_flags() {
    let place = tempfile::tempdir().unwrap();
    check(place.path(), &["--nonsense"], &[], "--nonsense");
    check(place.path(), &["extra"], &[], "extra");
    check(place.path(), &["--data"], &[], "--data");
    check(
        place.path(),
        &["--part-bytes", "many"],
        &[],
        "--part-bytes: part_bytes must be an integer",
    );
    check(
        place.path(),
        &["--limits-frame-bytes-max", "1000"],
        &[],
        "must be at least 65536",
    );
    check(
        place.path(),
        &["--limits-heartbeat-ms", "40000"],
        &[],
        "twice limits.heartbeatMs",
    );
    check(place.path(), &["--path", "sync"], &[], "begin with /");
}

#[test]
fn wrong_environment() {
    let place = tempfile::tempdir().unwrap();
    check(
        place.path(),
        &[],
        &[("SYNCLINE_MEMORY", "perhaps")],
        "SYNCLINE_MEMORY: memory must be true or false",
    );
    check(
        place.path(),
        &[],
        &[("SYNCLINE_CONFIG", "none.toml")],
        "none.toml: No such file",
    );
    check(place.path(), &[], &[("SYNCLINE_LOG", "a=b=c")], "log");
}

#[test]
fn wrong_files() {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("syncline.toml");
    let flags = ["--config", "syncline.toml"];
    for (text, part) in [
        ("path = '/a'\nlisten 1", "syncline.toml:2: "),
        (
            "\n\nnonsense = 1",
            "syncline.toml:3: unknown key `nonsense`",
        ),
        (
            "[limits]\nframeBytes = 1",
            "syncline.toml:2: unknown key `limits.frameBytes`",
        ),
        (
            "[limits]\ndepthMax = 31",
            "syncline.toml:2: limits.depthMax must be at least 32",
        ),
        (
            "part_bytes = 'x'",
            "syncline.toml:1: `part_bytes` must be an integer",
        ),
    ] {
        std::fs::write(&config, text).unwrap();
        check(place.path(), &flags, &[], part);
    }
}

#[test]
fn a_port_in_use() {
    let place = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = output(&mut program(
        place.path(),
        &["--listen", &address, "--log", "error", "--memory"],
    ));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.lines().count() == 1 && said.contains(&address) && said.contains("in use"),
        "{said}"
    );
}

#[test]
fn a_path_that_cannot_be_written() {
    let place = tempfile::tempdir().unwrap();
    check(
        place.path(),
        &["--data", "no/such/place.db"],
        &[],
        "no/such/place.db: cannot be opened: No such file or directory",
    );
    check(place.path(), &["--data", "."], &[], "Is a directory");
    std::fs::write(place.path().join("text"), "not a database at all").unwrap();
    check(
        place.path(),
        &["--data", "text"],
        &[],
        "text: is not a SQLite database",
    );
}

#[test]
fn a_newer_database() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("syncline.db");
    drop(syncline_server::log::SqliteLog::open(&path).unwrap());
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    check(
        place.path(),
        &[],
        &[],
        "syncline.db: was written by a newer version of this program (format 99",
    );
}

#[test]
fn a_second_server() {
    let place = tempfile::tempdir().unwrap();
    let first = Serving::start(program(place.path(), ANY_PORT));
    check(
        place.path(),
        &[],
        &[],
        "syncline.db: another server has this file open",
    );
    let (status, _) = first.end("-TERM");
    assert!(status.success());
    let again = Serving::start(program(place.path(), ANY_PORT));
    assert!(again.end("-INT").0.success());
}

#[test]
fn a_window_that_shrinks() {
    let place = tempfile::tempdir().unwrap();
    let flags = [ANY_PORT, &["--limits-in-flight-max", "300"]].concat();
    assert!(
        Serving::start(program(place.path(), &flags))
            .end("-TERM")
            .0
            .success()
    );
    check(
        place.path(),
        &[],
        &[],
        "limits.inFlightMax (256) must not be lower than 300",
    );
}
