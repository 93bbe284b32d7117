//! What the fuzzer begins with: made of the project's examples, so that nothing is kept twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The examples of all messages, valid and invalid.
#[must_use]
pub fn frames() -> Vec<Vec<u8>> {
    files("schemas/v1/examples", "json")
}

/// Frames and vectors: for the canonical form each is a value like any other.
#[must_use]
pub fn values() -> Vec<Vec<u8>> {
    let mut values = frames();
    values.extend(files("schemas/v1/vectors", "json"));
    let doubles = [
        5e-324,
        1e21,
        -0.0,
        9_007_199_254_740_993.0,
        f64::MAX,
        0.1 + 0.2,
    ];
    values.push(
        doubles
            .iter()
            .flat_map(|double: &f64| double.to_le_bytes())
            .collect(),
    );
    values
}

/// The scenarios, for servers and for clients.
#[must_use]
pub fn scenarios() -> Vec<Vec<u8>> {
    let mut scenarios = files("conformance/scenarios", "json");
    scenarios.extend(files("conformance/client-scenarios", "json"));
    scenarios
}

/// The scripts of the engine's cases.
#[must_use]
pub fn conversations() -> Vec<Vec<u8>> {
    let scripts = files("reference-server/core/tests/cases", "txt");
    // One case each, so that the fuzzer may put them together.
    let cases = scripts.iter().flat_map(|script| {
        let text = String::from_utf8_lossy(script).into_owned();
        let cases: Vec<String> = text.split("\n= ").map(said_by_clients).collect();
        cases
    });
    cases
        .map(String::into_bytes)
        .filter(|case| !case.is_empty())
        .collect()
}

/// The lines of a case that say something: without what the server answers, without comments and titles.
fn said_by_clients(case: &str) -> String {
    let says = |line: &&str| line.starts_with("! ") || line.contains("> {") || line.contains("+ {");
    let lines: Vec<&str> = case.lines().filter(says).collect();
    lines.join("\n")
}

/// For what is chosen by bytes any bytes do: some of each length, always the same.
#[must_use]
pub fn noise() -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let mut make = |length: usize| (0..length).map(|_| byte()).collect();
    [0, 1, 16, 40, 100, 250, 500, 800].map(&mut make).into()
}

/// For libFuzzer's `-dict`: the names and the short words of all frames and scenarios, as JSON has them.
#[must_use]
pub fn dictionary() -> String {
    let mut words = BTreeSet::new();
    for text in [frames(), scenarios()].concat() {
        if let Ok(value) = serde_json::from_slice::<Value>(&text) {
            note_words(&value, &mut words);
        }
    }
    let lines = words.iter().map(|word| format!("\"\\x22{word}\\x22\"\n"));
    lines.collect()
}

fn note_words(value: &Value, words: &mut BTreeSet<String>) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_$-".contains(&byte);
    let is_word = |word: &str| (1..24).contains(&word.len()) && word.bytes().all(is_plain);
    match value {
        Value::String(word) if is_word(word) => drop(words.insert(word.clone())),
        Value::Object(members) => {
            words.extend(members.keys().filter(|name| is_word(name)).cloned());
            { members.values() }.for_each(|member| note_words(member, words));
        }
        Value::Array(items) => items.iter().for_each(|item| note_words(item, words)),
        _ => {}
    }
}

/// The files below a folder of the project, with this extension, by name.
fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    collect(&root.join(folder), extension, &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

fn collect(folder: &Path, extension: &str, paths: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, extension, paths);
        } else if path.extension().is_some_and(|own| own == extension) {
            paths.push(path);
        }
    }
}
