//! Ids that clients hand out: each of a block that the client was given, none twice, none of a block that it had to drop; and blocks asked for one at a time.
//!
//! What a client was told counts from when it was sent; what it had to drop, from when the client shows that it knows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts, mutations};
use crate::facts::{Ask, ask_of, given};
use crate::history::{Event, Frame, Happening};

pub(super) const CHECKER: Checker = Checker {
    name: "sequences",
    requirements: &[
        "SEQN-OWN",
        "SEQN-ONCE",
        "SEQN-EPOCH",
        "SEQN-IDENTITY",
        "SEQN-REFILL",
        "SEQN-UNOFFERED",
    ],
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let blocks = blocks(facts);
    let mut seen: BTreeMap<(&str, &str, u64), usize> = BTreeMap::new();
    for handed in handed_out(facts) {
        let place = (handed.client, handed.sequence, handed.id);
        let before = seen.insert(place, handed.told);
        let actual = || format!("{} hands out {}", handed.client, handed.id);
        findings.must(
            "SEQN-ONCE",
            before.is_none(),
            before.into_iter().chain([handed.told]),
            || "an id that it has not handed out before".to_owned(),
            actual,
        );
        from_a_block(facts, &blocks, &handed, findings);
    }
    one_at_a_time(facts, findings);
}

/// An id that a client has handed out.
struct Handed<'a> {
    client: &'a str,
    sequence: &'a str,
    id: u64,
    /// When it was asked for, and when it was told.
    asked: usize,
    told: usize,
}

fn handed_out<'a>(facts: &Facts<'a>) -> Vec<Handed<'a>> {
    let mut asked: BTreeMap<(&str, u64), (usize, &str)> = BTreeMap::new();
    let mut handed = Vec::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.event {
            Event::Asked { client, line } if line.string("do") == Some("next_id") => {
                let named = line.number("id").zip(line.string("sequence"));
                asked.extend(named.map(|(id, sequence)| ((client.as_str(), id), (at, sequence))));
            }
            Event::Told { client, line } => {
                let found = { line.number("id") }.and_then(|id| asked.remove(&(client, id)));
                let id = line.member("ok").and_then(|ok| ok["id"].as_u64());
                handed.extend(found.zip(id).map(|((asked, sequence), id)| Handed {
                    client,
                    sequence,
                    id,
                    asked,
                    told: at,
                }));
            }
            _ => {}
        }
    }
    handed
}

/// Ids that a client was given.
#[derive(Clone, Debug)]
struct Block<'a> {
    client: &'a str,
    client_id: &'a str,
    epoch: &'a str,
    sequence: &'a str,
    first: u64,
    last: u64,
    at: usize,
}

/// All blocks, in the order in which they were told; with a store that is copied, those of before are the copy's, too.
fn blocks<'a>(facts: &Facts<'a>) -> Vec<Block<'a>> {
    let ops = ops_of(facts);
    let mut blocks = Vec::new();
    for conn in &facts.conns {
        for (at, outcome) in conn.outcomes() {
            let op_id = outcome["opId"].as_str().unwrap_or_default();
            for given in given(outcome.get("ops")) {
                let op = ops
                    .get(op_id)
                    .and_then(|ops| ops.get(usize::try_from(given.at).ok()?));
                let sequence = op.and_then(ask_of).map(|(sequence, _)| sequence);
                blocks.extend(sequence.map(|sequence| Block {
                    client: conn.client,
                    client_id: conn.client_id(),
                    epoch: epoch_of(conn),
                    sequence,
                    first: given.first,
                    last: given.first + given.count.saturating_sub(1),
                    at,
                }));
            }
        }
    }
    for (at, entry) in facts.entries.iter().enumerate() {
        if let Event::Process {
            client,
            what: Happening::Copied(to),
        } = &entry.event
        {
            let own = blocks
                .iter()
                .filter(|block| block.client == client && block.at < at);
            let copied = own.map(|block| Block {
                client: to.as_str(),
                ..block.clone()
            });
            blocks.extend(copied.collect::<Vec<_>>());
        }
    }
    blocks
}

fn epoch_of<'a>(conn: &Conn<'a>) -> &'a str {
    let welcome = conn.welcome.map(|(_, welcome)| welcome);
    welcome
        .and_then(|welcome| welcome["epoch"].as_str())
        .unwrap_or_default()
}

/// The ops of every mutation that was sent, by `opId`.
fn ops_of<'a>(facts: &Facts<'a>) -> BTreeMap<&'a str, &'a Vec<Value>> {
    let pushes = facts.conns.iter().flat_map(Conn::pushes);
    let sent = pushes.flat_map(|push| mutations(push.frame));
    sent.filter_map(|(_, mutation)| {
        let ops = mutation["ops"].as_array().filter(|ops| !ops.is_empty())?;
        Some((mutation["opId"].as_str()?, ops))
    })
    .collect()
}

