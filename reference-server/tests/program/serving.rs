//! The program when all is well.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;

use crate::process::{Serving, output, program};

#[test]
fn the_effective_configuration_is_logged_sorted_and_with_its_sources() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(
        place.path().join("s.toml"),
        "part_bytes = 50000\n[limits]\ndepthMax = 99\n",
    )
    .unwrap();
    let mut command = program(
        place.path(),
        &["--listen", "127.0.0.1:0", "--config", "s.toml"],
    );
    command.env("SYNCLINE_MEMORY", "true").env("NO_COLOR", "1");
    let serving = Serving::start(command);
    let said: Vec<_> = serving
        .said
        .iter()
        .filter_map(|line| line.split_once(": ").map(|(_, said)| said.trim()))
        .collect();
    for expected in [
        "limits.depthMax = 99 (s.toml:3)",
        "listen = 127.0.0.1:0 (--listen)",
        "memory = true (SYNCLINE_MEMORY)",
        "part_bytes = 50000 (s.toml:1)",
        "path = /sync",
    ] {
        assert!(
            said.contains(&expected),
            "{expected:?} is missing: {said:#?}"
        );
    }
    assert!(said.is_sorted(), "{said:#?}");
    assert!(serving.end("-TERM").0.success());
}

#[test]
fn it_serves_and_ends_in_order() {
    let place = tempfile::tempdir().unwrap();
    for signal in ["-INT", "-TERM"] {
        let serving = Serving::start(program(place.path(), &["--listen", "127.0.0.1:0"]));
        let mut socket = serving.connect();
        socket
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""status":"ok""#),
            "{answer}"
        );
        let (status, said) = serving.end(signal);
        assert_eq!(status.code(), Some(0), "{said:?}");
        assert!(
            said.iter()
                .any(|line| line.contains("the server has ended")),
            "{said:?}"
        );
    }
    assert!(
        place.path().join("syncline.db").exists(),
        "the default file is in the working directory"
    );
}

#[test]
fn a_killed_server_leaves_a_file_that_the_next_one_opens() {
    let place = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let serving = Serving::start(program(place.path(), &["--listen", "127.0.0.1:0"]));
        assert_eq!(serving.end("-KILL").0.signal(), Some(9));
    }
    let serving = Serving::start(program(place.path(), &["--listen", "127.0.0.1:0"]));
    assert!(serving.end("-TERM").0.success());
}

#[test]
fn help_and_version_are_no_faults() {
    let place = tempfile::tempdir().unwrap();
    for (flag, part) in [
        ("--help", "--limits-frame-bytes-max"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let output = output(&mut program(place.path(), &[flag]));
        assert_eq!(output.status.code(), Some(0));
        assert!(
            String::from_utf8(output.stdout).unwrap().contains(part),
            "{flag}"
        );
    }
}
