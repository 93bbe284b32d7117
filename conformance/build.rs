//! Embeds the scenario files, for servers and for clients, and the mutants' files: writes one `include_str!` for each, so that a new file needs no list to be kept.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    for (folder, extension, list) in [
        ("scenarios", "json", "scenarios.rs"),
        ("client-scenarios", "json", "client_scenarios.rs"),
        ("mutants", "toml", "mutants.rs"),
    ] {
        let root =
            PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join(folder);
        let list = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join(list);
        embed(&root, extension, &list)?;
    }
    Ok(())
}

/// Writes the list of a folder's files, in its folders by chapter or side.
fn embed(root: &Path, extension: &str, list: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", root.display());
    let mut source = String::from("&[\n");
    for chapter in sorted(root)?.iter().filter(|path| path.is_dir()) {
        for file in sorted(chapter)?
            .iter()
            .filter(|path| path.extension().is_some_and(|end| end == extension))
        {
            let name = file
                .strip_prefix(root)
                .expect("it was found there")
                .display()
                .to_string();
            source += &format!(
                "    ({name:?}, include_str!({:?})),\n",
                file.display().to_string()
            );
        }
    }
    source += "]\n";
    fs::write(list, source)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
