//! Generates what is made from the schemas, and fails when the committed text is stale: `cargo test` is the one
//! command, and running it again after a failure here shows the new text in place.

#![allow(unreachable_pub, reason = "a test's modules have no outside")]

mod catalog;
mod node;
mod reference;
mod refusals;
mod rust;
mod schema;
mod types;
mod unions;

use std::fs;
use std::path::Path;

use catalog::Catalog;

/// The file must hold exactly this text; if it does not, writes it there.
fn check(path: &Path, text: &str) -> Result<(), String> {
    if fs::read_to_string(path).is_ok_and(|committed| committed == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Err(format!(
        "{} was stale and has been written anew: look at it, commit it, run again",
        path.display()
    ))
}

#[test]
fn generated_code_is_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    let stale: Vec<String> = rust::files(&Catalog::load())
        .iter()
        .filter_map(|(name, text)| check(&folder.join(name), text).err())
        .collect();
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

#[test]
fn reference_page_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/v1/reference.md");
    let text = reference::page(&Catalog::load());
    check(&page, &text).unwrap_or_else(|stale| panic!("{stale}"));
}
