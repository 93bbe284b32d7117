//! The entries of outboxes: what was sent once never changes, wherever and under whatever number it is sent again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Facts, mutations};
use crate::matcher::equal;

pub(super) const CHECKER: Checker = Checker {
    name: "entries",
    requirements: &[
        "CLIENT-IMMUTABLE",
        "CLIENT-GIVE-UP",
        "CLIENT-OP-ID",
        "SEC-RANDOM",
    ],
    check,
};

/// So many names are needed to see how random they are.
const NAMES: usize = 48;

/// Names of 122 random bits show so many at least, counted from so few of them.
const BITS: f64 = 100.0;

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut by_seq: BTreeMap<(&str, u64), &Value> = BTreeMap::new();
    let mut by_name: BTreeMap<&str, Seen<'_>> = BTreeMap::new();
    for conn in &facts.conns {
        for push in conn.pushes() {
            for (seq, mutation) in mutations(push.frame) {
                let place = (conn.client_id(), seq);
                let name = mutation["opId"].as_str().unwrap_or_default();
                let same = *by_seq.entry(place).or_insert(&mutation["opId"]) == &mutation["opId"];
                let expected = || format!("seq {seq} keeps its opId {}", by_seq[&place]);
                findings.must("CLIENT-IMMUTABLE", same, [push.at], expected, || {
                    name.to_owned()
                });
                let seen = by_name
                    .entry(name)
                    .or_insert_with(|| Seen::first(place, mutation));
                seen.again(place, mutation, push.at, findings);
            }
        }
    }
    random(by_name.keys().copied(), findings);
    let ids: BTreeSet<&str> = facts
        .conns
        .iter()
        .map(|conn| conn.client_id())
        .filter(|id| !id.is_empty())
        .collect();
    for id in ids {
        let expected = || "a clientId that can hold 122 random bits".to_owned();
        findings.must("SEC-RANDOM", capacity(id) >= 122.0, [], expected, || {
            id.to_owned()
        });
    }
}

/// A mutation, as it was sent before.
struct Seen<'a> {
    place: (&'a str, u64),
    ops: &'a Value,
}

impl<'a> Seen<'a> {
    fn first(place: (&'a str, u64), mutation: &'a Value) -> Seen<'a> {
        let ops = &mutation["ops"];
        Seen { place, ops }
    }

    fn again(
        &mut self,
        place: (&str, u64),
        mutation: &'a Value,
        at: usize,
        findings: &mut Findings,
    ) {
        let (own, ops) = (self.place, &mutation["ops"]);
        let moved = own.0 == place.0 && own.1 != place.1;
        let name = || mutation["opId"].to_string();
        let expected = || format!("an opId of its own for seq {}", place.1);
        findings.must("CLIENT-OP-ID", !moved, [at], expected, || {
            format!("{} is that of seq {} too", name(), own.1)
        });
        let none = |ops: &Value| ops.as_array().is_some_and(Vec::is_empty);
        if none(self.ops) {
            let expected = || format!("{} stays given up", name());
            findings.must("CLIENT-GIVE-UP", none(ops), [at], expected, || {
                ops.to_string()
            });
        } else if none(ops) {
            self.ops = ops;
        } else {
            let expected = || format!("{} is sent with the ops {}", name(), self.ops);
            findings.must(
                "CLIENT-IMMUTABLE",
                equal(self.ops, ops),
                [at],
                expected,
                || ops.to_string(),
            );
        }
    }
}

/// Whether names vary as much as random ones.
fn random<'a>(names: impl Iterator<Item = &'a str>, findings: &mut Findings) {
    let names: Vec<&[u8]> = names.map(str::as_bytes).collect();
    if names.len() < NAMES {
        return;
    }
    let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let kinds = |at: usize| {
        names
            .iter()
            .filter_map(|name| name.get(at))
            .collect::<BTreeSet<_>>()
            .len()
    };
    #[allow(clippy::cast_precision_loss, reason = "there are 64 characters")]
    let bits: f64 = (0..longest)
        .map(|at| (kinds(at).max(1) as f64).log2())
        .sum();
    let expected = || "opIds that vary as 122 random bits do".to_owned();
    findings.must("SEC-RANDOM", bits >= BITS, [], expected, || {
        format!("{} of them vary by {bits:.0} bits", names.len())
    });
}

/// How many bits a name of this form can hold.
fn capacity(name: &str) -> f64 {
    let bits = |c: u8| match c {
        b'-' => 0.0,
        _ if name.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-') => 4.0,
        _ => 6.0,
    };
    name.bytes().map(bits).sum()
}
