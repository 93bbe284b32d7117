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
    for sessions in sessions.values() {
        let mut earlier: BTreeMap<_, Earlier<'_>> = BTreeMap::new();
        for (epoch, hello, welcome) in sessions {
            for earlier in earlier.values() {
                earlier.check(&restores, (epoch, *hello, *welcome), findings);
            }
            let place = |at: &usize| {
                let before = |restore: &&(usize, usize)| restore.0 <= *at;
                let after = |restore: &&(usize, usize)| restore.1 <= *at;
                let count = restores.iter();
                (
                    count.clone().filter(before).count(),
                    count.filter(after).count(),
                )
            };
            let same = earlier.entry(place(welcome)).or_default();
            same.add(epoch, *welcome);
        }
    }
}

/// The sessions that were welcomed between the same begins and ends of restores: to a later one they are all alike but for their epochs.
#[derive(Default)]
struct Earlier<'a> {
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
        let amid = restores.any(|(begun, done)| told < *done && *begun < welcome);
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
        let session = |name: &str, epoch: &str| {
            format!(
                "{name} > hello\n{name} < {{\"type\":\"welcome\",\"epoch\":\"{epoch}\",\"version\":0}}\n"
            )
        };
        let (first, same, other) = (session("a", "e"), session("b", "e"), session("b", "f"));
        let elsewhere = |epoch: &str| {
            session("c", epoch).replace("hello", r#"{"type":"hello","workspace":"v"}"#)
        };
        table(
            &CHECKER,
            &[
                ("MODEL-EPOCH-KEPT", &format!("{first}hook kill\n{same}")),
                ("MODEL-EPOCH-NEW", &format!("{first}hook restore\n{other}")),
                ("MODEL-EPOCH-RANDOM", &format!("{first}{}", elsewhere("f"))),
            ],
            &[
                ("MODEL-EPOCH-KEPT", &format!("{first}hook kill\n{other}")),
                ("MODEL-EPOCH-KEPT", &format!("{first}{other}")),
                ("MODEL-EPOCH-NEW", &format!("{first}hook restore\n{same}")),
                ("MODEL-EPOCH-RANDOM", &format!("{first}{}", elsewhere("e"))),
            ],
        );
    }
}
