//! The mutants' files: each fits the sources as they are now, and names requirements that there are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;

use syncline_conformance::mutants::{self, Side, tree};
use syncline_conformance::requirements::{self, Binds};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn every_edit_fits_the_sources() {
    let mutants = mutants::all(root()).unwrap();
    // All are told at once: a change of the sources often concerns several.
    let misfits: Vec<String> = mutants
        .iter()
        .filter_map(|mutant| tree::instrumented(root(), std::slice::from_ref(mutant)).err())
        .collect();
    assert!(misfits.is_empty(), "{}", misfits.join("\n"));
    tree::instrumented(root(), &mutants).unwrap();
}

#[test]
fn every_mutant_breaks_requirements_of_its_side() {
    for mutant in mutants::all(root()).unwrap() {
        let binds = match mutant.side {
            Side::Server => Binds::Server,
            Side::Client => Binds::Client,
        };
        assert!(
            !mutant.text.breaks.is_empty(),
            "{} breaks nothing",
            mutant.name
        );
        for id in &mutant.text.breaks {
            let requirement = requirements::find(id);
            assert!(
                requirement.is_some_and(|known| known.binds == binds),
                "{}: {id}",
                mutant.name
            );
        }
    }
}

#[test]
fn no_two_mutants_of_a_side_have_one_name() {
    let mutants = mutants::all(root()).unwrap();
    let names: BTreeSet<_> = mutants
        .iter()
        .map(|mutant| (mutant.side, &mutant.name))
        .collect();
    assert_eq!(names.len(), mutants.len());
}
