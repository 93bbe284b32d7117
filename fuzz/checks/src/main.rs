//! Writes the seeds of every target, for `cargo fuzz`: into `corpus/<target>` below the folder that is named, or below `fuzz`; and a dictionary, `json.dict`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::{env, fs, io};

use syncline_fuzz_checks::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let named = env::args_os().nth(1).map(PathBuf::from);
    let root = named.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
    for target in TARGETS {
        let folder = root.join("corpus").join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
    }
    fs::write(root.join("corpus/json.dict"), seeds::dictionary())
}
