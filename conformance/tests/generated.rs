//! Generated files are committed; these tests make them again, and fail when they were stale.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use syncline_conformance::requirements::{CHAPTERS, parse};
use syncline_conformance::scenario::Scenario;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes the file anew if it is not what it should be, and fails then.
fn ensure(path: &Path, contents: &str) {
    let old = fs::read_to_string(path).unwrap_or_default();
    if old != contents {
        fs::write(path, contents).unwrap();
        panic!(
            "{} was stale: it has been written anew, run the tests again",
            path.display()
        );
    }
}

#[test]
fn the_requirements_are_those_of_the_chapters() {
    let folder = root().join("spec/v1");
    let mut all = Vec::new();
    for chapter in CHAPTERS {
        let text = fs::read_to_string(folder.join(format!("{chapter}.md"))).unwrap();
        all.extend(parse(chapter, &text).unwrap());
    }
    let mut ids: Vec<_> = all.iter().map(|requirement| &requirement.id).collect();
    ids.sort();
    assert!(
        ids.windows(2).all(|pair| pair[0] != pair[1]),
        "an ID stands twice: {ids:?}"
    );
    ensure(
        &folder.join("requirements.json"),
        &(serde_json::to_string_pretty(&all).unwrap() + "\n"),
    );
}

#[test]
fn the_coverage_is_that_of_this_build() {
    let coverage = syncline_conformance::coverage::Coverage::of_build().unwrap();
    assert_eq!(coverage.amiss(), [""; 0]);
    ensure(&root().join("spec/v1/coverage.md"), &coverage.markdown());
}

#[test]
fn the_scenario_schema_is_that_of_the_types() {
    ensure(
        &root().join("conformance/scenario.schema.json"),
        &Scenario::schema(),
    );
}

#[test]
fn the_guide_shows_every_verb_and_operator() {
    let guide = fs::read_to_string(root().join("conformance/SCENARIOS.md")).unwrap();
    for verb in syncline_conformance::steps::NAMES {
        assert!(
            guide.contains(&format!("\"do\": \"{verb}\"")),
            "SCENARIOS.md has no example of {verb}"
        );
    }
    for operator in syncline_conformance::scenario::GENERATORS
        .iter()
        .chain(syncline_conformance::scenario::MATCHERS)
    {
        assert!(
            guide.contains(&format!("{{\"{operator}\": ")),
            "SCENARIOS.md does not explain {operator}"
        );
    }
}

#[test]
fn the_report_schema_is_that_of_the_types() {
    ensure(
        &root().join("conformance/report.schema.json"),
        &syncline_conformance::report::Report::schema(),
    );
}

/// Whoever replays scenarios without this crate goes by their schema: it must hold for all of them.
#[test]
fn every_scenario_fits_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&Scenario::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut judged = 0;
    for chapter in CHAPTERS {
        let folder = root().join("conformance/scenarios").join(chapter);
        for file in fs::read_dir(folder).into_iter().flatten() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let scenario = serde_json::from_str(&text).unwrap();
            if let Some(error) = validator.iter_errors(&scenario).next() {
                panic!("{}: at {}: {error}", path.display(), error.instance_path());
            }
            judged += 1;
        }
    }
    assert!(judged > 0, "there are no scenarios");
}
