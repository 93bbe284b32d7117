//! Mutants: wrong servers and wrong clients, each a small edit of the reference implementation, that the suite must catch for the right reason.
//!
//! A mutant is a file under `conformance/mutants/`: what it does wrong, which requirements that breaks, and the edit. All mutants are built into one copy of
//! the sources ([`tree`]), each behind a switch that the environment sets ([`instrument`]), so that a hundred wrong servers cost one build and the sources
//! that are read and released know nothing of them. Then the suite is run against each ([`kill`]).

pub mod instrument;
pub mod kill;
pub mod search;
pub mod tree;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

/// The environment variable that names the mutant to be.
pub const SWITCH: &str = "SYNCLINE_MUTANT";

/// Which suite judges a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// A wrong server, judged by `run`.
    Server,
    /// A wrong client, judged by `client`.
    Client,
}

impl Side {
    /// Both.
    pub const ALL: [Side; 2] = [Side::Server, Side::Client];

    /// The folder under `conformance/mutants/`.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Side::Server => "server",
            Side::Client => "client",
        }
    }
}

/// A mutant.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Its name: the file's.
    pub name: String,
    /// Which suite judges it.
    pub side: Side,
    /// What is written of it.
    pub text: Text,
}

/// A mutant's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// What it does wrong, in a sentence.
    pub title: String,
    /// The requirements that it breaks: each must be among those that the suite finds broken.
    pub breaks: Vec<String>,
    /// Which scenarios are run against it, as `--select` takes them; without this, those that check what it breaks.
    #[serde(default)]
    pub select: Vec<String>,
    /// The edits, which together make it.
    #[serde(rename = "edit")]
    pub edits: Vec<Edit>,
}

/// A place in the sources, and what the mutant has there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, from the root of the sources.
    pub file: PathBuf,
    /// A part of the file, which stands in it exactly once: for what alone would stand in several places.
    #[serde(default)]
    pub within: Option<String>,
    /// What stands there: an expression, or statements. It must stand there exactly once.
    pub find: String,
    /// What the mutant has in its place.
    pub replace: String,
}

/// All mutants under the root of the sources, by side and name.
///
/// # Errors
/// A file that cannot be read, and why.
pub fn all(root: &Path) -> Result<Vec<Mutant>, String> {
    let mut mutants = Vec::new();
    for side in Side::ALL {
        let folder = root.join("conformance/mutants").join(side.folder());
        let mut files = folder
            .read_dir()
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.path()))
                    .collect::<Result<Vec<_>, _>>()
            })
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        files.retain(|path| path.extension().is_some_and(|end| end == "toml"));
        files.sort();
        for path in files {
            mutants.push(read(side, &path).map_err(|why| format!("{}: {why}", path.display()))?);
        }
    }
    Ok(mutants)
}

/// The mutants' files of this build: path under `mutants/`, text.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/mutants.rs"));

/// All mutants of this build, by side and name: what they do wrong can be told without the sources.
#[must_use]
pub fn embedded() -> &'static [Mutant] {
    static ALL: LazyLock<Vec<Mutant>> = LazyLock::new(|| {
        let mut mutants = Vec::new();
        for side in Side::ALL {
            let of_side = EMBEDDED
                .iter()
                .filter(|(path, _)| Path::new(path).starts_with(side.folder()));
            let parsed = of_side.map(|(path, text)| parse(side, Path::new(path), text));
            mutants.extend(parsed.map(|mutant| mutant.expect("a test reads the files")));
        }
        mutants
    });
    &ALL
}

fn read(side: Side, path: &Path) -> Result<Mutant, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(side, path, &text)
}

fn parse(side: Side, path: &Path, text: &str) -> Result<Mutant, String> {
    let text = toml::from_str(text).map_err(|error| error.to_string())?;
    let name = path.file_stem().and_then(|name| name.to_str());
    let name = name.ok_or("its name is no UTF-8")?.to_owned();
    Ok(Mutant { name, side, text })
}
