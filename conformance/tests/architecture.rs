//! The invariants of ARCHITECTURE.md, run as tests: mostly absences, which no reviewer sees.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is in the workspace")
        .to_owned()
}

/// All files under a folder with this extension, generated and built ones left out.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("an entry"))
    {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir()
            && !name.starts_with('.')
            && !["target", "generated", "node_modules"].contains(&&*name)
        {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) && name != "generated.rs"
        {
            found.push(path);
        }
    }
    found
}

fn dependencies(manifest: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(manifest)).expect("a manifest");
    let manifest: toml::Table = text.parse().expect("a valid manifest");
    manifest["dependencies"]
        .as_table()
        .expect("a table")
        .keys()
        .cloned()
        .collect()
}

#[test]
fn cores_do_no_io() {
    let allowed =
        BTreeSet::from(["syncline-schemas", "serde", "serde_json", "sha2"].map(str::to_owned));
    for core in [
        "reference-server/core/Cargo.toml",
        "reference-client/core/Cargo.toml",
    ] {
        let more: Vec<_> = dependencies(core).difference(&allowed).cloned().collect();
        assert!(more.is_empty(), "{core} may not depend on {more:?}");
    }
    for core in ["reference-server/core/src", "reference-client/core/src"] {
        for file in files(&root().join(core), "rs") {
            let text = fs::read_to_string(&file).expect("a source file");
            for word in [
                "Instant::now",
                "SystemTime",
                "std::fs",
                "std::net",
                "std::thread",
                "async fn",
                "tokio",
            ] {
                assert!(
                    !text.contains(word),
                    "{} names {word}: a core does no IO",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn the_runner_shares_only_the_schemas_with_what_it_judges() {
    let shared = dependencies("conformance/Cargo.toml");
    let own: Vec<_> = shared
        .iter()
        .filter(|name| name.starts_with("syncline-"))
        .collect();
    assert_eq!(own, ["syncline-schemas", "syncline-server", "syncline-sim"]);
    let simulates = root().join("conformance/src/simulate");
    for file in files(&root().join("conformance/src"), "rs") {
        let text = fs::read_to_string(&file).expect("a source file");
        let may = |name: &str| match name {
            "syncline_server" => file.ends_with("target/embedded.rs"),
            "syncline_sim" => file.starts_with(&simulates),
            _ => false,
        };
        for name in ["syncline_server", "syncline_client", "syncline_sim"] {
            let names = text.contains(name);
            assert!(!names || may(name), "{} names {name}", file.display());
        }
    }
}

#[test]
fn the_simulator_stands_below_the_runner() {
    let own: Vec<_> = dependencies("conformance/sim/Cargo.toml")
        .into_iter()
        .filter(|name| name.starts_with("syncline-"))
        .collect();
    assert_eq!(
        own,
        [
            "syncline-client-core",
            "syncline-schemas",
            "syncline-server-core"
        ]
    );
    for file in files(&root().join("conformance/sim/src"), "rs") {
        let text = fs::read_to_string(&file).expect("a source file");
        // One seed, one history: nothing that differs from run to run.
        for word in [
            "Instant::now",
            "SystemTime",
            "std::thread",
            "HashMap",
            "HashSet",
        ] {
            assert!(!text.contains(word), "{} names {word}", file.display());
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    for manifest in files(&root(), "toml")
        .iter()
        .filter(|path| path.ends_with("Cargo.toml"))
    {
        let crate_root = manifest.parent().expect("a folder").join("src");
        for name in ["lib.rs", "main.rs"] {
            if let Ok(text) = fs::read_to_string(crate_root.join(name)) {
                assert!(
                    text.contains("#![forbid(unsafe_code)]"),
                    "{}",
                    crate_root.join(name).display()
                );
            }
        }
    }
}

#[test]
fn files_stay_readable() {
    for file in files(&root(), "rs") {
        let lines = fs::read_to_string(&file)
            .expect("a source file")
            .lines()
            .count();
        assert!(
            lines <= 500,
            "{} has {lines} lines: it is asking for a second idea",
            file.display()
        );
    }
    for chapter in files(&root().join("spec"), "md")
        .iter()
        .filter(|path| !path.ends_with("reference.md") && !path.ends_with("coverage.md"))
    {
        let lines = fs::read_to_string(chapter)
            .expect("a chapter")
            .lines()
            .count();
        assert!(lines <= 300, "{} has {lines} lines", chapter.display());
    }
}

/// Links `](path)` of a Markdown text that point into the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
        .map(|link| link.split('#').next().unwrap_or(link))
        .filter(|link| !link.is_empty() && !link.contains("://"))
}

#[test]
fn paths_named_in_documents_exist() {
    for document in files(&root(), "md") {
        let text = fs::read_to_string(&document).expect("a document");
        let folder = document.parent().expect("a folder");
        for link in links(&text) {
            assert!(
                folder.join(link).exists(),
                "{} links to {link}",
                document.display()
            );
        }
    }
}

#[test]
fn the_code_map_names_what_there_is() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let map = text
        .split("## Code map")
        .nth(1)
        .expect("a code map")
        .split("\n## ")
        .next()
        .expect("its text");
    let paths: Vec<_> = map
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|path| path.contains('/'))
        .collect();
    assert!(paths.len() > 10, "the code map names {paths:?}");
    for path in paths {
        assert!(root().join(path).exists(), "the code map names {path}");
    }
}

/// Whether an SPDX expression offers terms that go with ours.
fn goes_with_ours(expression: &str) -> bool {
    const ALLOWED: [&str; 13] = [
        "MIT",
        "MIT-0",
        "Apache-2.0",
        "LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "ISC",
        "MPL-2.0",
        "MPL-2.0+",
        "Unicode-3.0",
        "Unlicense",
        "Zlib",
    ];
    let allowed = |part: &str| {
        part.split([' ', '(', ')', '/'])
            .filter(|word| !["", "AND", "OR", "WITH"].contains(word))
            .all(|word| ALLOWED.contains(&word))
    };
    allowed(expression) || expression.split(" OR ").any(allowed)
}

#[test]
fn dependencies_come_from_the_registry_with_licences_that_go_with_ours() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(
        packages.len() > 50,
        "cargo names {} packages",
        packages.len()
    );
    for package in packages {
        let (name, licence) = (
            &package["name"],
            package["license"].as_str().unwrap_or("none named"),
        );
        assert!(goes_with_ours(licence), "{name} is licensed {licence}");
        let source = package["source"].as_str().unwrap_or("path");
        assert!(
            source == "path" || source.starts_with("registry+"),
            "{name} comes from {source}"
        );
    }
}

#[test]
fn licences_are_judged_by_their_terms() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "LGPL-2.1-or-later OR MIT",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(goes_with_ours(good), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "none named",
        "MIT AND GPL-3.0",
        "AGPL-3.0 OR GPL-3.0",
    ] {
        assert!(!goes_with_ours(bad), "{bad}");
    }
}
