//! Epochs: kept while a history goes on, new when it does not, and no two workspaces' the same.

use std::collections::BTreeMap;

use super::{Checker, Findings};
use crate::facts::{Conn, Facts};
use crate::scenario::Hook;

pub(super) const CHECKER: Checker = Checker {
    name: "epochs",
    requirements: &["MODEL-EPOCH-KEPT", "MODEL-EPOCH-NEW", "MODEL-EPOCH-RANDOM"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let mut sessions: BTreeMap<&str, Vec<(&str, usize, usize)>> = BTreeMap::new();
    for conn in &facts.conns {
        if let Some((epoch, hello, welcome)) = session(conn) {
            sessions
                .entry(conn.workspace())
                .or_default()
                .push((epoch, hello, welcome));
        }
    }
    apart(&sessions, findings);
    let restores: Vec<(usize, usize)> = facts
        .hooks
        .iter()
        .filter(|(hook, _, _)| *hook == Hook::Restore)
        .map(|(_, begun, done)| (*begun, *done))
        .collect();
    for sessions in sessions.values_mut() {
        // One that was opened first may be welcomed last.
        sessions.sort_unstable_by_key(|(_, _, welcome)| *welcome);
        let mut earlier: BTreeMap<_, Earlier<'_>> = BTreeMap::new();
        for (epoch, hello, welcome) in sessions.iter() {
            for earlier in earlier.values() {
                earlier.check(&restores, (epoch, *hello, *welcome), findings);
            }
            let before = |restore: &&(usize, usize)| restore.0 <= *welcome;
            let after = |restore: &&(usize, usize)| restore.1 <= *hello;
            let place = (
                restores.iter().filter(before).count(),
                restores.iter().filter(after).count(),
            );
            let same = earlier.entry(place).or_default();
            same.hello = *hello;
            same.add(epoch, *welcome);
        }
    }
}

/// The sessions that were welcomed before the same restores began, and asked for after the same ended: to a later one they are all alike but for
/// their epochs.
#[derive(Default)]
struct Earlier<'a> {
    /// The `hello` of one of them.
    hello: usize,
    /// When each epoch was told first.
    epochs: BTreeMap<&'a str, usize>,
    /// The epoch that was told first, and the first other.
    first: Option<(usize, &'a str)>,
    other: Option<(usize, &'a str)>,
}

impl<'a> Earlier<'a> {
    fn add(&mut self, epoch: &'a str, told: usize) {
        let first = self.epochs.entry(epoch).or_insert(told);
        *first = told.min(*first);
        let mut firsts: Vec<_> = [self.first, self.other, Some((told, epoch))]
            .into_iter()
            .flatten()
            .collect();
        firsts.sort_unstable();
        self.first = firsts.first().copied();
        self.other = { firsts.into_iter() }.find(|(_, epoch)| Some(*epoch) != self.first_epoch());
    }

    fn first_epoch(&self) -> Option<&'a str> {
        self.first.map(|(_, epoch)| epoch)
    }

    fn check(
        &self,
        restores: &[(usize, usize)],
        (epoch, hello, welcome): (&str, usize, usize),
        findings: &mut Findings,
    ) {
        let Some((told, earlier)) = self.first else {
            return;
        };
        let mut restores = restores.iter();
        let between = { restores.clone() }.any(|(begun, done)| told < *begun && *done < hello);
        // Which epoch such a session is told, that of before or that of after, nobody knows.
        let amid = restores.any(|(begun, done)| self.hello < *done && *begun < welcome);
        if between {
            let same = self.epochs.get(epoch);
            findings.must(
                "MODEL-EPOCH-NEW",
                same.is_none(),
                [*same.unwrap_or(&told), welcome],
                || "a new epoch after the restore".to_owned(),
                || epoch.to_owned(),
            );
        } else if !amid && told < hello {
            let other = if epoch == earlier {
                self.other
            } else {
                self.first
            };
            let other = other.filter(|(told, _)| *told < hello);
            let (told, earlier) = other.unwrap_or((told, earlier));
            findings.must(
                "MODEL-EPOCH-KEPT",
                other.is_none(),
                [told, welcome],
                || format!("the epoch {earlier}"),
                || epoch.to_owned(),
            );
        }
    }
}

/// Epochs are random: two workspaces never have the same.
fn apart(sessions: &BTreeMap<&str, Vec<(&str, usize, usize)>>, findings: &mut Findings) {
    let mut owners: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for (workspace, sessions) in sessions {
        for (epoch, _, welcome) in sessions {
            let (owner, told) = *owners.entry(epoch).or_insert((workspace, *welcome));
            if owner != *workspace {
                let expected = format!("an epoch that {owner:?} does not have");
                findings.broken("MODEL-EPOCH-RANDOM", [told, *welcome], expected, *epoch);
            }
        }
    }
    if sessions.len() > 1 {
        findings.judged("MODEL-EPOCH-RANDOM");
    }
}

fn session(conn: &Conn) -> Option<(&str, usize, usize)> {
    Some((
        conn.epoch.as_deref()?,
        conn.hello.as_ref()?.at,
        conn.welcome.as_ref()?.0,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_epochs() {
        let session = |name: &str, epoch: &str| halves(name, epoch).concat();
        let (first, same, other) = (session("a", "e"), session("b", "e"), session("b", "f"));
        let elsewhere = |epoch: &str| {
            session("c", epoch).replace("hello", r#"{"type":"hello","workspace":"v"}"#)
        };
        let third = |epoch: &str| session("c", epoch);
        let restored = format!("{first}hook restore\n{other}");
        let twice = |epoch: &str| format!("{restored}hook restore\n{}", third(epoch));
        // B may have been answered before the restore, also if its welcome comes after it.
        let amid = |epoch: &str, rest: &str| {
            let [hello, welcome] = halves("b", epoch);
            format!("{first}{hello}hook restore\n{welcome}{rest}")
        };
        // One is asked for before the other is told: neither is held against the other.
        let at_once =
            |[hello, welcome]: [String; 2], other: &str| format!("{hello}{other}{welcome}");
        let both = at_once(halves("b", "f"), &first);
        table(
            &CHECKER,
            &[
                ("MODEL-EPOCH-KEPT", &format!("{first}hook kill\n{same}")),
                ("MODEL-EPOCH-NEW", &format!("{first}hook restore\n{other}")),
                ("MODEL-EPOCH-RANDOM", &format!("{first}{}", elsewhere("f"))),
                ("MODEL-EPOCH-NEW", &twice("g")),
                ("MODEL-EPOCH-KEPT", &format!("{restored}{}", third("f"))),
                ("", &amid("e", "")),
                ("", &amid("f", "")),
                (
                    "MODEL-EPOCH-NEW MODEL-EPOCH-KEPT",
                    &amid("e", &(third("f") + &session("d", "f"))),
                ),
                ("MODEL-EPOCH-NEW", &amid("f", &third("f"))),
            ],
            &[
                ("MODEL-EPOCH-KEPT", &format!("{first}hook kill\n{other}")),
                ("MODEL-EPOCH-KEPT", &format!("{first}{other}")),
                ("MODEL-EPOCH-NEW", &format!("{first}hook restore\n{same}")),
                ("MODEL-EPOCH-RANDOM", &format!("{first}{}", elsewhere("e"))),
                ("MODEL-EPOCH-KEPT", &format!("{first}{same}{}", third("f"))),
                // Only the first was told before it was asked for.
                (
                    "MODEL-EPOCH-KEPT",
                    &format!("{first}{}", at_once(halves("c", "f"), &same)),
                ),
                // Of two that were told at once each has a say.
                ("MODEL-EPOCH-KEPT", &format!("{both}{}", third("e"))),
                ("MODEL-EPOCH-KEPT", &format!("{both}{}", third("f"))),
                (
                    "MODEL-EPOCH-NEW",
                    &format!("{both}hook restore\n{}", third("f")),
                ),
                ("MODEL-EPOCH-KEPT", &format!("{restored}{}", third("g"))),
                // Opened first, welcomed last.
                ("MODEL-EPOCH-KEPT", &format!("a open\n{other}{first}")),
                // The epoch that it had before the second restore, and that before the first.
                ("MODEL-EPOCH-NEW", &twice("f")),
                ("MODEL-EPOCH-NEW", &twice("e")),
                ("MODEL-EPOCH-NEW", &amid("f", &third("e"))),
            ],
        );
    }

    /// What opens a session, and what answers it.
    fn halves(name: &str, epoch: &str) -> [String; 2] {
        let welcome = format!(r#"{{"type":"welcome","epoch":"{epoch}","version":0}}"#);
        [format!("{name} > hello\n"), format!("{name} < {welcome}\n")]
    }

    #[test]
    fn within_a_restore_either_epoch_is_right() {
        // B opens while the restore goes on, which has begun before.
        let broken = |of_b: &str, of_c: &str| {
            let session = |name: &str, epoch: &str| halves(name, epoch).concat();
            let (a, b, c) = (session("a", "e"), session("b", of_b), session("c", of_c));
            let mut facts = super::super::notation::facts(&format!("{a}{b}hook restore\n{c}"));
            facts.hooks[0].1 = facts.conns[1].opened_at;
            let mut findings = Findings::default();
            check(&facts, &mut findings);
            let broken = findings.violations.into_iter();
            broken.map(|broken| broken.requirement).collect::<Vec<_>>()
        };
        for of_b in ["e", "f"] {
            assert!(broken(of_b, "f").is_empty(), "{of_b}");
            assert_eq!(broken(of_b, "e"), ["MODEL-EPOCH-NEW"], "{of_b}");
        }
    }
}
