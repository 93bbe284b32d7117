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
                let seen = by_name.entry(name).or_insert_with(|| {
                    Seen::first(
                        place,
                        push.frame.string("epoch").unwrap_or_default(),
                        mutation,
                    )
                });
                seen.again(
                    place,
                    push.frame.string("epoch").unwrap_or_default(),
                    mutation,
                    push.at,
                    findings,
                );
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
        findings.must("SEC-RANDOM", capacity(id) >= 122, [], expected, || {
            id.to_owned()
        });
    }
}

/// A mutation, as it was sent before.
struct Seen<'a> {
    place: (&'a str, u64),
    epoch: &'a str,
    ops: &'a Value,
}

impl<'a> Seen<'a> {
    fn first(place: (&'a str, u64), epoch: &'a str, mutation: &'a Value) -> Seen<'a> {
        let ops = &mutation["ops"];
        Seen { place, epoch, ops }
    }

    fn again(
        &mut self,
        place: (&str, u64),
        epoch: &str,
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
            // A version of another history may be left out (CFL-CLIENT-BASE).
            let same = equal(self.ops, ops)
                || self.epoch != epoch && equal(&without_base(self.ops), &without_base(ops));
            findings.must("CLIENT-IMMUTABLE", same, [at], expected, || ops.to_string());
        }
    }
}

/// The ops, as if their writer had seen nothing.
fn without_base(ops: &Value) -> Value {
    let mut ops = ops.clone();
    for op in ops.as_array_mut().into_iter().flatten() {
        if let Some(op) = op.as_object_mut() {
            op.remove("base");
        }
    }
    ops
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
fn capacity(name: &str) -> usize {
    let digits = name.bytes().filter(|c| *c != b'-');
    if digits.clone().all(|c| c.is_ascii_hexdigit()) {
        digits.count() * 4
    } else {
        name.len() * 6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::{judge, opens};

    #[test]
    fn entries_are_what_they_were() {
        let push = |seq: u64, op_id: &str, ops: &str| {
            format!(
                r#"a/s > {{"type":"push","epoch":"e","mutations":[{{"seq":{seq},"opId":"{op_id}","ops":{ops},"ageMs":1}}]}}"#
            )
        };
        let based = |epoch: &str, base: &str| {
            let ops = format!(r#"[{{"op":"set","table":"t","key":"k","value":1{base}}}]"#);
            push(1, "m", &ops).replace(r#""epoch":"e""#, &format!(r#""epoch":"{epoch}""#))
        };
        let table = [
            (vec![based("e", r#","base":3"#), based("f", "")], ""),
            (
                vec![based("e", r#","base":3"#), based("e", "")],
                "CLIENT-IMMUTABLE",
            ),
            (
                vec![
                    push(1, "m", "[1]"),
                    push(1, "m", "[1.0]"),
                    push(2, "n", "[1]"),
                ],
                "",
            ),
            (
                vec![push(1, "m", "[1]"), push(1, "m", "[2]")],
                "CLIENT-IMMUTABLE",
            ),
            (
                vec![push(1, "m", "[1]"), push(1, "n", "[1]")],
                "CLIENT-IMMUTABLE",
            ),
            (
                vec![push(1, "m", "[1]"), push(2, "m", "[1]")],
                "CLIENT-OP-ID",
            ),
            (
                vec![push(1, "m", "[1]"), push(1, "m", "[]"), push(1, "m", "[]")],
                "",
            ),
            (
                vec![push(1, "m", "[1]"), push(1, "m", "[]"), push(1, "m", "[1]")],
                "CLIENT-GIVE-UP",
            ),
        ];
        for (history, broken) in table {
            let open = opens("a/s", "0123456789abcdef0123456789abcdef", 0);
            let history = [open, history].concat();
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }

    #[test]
    fn names_are_random() {
        let verdict = |name: &dyn Fn(u128) -> String| {
            let mut findings = Findings::default();
            let names: Vec<_> = (0..64).map(name).collect();
            random(names.iter().map(String::as_str), &mut findings);
            findings.violations.is_empty()
        };
        // The digits of a large multiple vary like random ones.
        let mixed = |i: u128| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        assert!(verdict(&|i| format!("{:032x}", mixed(i))));
        assert!(verdict(&|i| {
            let hex = format!("{:032x}", mixed(i));
            format!(
                "{}-{}-4{}-a{}-{}",
                &hex[..8],
                &hex[8..12],
                &hex[13..16],
                &hex[17..20],
                &hex[20..]
            )
        }));
        assert!(!verdict(&|i| format!("{i:032x}")), "a counter");
        assert!(
            !verdict(&|i| format!("0199{i:08x}{:020x}", mixed(i) >> 48)),
            "a moment and 80 bits"
        );
        assert!(capacity("0123456789abcdef0123456789abcdef") >= 122);
        assert!(capacity("01234567-89ab-cdef-0123-456789abcdef") >= 122);
        assert!(capacity("V1StGXR8_Z5jdHi6B-myT") >= 122);
        assert!(capacity("client-17") < 122);
    }
}
