//! New identities: a `clientId` under which entries of an older one go on is derived from it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Facts, mutations};
use crate::history::Event;

pub(super) const CHECKER: Checker = Checker {
    name: "identity",
    requirements: &["CLIENT-NEW-ID"],
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let written = written(facts);
    let mut own: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, conn) in facts.conns.iter().enumerate() {
        let (client, id) = (conn.client, conn.client_id());
        let Some(hello) = conn.sent().next().filter(|_| !id.is_empty()) else {
            continue;
        };
        let Some(old) = own.insert(client, id).filter(|old| *old != id) else {
            continue;
        };
        // The first mutation under the new name: on this connection, or on the first after it that has one.
        let under = facts.conns[index..]
            .iter()
            .filter(|other| other.client_id() == id);
        let mut firsts = under
            .flat_map(|conn| conn.pushes())
            .filter_map(|push| mutations(push.frame).next());
        let Some((1, first)) = firsts.next() else {
            continue;
        };
        let op_id = first["opId"].as_str().unwrap_or_default();
        // What made it move is the last that the server said under the old name: what was written later may have been written under the new one.
        let told = facts.conns[..index]
            .iter()
            .filter(|other| other.client == client);
        let told = told
            .flat_map(|conn| &conn.frames)
            .filter(|said| !said.by_client);
        let moved = told.map(|said| said.at).max().unwrap_or(0);
        if written.get(op_id).is_some_and(|at| *at < moved) {
            let derived = derive(old, op_id);
            let expected = || format!("clientId {derived}, derived from {old} and {op_id}");
            findings.must("CLIENT-NEW-ID", id == derived, [hello.at], expected, || {
                id.to_owned()
            });
        }
    }
}

/// When the app was told of each mutation that it had written, by `opId`.
fn written<'a>(facts: &Facts<'a>) -> BTreeMap<&'a str, usize> {
    let lines = facts
        .entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| match &entry.event {
            Event::Told { line, .. } => Some((line.member("ok")?["opId"].as_str()?, at)),
            _ => None,
        });
    lines.collect()
}

fn derive(id: &str, op_id: &str) -> String {
    let digest = Sha256::digest(format!("syncline.v1:{id}:{op_id}"));
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::{judge, opens};

    #[test]
    fn the_derivation_is_that_of_the_specification() {
        // printf 'syncline.v1:x:q' | sha256sum | cut -c1-32
        assert_eq!(derive("x", "q"), "f076c0d1bc8e13386ac8d61b628a1403");
    }

    #[test]
    fn identities() {
        let wrote = r#"a ! {"id":1,"ok":{"opId":"q"}}"#;
        let push = r#"> {"type":"push","epoch":"e","mutations":[{"seq":1,"opId":"q","ops":[]}]}"#;
        let old = opens("a/s", "x", 0);
        let new = |id: &str| [opens("a/t", id, 0), vec![format!("a/t {push}")]].concat();
        let derived = "f076c0d1bc8e13386ac8d61b628a1403";
        let wrote = vec![wrote.to_owned()];
        let table = [
            ([wrote.clone(), old.clone(), new(derived)], ""),
            ([wrote.clone(), old.clone(), new("y")], "CLIENT-NEW-ID"),
            // Written since: perhaps under the new name, of which nothing is known then.
            ([old, wrote, new("y")], ""),
        ];
        for (history, broken) in table {
            assert_eq!(judge(CHECKER, &history.concat()), broken);
        }
    }
}
