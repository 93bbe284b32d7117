//! Closing: the code of the close frame says the same as the last data frame.

use syncline_schemas::errors::{self, Fault};

use super::{Checker, Findings};
use crate::facts::{Conn, Facts};
use crate::history::Frame;

pub(super) const CHECKER: Checker = Checker {
    name: "closing",
    requirements: &["CONN-CLOSE-CODE"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    for conn in &facts.conns {
        if let Some((at, code, last)) = closed(facts, conn)
            && let Some(expected) = expected(last)
        {
            findings.must(
                "CONN-CLOSE-CODE",
                code == expected,
                [at],
                || format!("close code {expected} after {last}"),
                || code.to_string(),
            );
        }
    }
}

/// The server's close frame and the last data frame before it.
fn closed<'a>(facts: &'a Facts, conn: &Conn) -> Option<(usize, u16, &'a Frame)> {
    let end = conn.ended.filter(|end| end.by_server())?;
    let last = conn.received.last().and_then(|at| facts.frame(*at))?;
    Some((end.at, end.code()?, last))
}

/// The code that the table gives; none, if this frame announces no close or is not known.
fn expected(last: &Frame) -> Option<u16> {
    match (last.kind(), last.string("code")) {
        ("goaway", _) => Some(1001),
        ("error", Some("frame_too_large")) => Some(1009),
        ("error", Some("overloaded")) => Some(1013),
        ("error", Some(code)) if last.string("scope") == Some("connection") => errors::find(code)
            .map(|def| match def.fault {
                Fault::Client => 1008,
                _ => 1011,
            }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_closes() {
        table(
            &CHECKER,
            &[
                ("CONN-CLOSE-CODE", "a < goaway idle\na closed 1001"),
                (
                    "CONN-CLOSE-CODE",
                    "a < error hello_required 1\na closed 1008",
                ),
                ("CONN-CLOSE-CODE", "a < error internal\na closed 1011"),
                (
                    "CONN-CLOSE-CODE",
                    "a < error frame_too_large\na closed 1009",
                ),
                // No close frame, no announcement, or a code that nobody knows: nothing to compare.
                ("", "a < goaway idle\na closed"),
                ("", "a < pong 1\na closed 1001"),
                (
                    "",
                    "a < {\"type\":\"error\",\"code\":\"odd\",\"scope\":\"connection\"}\na closed 1008",
                ),
            ],
            &[
                ("CONN-CLOSE-CODE", "a < goaway idle\na closed 1000"),
                (
                    "CONN-CLOSE-CODE",
                    "a < error hello_required 1\na closed 1011",
                ),
                (
                    "CONN-CLOSE-CODE",
                    "a < error frame_too_large\na closed 1008",
                ),
            ],
        );
    }
}
