//! Histories as text, for the tables of good and bad ones.
//!
//! A line is an entry: `a/s > {...}` a frame that client `a` sends on its connection `s`, `a/s < {...}` one that it gets, `a ? {...}` and `a ! {...}` lines to and from its
//! adapter, `a connects`. A connection is opened where it is first named. Each entry comes a millisecond after the one before; `+250` lets 250 of them pass.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Checker;
use crate::checkers::Findings;
use crate::client::facts::Facts;
use crate::history::{Entry, Event, Frame, Happening};

/// The requirements that a checker finds broken in a history, each once, with blanks between.
pub(super) fn judge(checker: Checker, history: &[String]) -> String {
    let entries = entries(history);
    let mut findings = Findings::default();
    (checker.check)(&Facts::of(&entries), &mut findings);
    let mut broken: Vec<_> = findings
        .violations
        .iter()
        .map(|violation| violation.requirement)
        .collect();
    broken.dedup();
    broken.join(" ")
}

/// The lines that open a session: the `hello` of this `clientId`, and a `welcome` that knows this `lastSeq`.
pub(super) fn opens(conn: &str, client_id: &str, last_seq: u64) -> Vec<String> {
    welcomed(conn, client_id, last_seq, json!({}))
}

/// The same, with these limits.
pub(super) fn welcomed(conn: &str, client_id: &str, last_seq: u64, limits: Value) -> Vec<String> {
    let hello =
        json!({ "type": "hello", "workspace": "w", "clientId": client_id, "ackedSeq": last_seq });
    let welcome = json!({ "type": "welcome", "epoch": "e", "lastSeq": last_seq, "results": [], "limits": limits });
    vec![format!("{conn} > {hello}"), format!("{conn} < {welcome}")]
}

fn entries(history: &[String]) -> Vec<Entry> {
    let (mut entries, mut conns, mut at_us) = (Vec::new(), Vec::new(), 0);
    let mut add = |at_us: u64, event: Event| entries.push(Entry { at_us, event });
    for line in history {
        at_us += 1_000;
        if let Some(ms) = line.strip_prefix('+') {
            at_us += ms.parse::<u64>().expect("a number of milliseconds") * 1_000;
            continue;
        }
        let (name, rest) = line.split_once(' ').expect("a name and what happened");
        let (sign, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let client = name.to_owned();
        let line = Arc::new(Frame::text(text.to_owned()));
        let mut conn = || {
            conns.iter().position(|own| own == name).unwrap_or_else(|| {
                conns.push(name.to_owned());
                let (conn, name) = (conns.len() - 1, name.to_owned());
                add(at_us, Event::Opened { conn, name });
                conn
            })
        };
        let event = match sign {
            ">" => Event::Received {
                conn: conn(),
                frame: line,
            },
            "<" => Event::Sent {
                conn: conn(),
                frame: line,
                resumes: None,
                own: false,
            },
            "?" => Event::Asked { client, line },
            "!" => Event::Told { client, line },
            "connects" => Event::Process {
                client,
                what: Happening::Connects,
            },
            other => panic!("{other:?} is no sign of the notation"),
        };
        add(at_us, event);
    }
    entries
}
