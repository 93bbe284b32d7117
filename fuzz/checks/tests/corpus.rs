//! Every seed, and everything that was ever found, through its check; and a little of what nobody thought of.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use syncline_fuzz_checks::{TARGETS, Target};

fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.expect("a target of this name")
}

/// Runs what the target begins with, and what it has found.
fn runs(name: &str) {
    let target = target(name);
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| (target.check)(seed));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../regressions")
        .join(name);
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        (target.check)(&fs::read(path).expect("a readable file"));
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                runs(stringify!($name));
            }
        )*
    };
}

targets! { frame canonical scenario log engine conversation replica hostile }

/// A target is a line in `TARGETS`, a file in `fuzz/fuzz_targets`, a `[[bin]]`, and a test here.
#[test]
fn every_target_is_everywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    for name in &names {
        let file = format!("fuzz_targets/{name}.rs");
        let text = fs::read_to_string(folder.join(&file)).expect("a target");
        assert!(text.contains(&format!("checks::{name}::check")), "{file}");
        assert!(manifest.contains(&format!("path = \"{file}\"")), "{file}");
    }
    let files = fs::read_dir(folder.join("fuzz_targets")).expect("targets");
    assert_eq!(files.count(), names.len());
    for entry in fs::read_dir(folder.join("regressions"))
        .into_iter()
        .flatten()
    {
        let name = entry.expect("a readable folder").file_name();
        assert!(
            names.iter().any(|known| name == *known),
            "{name:?} is no target"
        );
    }
}

/// Enough for every change; `PROPTEST_CASES=20000` for a night.
fn cases() -> u32 {
    let cases = std::env::var("PROPTEST_CASES").ok();
    { cases.and_then(|cases| cases.parse().ok()) }.unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Where the bytes choose what happens, any bytes do. The texts have differential tests of their own, beside what is under test.
    #[test]
    fn whatever_the_bytes_are(
        name in prop::sample::select(vec!["canonical", "log", "engine", "replica", "hostile"]),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        (target(name).check)(&bytes);
    }
}
