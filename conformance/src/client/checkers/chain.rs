//! The chain of a client's mutations, connection by connection: numbers without holes, in order, each once, behind the right one, within the window.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts, Said, mutations, op_ids};
use crate::client::world::is_outcome;
use crate::history::{Frame, whole};

pub(super) const CHECKER: Checker = Checker {
    name: "chain",
    requirements: &[
        "CLIENT-SEQ",
        "CLIENT-ORDER",
        "CLIENT-FOLLOWS",
        "CLIENT-WINDOW",
        "CLIENT-ACK",
    ],
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let names = op_ids(facts);
    for conn in &facts.conns {
        let Some((_, welcome)) = conn.welcome else {
            continue;
        };
        let mut chain = Chain::new(whole(&welcome["lastSeq"]).unwrap_or(0));
        for said in &conn.frames {
            if !said.by_client {
                chain.told(said.frame);
            } else {
                chain.frames += 1;
                if said.frame.kind() == "push" {
                    chain.pushed(conn, said, findings);
                    follows(&names, conn, said, findings);
                }
            }
        }
    }
}

/// What is under way on a connection.
struct Chain {
    /// The client's frames so far.
    frames: u64,
    /// The highest `seq` decided, as far as was told in the welcome.
    welcomed: u64,
    /// The highest `seq` decided, as far as was told here.
    decided: u64,
    /// The highest `seq` sent here.
    sent: u64,
    /// Those sent here; of those that were refused, how many frames had come then: they may be sent again.
    refused: BTreeMap<u64, Option<u64>>,
    /// The pushes that were not answered, with their mutations.
    unanswered: BTreeMap<u64, Vec<u64>>,
}

impl Chain {
    fn new(last_seq: u64) -> Chain {
        Chain {
            frames: 0,
            welcomed: last_seq,
            decided: last_seq,
            sent: last_seq,
            refused: BTreeMap::new(),
            unanswered: BTreeMap::new(),
        }
    }

    /// An answer frees what it refuses to be sent again.
    fn told(&mut self, frame: &Frame) {
        let results = frame
            .member("results")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        if frame.kind() == "ack" {
            let outcomes = results.iter().filter(|result| is_outcome(result));
            let last = outcomes.filter_map(|outcome| whole(&outcome["seq"])).max();
            self.decided = self.decided.max(last.unwrap_or(0));
        }
        let Some(seqs) = frame
            .number("re")
            .and_then(|re| self.unanswered.remove(&re))
        else {
            return;
        };
        let decided = results.iter().filter(|result| is_outcome(result)).count();
        for seq in seqs.into_iter().skip(decided) {
            self.refused.insert(seq, Some(self.frames));
        }
    }

    fn pushed(&mut self, conn: &Conn<'_>, said: &Said<'_>, findings: &mut Findings) {
        let seqs: Vec<u64> = mutations(said.frame).map(|(seq, _)| seq).collect();
        self.in_order(&seqs, said, findings);
        for seq in &seqs {
            self.refused.insert(*seq, None);
        }
        self.sent = self.sent.max(seqs.iter().copied().max().unwrap_or(0));
        self.unanswered.insert(self.frames, seqs);
        if let Some(window) = conn.limit("inFlightMax") {
            let undecided = self.sent.saturating_sub(self.decided);
            let expected = || format!("at most {window} undecided mutations sent");
            let actual = || {
                format!(
                    "{undecided}: {} was sent, {} is the last that was decided",
                    self.sent, self.decided
                )
            };
            findings.must(
                "CLIENT-WINDOW",
                undecided <= window,
                [said.at],
                expected,
                actual,
            );
        }
    }

    /// Each mutation is the next one, or one that may be sent again.
    fn in_order(&self, seqs: &[u64], said: &Said<'_>, findings: &mut Findings) {
        let consecutive = seqs.windows(2).all(|pair| pair[1] == pair[0] + 1);
        findings.must(
            "CLIENT-SEQ",
            consecutive,
            [said.at],
            || "numbers without holes".to_owned(),
            || format!("{seqs:?}"),
        );
        let Some(first) = seqs.first().copied() else {
            return;
        };
        // What was decided meanwhile, and told, need not be sent any more.
        let next = self.sent.max(self.decided) + 1;
        let hole = || format!("{first}, where {next} is the next");
        findings.must(
            "CLIENT-SEQ",
            first <= next,
            [said.at],
            || format!("no hole before {first}"),
            hole,
        );
        let known = || {
            format!(
                "no mutation up to {}: welcome told their outcomes",
                self.welcomed
            )
        };
        findings.must(
            "CLIENT-ACK",
            first > self.welcomed,
            [said.at],
            known,
            || format!("{first} is sent again"),
        );
        let again = seqs
            .iter()
            .filter_map(|seq| Some((*seq, *self.refused.get(seq)?)));
        let again: Vec<(u64, Option<u64>)> = again.collect();
        findings.judged("CLIENT-ORDER");
        for (seq, refused) in again {
            let expected = || {
                "each mutation once on a connection, unless it was deferred or refused".to_owned()
            };
            let actual = || format!("{seq} is sent again");
            findings.must(
                "CLIENT-ORDER",
                refused.is_some(),
                [said.at],
                expected,
                actual,
            );
            let before = refused.unwrap_or(0);
            let waiting: Vec<_> = self
                .unanswered
                .range(..=before)
                .map(|(frame, _)| frame)
                .collect();
            let expected = || {
                "nothing sent again before all pushes that were under way are answered".to_owned()
            };
            let actual =
                || format!("{seq} is sent again, and the frames {waiting:?} are not answered");
            findings.must(
                "CLIENT-ORDER",
                waiting.is_empty(),
                [said.at],
                expected,
                actual,
            );
        }
    }
}

