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
        for (index, (epoch, hello, welcome)) in sessions.iter().enumerate() {
            for (earlier, _, told) in &sessions[..index] {
                let between = restores
                    .iter()
                    .any(|(begun, done)| told < begun && done < hello);
                let amid = restores
                    .iter()
                    .any(|(begun, done)| told < done && begun < welcome);
                if between {
                    let actual = || (*epoch).to_owned();
                    findings.must(
                        "MODEL-EPOCH-NEW",
                        epoch != earlier,
                        [*told, *welcome],
                        || "a new epoch after the restore".to_owned(),
                        actual,
                    );
                } else if !amid && told < hello {
                    let actual = || (*epoch).to_owned();
                    findings.must(
                        "MODEL-EPOCH-KEPT",
                        epoch == earlier,
                        [*told, *welcome],
                        || format!("the epoch {earlier}"),
                        actual,
                    );
                }
            }
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