/// The id is of a block that the client had been told, and that it still had when it was asked.
fn from_a_block(
    facts: &Facts<'_>,
    blocks: &[Block<'_>],
    handed: &Handed<'_>,
    findings: &mut Findings,
) {
    let holds = |block: &&Block<'_>| {
        let own = block.client == handed.client && block.sequence == handed.sequence;
        own && block.at < handed.told && (block.first..=block.last).contains(&handed.id)
    };
    let own: Vec<&Block<'_>> = blocks.iter().filter(holds).collect();
    let actual = || format!("{} hands out {}", handed.client, handed.id);
    let expected = || "an id that was allocated to it".to_owned();
    findings.must("SEQN-OWN", !own.is_empty(), [handed.told], expected, actual);
    let Some(newest) = own.last() else { return };
    let (id, epoch) = stands(facts, handed);
    if let Some((epoch, at)) = epoch {
        findings.must(
            "SEQN-EPOCH",
            own.iter()
                .any(|block| block.epoch == epoch || block.at > at),
            [newest.at, at, handed.told],
            || format!("an id that was allocated in the epoch {epoch}"),
            actual,
        );
    }
    if let Some((id, at)) = id {
        findings.must(
            "SEQN-IDENTITY",
            own.iter()
                .any(|block| block.client_id == id || block.at > at),
            [newest.at, at, handed.told],
            || format!("an id that was allocated to the clientId {id}"),
            actual,
        );
    }
}

/// What a client knows, and since when.
type Since<'a> = Option<(&'a str, usize)>;

/// Under which `clientId`, and in which epoch, a client surely stood when it was asked: what it has said last, or said something after.
fn stands<'a>(facts: &Facts<'a>, handed: &Handed<'_>) -> (Since<'a>, Since<'a>) {
    let own = facts
        .conns
        .iter()
        .filter(|conn| conn.client == handed.client);
    let before = |at: &usize| *at < handed.asked;
    let (mut id, mut epoch) = (None, None);
    for conn in own {
        let hello = conn.sent().next().map(|said| said.at).filter(before);
        id = hello.map(|at| (conn.client_id(), at)).or(id);
        let Some((welcomed, _)) = conn.welcome else {
            continue;
        };
        let known = conn.sent().map(|said| said.at).find(|at| *at > welcomed);
        epoch = { known.filter(before) }
            .map(|at| (epoch_of(conn), at))
            .or(epoch);
    }
    (id, epoch)
}

/// While an `allocate` of the client's own doing is undecided, it asks for no other of the sequence; and never, if nobody has offered it any.
fn one_at_a_time(facts: &Facts<'_>, findings: &mut Findings) {
    let written = written(facts);
    let mut decided: BTreeSet<&str> = BTreeSet::new();
    let mut open: BTreeMap<(&str, &str), Vec<(&str, usize)>> = BTreeMap::new();
    let mut offered: BTreeSet<&str> = BTreeSet::new();
    for (at, conn, frame, by_client) in frames(facts) {
        if !by_client {
            let results = frame.member("results").and_then(Value::as_array);
            let told = results.into_iter().flatten();
            decided.extend(told.filter_map(|result| result["opId"].as_str()));
            if offers(frame) {
                offered.insert(conn.client);
            }
            continue;
        }
        for (op_id, sequence) in asked_in(frame).filter(|(op_id, _)| !written.contains(op_id)) {
            let expected = || "nothing asked for where nobody offers it".to_owned();
            let actual = || format!("{op_id} asks for ids of {sequence:?}");
            let met = offered.contains(conn.client);
            findings.must("SEQN-UNOFFERED", met, [at], expected, actual);
            let others = open.entry((conn.client, sequence)).or_default();
            others.retain(|(other, _)| !decided.contains(other));
            let other = others.iter().find(|(other, _)| *other != op_id);
            findings.must(
                "SEQN-REFILL",
                other.is_none(),
                other.iter().map(|(_, at)| *at).chain([at]),
                || "one allocate of a sequence at a time".to_owned(),
                actual,
            );
            others.push((op_id, at));
        }
    }
}

/// All frames of all connections, in order.
fn frames<'f, 'a>(
    facts: &'f Facts<'a>,
) -> impl Iterator<Item = (usize, &'f Conn<'a>, &'a Frame, bool)> {
    let mut all: Vec<_> = { facts.conns.iter() }
        .flat_map(|conn| conn.frames.iter().map(move |said| (said, conn)))
        .collect();
    all.sort_by_key(|(said, _)| said.at);
    all.into_iter()
        .map(|(said, conn)| (said.at, conn, said.frame, said.by_client))
}

fn offers(frame: &Frame) -> bool {
    let offered = frame.member("capabilities").and_then(Value::as_array);
    frame.kind() == "welcome" && offered.is_some_and(|all| all.contains(&"sequences".into()))
}