/// A push names the mutation before its first.
fn follows(
    names: &BTreeMap<(&str, u64), &str>,
    conn: &Conn<'_>,
    said: &Said<'_>,
    findings: &mut Findings,
) {
    let Some((first, _)) = mutations(said.frame).next() else {
        return;
    };
    let named = said.frame.string("follows");
    let before = names.get(&(conn.client_id(), first - 1)).copied();
    // Of a mutation that was never seen here, nobody knows the name.
    if first > 1 && before.is_none() {
        return;
    }
    let expected = || format!("follows {before:?}, the mutation before {first}");
    findings.must(
        "CLIENT-FOLLOWS",
        named == before,
        [said.at],
        expected,
        || format!("{named:?}"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::{judge, opens, welcomed};

    fn push(conn: &str, follows: &str, seqs: &[u64]) -> String {
        let mutations: Vec<_> = seqs
            .iter()
            .map(|seq| format!(r#"{{"seq":{seq},"opId":"m{seq}","ops":[]}}"#))
            .collect();
        let follows = if follows.is_empty() {
            String::new()
        } else {
            format!(r#""follows":"{follows}","#)
        };
        format!(
            r#"{conn} > {{"type":"push","epoch":"e",{follows}"mutations":[{}]}}"#,
            mutations.join(",")
        )
    }

    fn ack(re: u64, results: &[(u64, &str)]) -> String {
        let result = |(seq, status): &(u64, &str)| {
            format!(r#"{{"seq":{seq},"opId":"m{seq}","status":"{status}","version":1,"code":"x"}}"#)
        };
        let results: Vec<_> = results.iter().map(result).collect();
        format!(
            r#"a/s < {{"type":"ack","re":{re},"results":[{}]}}"#,
            results.join(",")
        )
    }

    #[test]
    fn chains() {
        let one = |seq| push("a/s", "", &[seq]);
        let next = |before: &str, seq| push("a/s", before, &[seq]);
        let table = [
            (vec![one(1), next("m1", 2), next("m2", 3)], ""),
            (vec![push("a/s", "", &[1, 2]), push("a/s", "m2", &[3])], ""),
            (vec![push("a/s", "", &[1, 3])], "CLIENT-SEQ"),
            (vec![one(1), next("m2", 3)], "CLIENT-SEQ"),
            (vec![one(1), next("m1", 2), next("m1", 2)], "CLIENT-ORDER"),
            (vec![one(1), ack(2, &[(1, "applied")]), next("m1", 2)], ""),
            (vec![one(1), next("", 2)], "CLIENT-FOLLOWS"),
            (vec![next("m7", 1)], "CLIENT-FOLLOWS"),
            // A deferral frees what it defers, and what was refused behind it.
            (
                vec![
                    one(1),
                    next("m1", 2),
                    ack(2, &[(1, "deferred")]),
                    ack(3, &[(2, "refused")]),
                    one(1),
                    next("m1", 2),
                ],
                "",
            ),
            (
                vec![
                    one(1),
                    next("m1", 2),
                    ack(2, &[(1, "deferred")]),
                    one(1),
                    ack(3, &[(2, "refused")]),
                ],
                "CLIENT-ORDER",
            ),
            (
                vec![
                    push("a/s", "", &[1, 2]),
                    ack(2, &[(1, "applied"), (2, "deferred")]),
                    next("m1", 2),
                ],
                "",
            ),
            (
                vec![
                    push("a/s", "", &[1, 2]),
                    ack(2, &[(1, "applied"), (2, "deferred")]),
                    push("a/s", "", &[1, 2]),
                ],
                "CLIENT-ORDER",
            ),
            // Told meanwhile, by an ack that answers nothing: it need not be sent.
            (vec![ack(99, &[(1, "applied")]), next("", 2)], ""),
        ];
        for (history, broken) in table {
            let history = [opens("a/s", "x", 0), history].concat();
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }

    #[test]
    fn connections_and_windows() {
        let limits = serde_json::json!({ "inFlightMax": 2 });
        let open = welcomed("a/s", "x", 0, limits.clone());
        let again = |last| welcomed("a/t", "x", last, limits.clone());
        let table = [
            (
                vec![
                    vec![push("a/s", "", &[1, 2])],
                    again(0),
                    vec![push("a/t", "", &[1, 2])],
                ],
                "",
            ),
            (
                vec![
                    vec![push("a/s", "", &[1, 2])],
                    again(1),
                    vec![push("a/t", "m1", &[2])],
                ],
                "",
            ),
            (
                vec![
                    vec![push("a/s", "", &[1, 2])],
                    again(1),
                    vec![push("a/t", "", &[1, 2])],
                ],
                "CLIENT-ACK",
            ),
            (
                vec![
                    vec![push("a/s", "", &[1, 2])],
                    again(0),
                    vec![push("a/t", "m1", &[2])],
                ],
                "CLIENT-SEQ",
            ),
            (vec![vec![push("a/s", "", &[1, 2, 3])]], "CLIENT-WINDOW"),
            (
                vec![vec![push("a/s", "", &[1, 2]), push("a/s", "m2", &[3])]],
                "CLIENT-WINDOW",
            ),
            (
                vec![vec![
                    push("a/s", "", &[1, 2]),
                    ack(2, &[(1, "applied"), (2, "applied")]),
                    push("a/s", "m2", &[3, 4]),
                ]],
                "",
            ),
        ];
        for (history, broken) in table {
            let history = [open.clone(), history.concat()].concat();
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }
}
