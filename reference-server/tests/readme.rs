//! The README's table of settings is made from the one that the program uses.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use syncline_server::config::settings::{SETTINGS, Settings};

const BEGIN: &str = "<!-- settings: written by a test -->\n";
const END: &str = "<!-- end of settings -->\n";

/// Writes the table anew, and fails if that has changed the file.
#[test]
fn the_table_of_settings_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the table's begin is marked");
    let (_, after) = rest.split_once(END).expect("the table's end is marked");
    let current = format!("{before}{BEGIN}{}{END}{after}", rows());
    if current != text {
        std::fs::write(path, current).unwrap();
        panic!(
            "the table of settings in README.md was stale and has been written anew: look at it, and run again"
        );
    }
}

fn rows() -> String {
    let defaults = Settings::default();
    let mut rows =
        "| key | environment | flag | default | meaning |\n|---|---|---|---|---|\n".to_owned();
    for setting in SETTINGS.iter() {
        let (key, env, flag) = (&setting.key, &setting.env, &setting.flag);
        let (default, help) = (setting.show(&defaults), &setting.help);
        writeln!(
            rows,
            "| `{key}` | `{env}` | `--{flag}` | `{default}` | {help} |"
        )
        .unwrap();
    }
    rows
}
