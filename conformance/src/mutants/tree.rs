//! A copy of the sources with all mutants in it, and the programs built from it.
//!
//! The copy is built with the same profile and into the same folder as the runner itself, so that everything that it depends on is there already. Its crates have
//! a version of their own, by which cargo tells them from those that are no mutants, and the programs names of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::instrument::{Change, instrument, switch};
use super::{Edit, Mutant, SWITCH};

/// The folders of the sources that the programs are made of.
const PARTS: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "benches",
    "conformance",
    "fuzz/checks",
    "reference-client",
    "reference-server",
    "schemas",
];

/// What else the sources read.
const SPEC: &str = "spec";

/// The programs, built.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The runner, with the mutants in its embedded server.
    pub runner: PathBuf,
    /// The adapter of the Rust client, with the mutants in the client.
    pub adapter: PathBuf,
}

/// The sources with all mutants in them, by file from the root; only those that differ.
///
/// # Errors
/// A file that cannot be read, or an edit that does not fit.
pub fn instrumented(root: &Path, mutants: &[Mutant]) -> Result<BTreeMap<PathBuf, String>, String> {
    let mut by_file: BTreeMap<&Path, Vec<(&str, &Edit)>> = BTreeMap::new();
    for mutant in mutants {
        for edit in &mutant.text.edits {
            by_file
                .entry(&edit.file)
                .or_default()
                .push((&mutant.name, edit));
        }
    }
    let mut files = BTreeMap::new();
    for (file, edits) in by_file {
        let changes: Vec<_> = edits
            .iter()
            .map(|(mutant, edit)| Change {
                mutant,
                within: edit.within.as_deref(),
                find: &edit.find,
                replace: &edit.replace,
            })
            .collect();
        let told = |why: String| format!("{}: {why}", file.display());
        let text = instrument(&read(&root.join(file))?, &changes).map_err(told)?;
        files.insert(file.to_owned(), text);
    }
    for library in files
        .keys()
        .filter_map(|file| library_of(file))
        .collect::<std::collections::BTreeSet<_>>()
    {
        let text = match files.remove(&library) {
            Some(text) => text,
            None => read(&root.join(&library))?,
        };
        files.insert(library, text + &switch(SWITCH));
    }
    Ok(files)
}

/// The root module of the crate that a source file belongs to.
fn library_of(file: &Path) -> Option<PathBuf> {
    let sources = file.ancestors().find(|path| path.ends_with("src"))?;
    Some(sources.join("lib.rs"))
}

/// Makes the copy and builds the programs.
///
/// # Errors
/// What could not be copied, instrumented or built, with the compiler's words.
pub fn build(root: &Path, mutants: &[Mutant]) -> Result<Programs, String> {
    let programs = env::current_exe().map_err(|error| error.to_string())?;
    let out = programs.parent().ok_or("the runner stands nowhere")?;
    let target = out
        .parent()
        .ok_or("the runner stands in no target folder")?;
    let tree = target.join("mutants");
    let changed = instrumented(root, mutants)?;
    for part in PARTS.iter().chain([&SPEC]) {
        copy(&root.join(part), &tree.join(part), &tree, &changed)?;
    }
    let release = if cfg!(debug_assertions) {
        None
    } else {
        Some("--release")
    };
    let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&tree)
        .args(["build", "--quiet", "--offline", "--target-dir"])
        .arg(target)
        .args([
            "-p",
            "syncline-conformance",
            "--bin",
            RUNNER,
            "-p",
            "syncline-client",
            "--example",
            ADAPTER,
        ])
        .args(release)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    let suffix = env::consts::EXE_SUFFIX;
    Ok(Programs {
        runner: out.join(format!("{RUNNER}{suffix}")),
        adapter: out.join("examples").join(format!("{ADAPTER}{suffix}")),
    })
}

/// The programs' names: others than those of the programs that are not mutants, beside which they stand.
const RUNNER: &str = "syncline-conformance-mutant";
const ADAPTER: &str = "adapter-mutant";

/// Copies a file or a folder. What is the same already is left alone, so that it is not built again.
fn copy(
    from: &Path,
    to: &Path,
    tree: &Path,
    changed: &BTreeMap<PathBuf, String>,
) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", from.display());
    if from.is_dir() {
        for entry in fs::read_dir(from).map_err(told)? {
            let name = entry.map_err(told)?.file_name();
            copy(&from.join(&name), &to.join(&name), tree, changed)?;
        }
        return Ok(());
    }
    let file = to.strip_prefix(tree).map_err(|error| error.to_string())?;
    let text = match changed.get(file) {
        Some(text) => text.clone().into_bytes(),
        None => renamed(file, fs::read(from).map_err(told)?)?,
    };
    if fs::read(to).is_ok_and(|before| before == text) {
        return Ok(());
    }
    fs::create_dir_all(to.parent().unwrap_or(tree)).map_err(told)?;
    fs::write(to, text).map_err(told)
}

/// The manifests name the programs, and the version.
fn renamed(file: &Path, text: Vec<u8>) -> Result<Vec<u8>, String> {
    let program = match file.to_str() {
        Some("conformance/Cargo.toml") => {
            format!("\n[[bin]]\nname = \"{RUNNER}\"\npath = \"src/main.rs\"\n")
        }
        Some("reference-client/rust/Cargo.toml") => {
            format!("\n[[example]]\nname = \"{ADAPTER}\"\npath = \"examples/adapter/main.rs\"\n")
        }
        Some("Cargo.toml") => {
            let text = String::from_utf8(text).map_err(|error| error.to_string())?;
            let version = concat!("version = \"", env!("CARGO_PKG_VERSION"));
            let text = text.replacen(version, &format!("{version}-mutants"), 1);
            // What is switched need not be pretty.
            let lints = "[workspace.lints.rust]\n";
            let quiet = text.replacen(lints, &format!("{lints}warnings = \"allow\"\n"), 1);
            return Ok(quiet.into_bytes());
        }
        _ => return Ok(text),
    };
    Ok([text, program.into_bytes()].concat())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
