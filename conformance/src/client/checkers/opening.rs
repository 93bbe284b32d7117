//! How a client opens a session.

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::{Conn, Facts};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "opening",
    requirements: &["CLIENT-AFTER-WELCOME", "CLIENT-HELLO"],
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (index, conn) in facts.each() {
        after_welcome(conn, findings);
        acked(&facts.conns[..index], conn, findings);
    }
}

/// One `hello` comes first, and nothing else before the `welcome` was sent.
fn after_welcome(conn: &Conn<'_>, findings: &mut Findings) {
    let welcomed = conn.welcome.map_or(usize::MAX, |(at, _)| at);
    for (index, said) in conn.sent().enumerate() {
        let holds =
            (said.frame.kind() == "hello") == (index == 0) && (index == 0 || said.at > welcomed);
        let expected = || "one hello, and nothing else before welcome".to_owned();
        findings.must("CLIENT-AFTER-WELCOME", holds, [said.at], expected, || {
            said.frame.to_string()
        });
    }
}

/// No `hello` counts an outcome that this client was never told.
fn acked(before: &[Conn<'_>], conn: &Conn<'_>, findings: &mut Findings) {
    let (Some(hello), Some(said)) = (conn.hello, conn.sent().next()) else {
        return;
    };
    let own = before
        .iter()
        .filter(|other| other.client_id() == conn.client_id());
    let told = own
        .flat_map(Conn::outcomes)
        .filter_map(|(_, outcome)| whole(&outcome["seq"]));
    let (told, acked) = (
        told.max().unwrap_or(0),
        whole(&hello["ackedSeq"]).unwrap_or(0),
    );
    let expected =
        || format!("ackedSeq at most {told}: no later outcome was told to this clientId");
    findings.must("CLIENT-HELLO", acked <= told, [said.at], expected, || {
        acked.to_string()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::checkers::notation::{judge, opens};

    #[test]
    fn openings() {
        let ping = r#"a/s > {"type":"ping","t":1}"#.to_owned();
        let hello = r#"a/s > {"type":"hello","workspace":"w","clientId":"x"}"#.to_owned();
        let acked = |seq: u64| {
            format!(r#"a/t > {{"type":"hello","workspace":"w","clientId":"x","ackedSeq":{seq}}}"#)
        };
        let ack = r#"a/s < {"type":"ack","results":[{"seq":1,"opId":"m","status":"applied","version":1},{"seq":2,"opId":"n","status":"deferred","code":"x"}]}"#.to_owned();
        let open = opens("a/s", "x", 0);
        let table = [
            ([open.clone(), vec![ping.clone()]].concat(), ""),
            (vec![ping.clone()], "CLIENT-AFTER-WELCOME"),
            (vec![hello.clone(), ping], "CLIENT-AFTER-WELCOME"),
            ([open.clone(), vec![hello]].concat(), "CLIENT-AFTER-WELCOME"),
            ([open.clone(), vec![ack.clone(), acked(1)]].concat(), ""),
            ([open.clone(), vec![ack.clone(), acked(0)]].concat(), ""),
            ([open.clone(), vec![ack, acked(2)]].concat(), "CLIENT-HELLO"),
            ([open, vec![acked(1)]].concat(), "CLIENT-HELLO"),
        ];
        for (history, broken) in table {
            assert_eq!(judge(CHECKER, &history), broken, "{history:#?}");
        }
    }
}
