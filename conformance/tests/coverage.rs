//! Every requirement that binds servers is checked by something, or stands in `unjudged.toml` with a reason; and neither names what is not there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use syncline_conformance::requirements::{self, Binds, Level};
use syncline_conformance::{checkers, scenario, unjudged};

fn servers() -> BTreeSet<String> {
    let bind = requirements::ALL
        .iter()
        .filter(|requirement| requirement.binds == Binds::Server);
    bind.map(|requirement| requirement.id.clone()).collect()
}

fn checked() -> BTreeSet<String> {
    let scenarios = scenario::embedded().unwrap_or_else(|errors| panic!("{errors:?}"));
    let by_checkers = checkers::ALL
        .iter()
        .flat_map(|checker| checker.requirements)
        .map(|id| (*id).to_owned());
    scenarios
        .into_iter()
        .flat_map(|scenario| scenario.checks)
        .chain(by_checkers)
        .collect()
}

#[test]
fn every_requirement_is_checked_or_has_a_reason() {
    let checked = checked();
    // What a server MAY do cannot be broken by not doing it.
    let may = |id: &String| {
        requirements::find(id).is_some_and(|requirement| requirement.level == Level::May)
    };
    let servers = servers();
    let owed = servers.iter().filter(|id| !may(id));
    let forgotten: Vec<_> = owed
        .filter(|id| !checked.contains(*id) && unjudged::reason(id).is_none())
        .collect();
    assert!(
        forgotten.is_empty(),
        "nothing checks {forgotten:?}, and unjudged.toml does not say why"
    );
}

#[test]
fn every_id_that_is_named_is_a_requirement_of_servers() {
    let servers = servers();
    let named: BTreeSet<String> = checked()
        .into_iter()
        .chain(unjudged::REASONS.keys().cloned())
        .collect();
    let unknown: Vec<_> = named.difference(&servers).collect();
    assert!(
        unknown.is_empty(),
        "{unknown:?}: no such requirement binds servers"
    );
}

#[test]
fn nothing_that_is_unjudged_is_checked_after_all() {
    let checked = checked();
    let both: Vec<_> = unjudged::REASONS
        .keys()
        .filter(|id| checked.contains(*id))
        .collect();
    assert!(
        both.is_empty(),
        "{both:?} are checked: take them out of unjudged.toml"
    );
}
