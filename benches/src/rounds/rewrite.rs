//! Writes to rows that another client has written: what strategies and patches cost beside a plain set.

use super::{FRAMES, Group, PUSH, Run, SET, pushes};
use crate::workspace::{Workspace, config};

/// Tables whose fields are decided one by one.
const BY_FIELD: &str = r#"server_wins","granularity":"field"#;
const BY_FIELD_LAST: &str = r#"last_write_wins","granularity":"field"#;

/// Sets one field.
const PATCH: &str = r#""op":"patch","fields":{"n":1}"#;
/// The same, by a writer that has seen all that others did.
const SEEN: &str = r#""op":"patch","fields":{"n":1},"base":1001"#;

pub(super) fn group() -> Group {
    let mut group = Group::new("1000 mutations of others' rows", PUSH * FRAMES);
    let rounds = [
        ("set (baseline)", None, SET),
        ("patch a field", None, PATCH),
        ("set under last_write_wins", Some("last_write_wins"), SET),
        (
            "set under server_wins, superseded",
            Some("server_wins"),
            SET,
        ),
        ("set under keep_both", Some("keep_both"), SET),
        (
            "patch under last_write_wins",
            Some("last_write_wins"),
            PATCH,
        ),
        (
            "patch under server_wins, field by field",
            Some(BY_FIELD),
            SEEN,
        ),
        (
            "patch under last_write_wins, field by field",
            Some(BY_FIELD_LAST),
            PATCH,
        ),
        (
            "patch under server_wins, field by field, superseded",
            Some(BY_FIELD),
            PATCH,
        ),
        (
            "set under last_write_wins, field by field",
            Some(BY_FIELD_LAST),
            SET,
        ),
    ];
    for (name, strategy, op) in rounds {
        group.round(name, move || rewritten(strategy, op));
    }
    group
}

/// Rows that another client has written, in a table of this strategy, get this op.
fn rewritten(strategy: Option<&str>, op: &str) -> Run {
    let mut workspace = Workspace::new(config());
    for (session, client) in [(1, "writer"), (3, "declarer"), (4, "other")] {
        workspace.open(session, Some(client));
    }
    if let Some(strategy) = strategy {
        workspace.frame(3, &declare(strategy));
    }
    pushes(SET).iter().for_each(|text| workspace.frame(4, text));
    workspace.step();
    let texts = pushes(op);
    Box::new(move || {
        texts.iter().for_each(|text| workspace.frame(1, text));
        workspace.step().bytes
    })
}

fn declare(strategy: &str) -> String {
    let op = format!(r#"{{"op":"declare","strategy":"{strategy}","table":"notes"}}"#);
    format!(r#"{{"type":"push","epoch":"e","mutations":[{{"seq":1,"opId":"d","ops":[{op}]}}]}}"#)
}