/// The mutations of a push that ask for ids, each with a sequence.
fn asked_in(push: &Frame) -> impl Iterator<Item = (&str, &str)> {
    mutations(push).flat_map(|(_, mutation)| {
        let op_id = mutation["opId"].as_str().unwrap_or_default();
        let ops = mutation["ops"].as_array().into_iter().flatten();
        ops.filter_map(move |op| match ask_of(op)? {
            (sequence, Ask::Allocate(_)) => Some((op_id, sequence)),
            _ => None,
        })
    })
}

/// The mutations that the app has written.
fn written<'a>(facts: &Facts<'a>) -> BTreeSet<&'a str> {
    let told = facts.entries.iter().filter_map(|entry| match &entry.event {
        Event::Told { line, .. } => line.member("ok")?["opId"].as_str(),
        _ => None,
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::judge;

    /// A session of this `clientId` in this epoch, of a server that offers sequences or not.
    fn session(conn: &str, id: &str, epoch: &str, offered: bool) -> Vec<String> {
        let capabilities = if offered { r#"["sequences"]"# } else { "[]" };
        vec![
            format!(r#"{conn} > {{"type":"hello","workspace":"w","clientId":"{id}"}}"#),
            format!(
                r#"{conn} < {{"type":"welcome","epoch":"{epoch}","lastSeq":0,"results":[],"capabilities":{capabilities}}}"#
            ),
        ]
    }

    fn asks(conn: &str, op_id: &str) -> Vec<String> {
        vec![format!(
            r#"{conn} > {{"type":"push","mutations":[{{"seq":1,"opId":"{op_id}","ops":[{{"op":"allocate","sequence":"s","count":5}}]}}]}}"#
        )]
    }

    fn gives(conn: &str, op_id: &str, first: u64) -> Vec<String> {
        vec![format!(
            r#"{conn} < {{"type":"ack","results":[{{"status":"applied","seq":1,"opId":"{op_id}","version":1,"ops":[{{"result":"allocated","at":0,"first":{first},"count":5}}]}}]}}"#
        )]
    }

    fn takes(client: &str, number: u64, id: u64) -> Vec<String> {
        vec![
            format!(r#"{client} ? {{"id":{number},"do":"next_id","sequence":"s"}}"#),
            format!(r#"{client} ! {{"id":{number},"ok":{{"id":{id}}}}}"#),
        ]
    }

    #[track_caller]
    fn check(history: &[Vec<String>], broken: &str) {
        assert_eq!(judge(CHECKER, &history.concat()), broken, "{history:#?}");
    }

    /// A client that has the block 11 to 15.
    fn filled() -> Vec<String> {
        let given = [asks("a/s", "p"), gives("a/s", "p", 11)];
        [session("a/s", "x", "e", true), given.concat()].concat()
    }

    #[test]
    fn ids_are_of_a_block_and_new() {
        check(&[filled(), takes("a", 1, 11), takes("a", 2, 15)], "");
        check(&[filled(), takes("a", 1, 16)], "SEQN-OWN");
        check(&[takes("a", 1, 11), filled()], "SEQN-OWN");
        check(&[filled(), takes("b", 1, 11)], "SEQN-OWN");
        check(
            &[filled(), takes("a", 1, 11), takes("a", 2, 11)],
            "SEQN-ONCE",
        );
    }

    #[test]
    fn dropped_blocks_are_gone() {
        let ping = vec![r#"a/t > {"type":"ping","t":1}"#.to_owned()];
        let next = |id: &str, epoch: &str| session("a/t", id, epoch, true);
        let (same, other) = (next("x", "e"), next("x", "f"));
        check(&[filled(), same, ping.clone(), takes("a", 1, 11)], "");
        // It may not have read the welcome.
        check(&[filled(), other.clone(), takes("a", 1, 11)], "");
        check(
            &[filled(), other.clone(), ping.clone(), takes("a", 1, 11)],
            "SEQN-EPOCH",
        );
        let again = [asks("a/t", "q"), gives("a/t", "q", 21)].concat();
        check(
            &[filled(), other, ping, again.clone(), takes("a", 1, 21)],
            "",
        );
        let renamed = next("y", "e");
        check(
            &[filled(), renamed.clone(), takes("a", 1, 11)],
            "SEQN-IDENTITY",
        );
        check(&[filled(), renamed, again, takes("a", 1, 21)], "");
    }

    #[test]
    fn blocks_are_asked_for_one_at_a_time_where_they_are_offered() {
        check(&[filled(), asks("a/s", "q")], "");
        check(
            &[
                session("a/s", "x", "e", true),
                asks("a/s", "p"),
                asks("a/s", "q"),
            ],
            "SEQN-REFILL",
        );
        check(
            &[
                session("a/s", "x", "e", true),
                asks("a/s", "p"),
                asks("a/s", "p"),
            ],
            "",
        );
        check(
            &[session("a/s", "x", "e", false), asks("a/s", "p")],
            "SEQN-UNOFFERED",
        );
        let written = vec![r#"a ! {"id":9,"ok":{"opId":"p"}}"#.to_owned()];
        check(
            &[written, session("a/s", "x", "e", false), asks("a/s", "p")],
            "",
        );
    }
}
