//! Writing `update` frames: straight from the rows into the frame's text, so that a value is copied once however many read it.

use std::iter::Peekable;

use crate::documents::Entry;
use crate::json;
use crate::table::{Body, ChangeRef, Position, Row};

/// What is the same in all parts of an update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpdateHead<'a> {
    pub(crate) shape: &'a str,
    pub(crate) from: u64,
    /// What the last part takes the subscriber to.
    pub(crate) to: u64,
    /// Whether the changes that are given are all there are.
    pub(crate) whole: bool,
}

/// One frame of an update.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) text: String,
    /// The last change in it, if there is any.
    pub(crate) sent: Option<Position>,
    /// Whether nothing comes after it.
    pub(crate) last: bool,
}

/// Bytes of a frame beside its changes.
const FRAME_REST: usize = 256;

/// A text of more bytes than this will probably fill its frame.
const SMALL: usize = 4096;

/// Writes the next part: as many of the changes as fit into `part_bytes`, one at least.
pub(crate) fn part<'a>(
    head: UpdateHead<'_>,
    replace: bool,
    changes: &mut Peekable<impl Iterator<Item = ChangeRef<'a>>>,
    part_bytes: usize,
) -> Part {
    let mut text = String::with_capacity(FRAME_REST);
    text.push_str(r#"{"type":"update","shape":"#);
    json::string(&mut text, head.shape);
    text.push_str(r#","from":"#);
    json::integer(&mut text, head.from);
    if replace {
        text.push_str(r#","replace":true"#);
    }
    text.push_str(r#","changes":["#);
    let sent = fill(&mut text, changes, part_bytes);
    let last = changes.peek().is_none() && head.whole;
    if last {
        text.push_str(r#"],"to":"#);
        json::integer(&mut text, head.to);
        text.push('}');
    } else {
        text.push_str(r#"],"more":true}"#);
    }
    // It may wait in a queue, which counts what is in it.
    text.shrink_to_fit();
    Part { text, sent, last }
}

/// Writes changes until the next one would pass `part_bytes`.
fn fill<'a>(
    text: &mut String,
    changes: &mut Peekable<impl Iterator<Item = ChangeRef<'a>>>,
    part_bytes: usize,
) -> Option<Position> {
    let mut sent = None;
    let mut table = TableName::default();
    while let Some(change) = changes.peek() {
        let before = text.len();
        if sent.is_some() {
            text.push(',');
        }
        write_change(text, table.as_json(change.table), change);
        if sent.is_some() && text.len() > part_bytes {
            text.truncate(before);
            break;
        }
        sent = Some(change.position);
        changes.next();
        if text.len() > SMALL {
            // All the room at once, also for the change that passes the bound and is taken back.
            text.reserve((part_bytes + part_bytes / 8).saturating_sub(text.len()));
        }
    }
    sent
}

/// The name of the table that was written last, as JSON: the next change is probably one of the same.
#[derive(Clone, Default)]
struct TableName<'a> {
    name: &'a str,
    json: String,
}

impl<'a> TableName<'a> {
    fn as_json(&mut self, name: &'a str) -> &str {
        if !std::ptr::eq(self.name, name) {
            self.name = name;
            self.json.clear();
            json::string(&mut self.json, name);
        }
        &self.json
    }
}

fn write_change(text: &mut String, table: &str, change: &ChangeRef<'_>) {
    text.push_str(match change.body {
        Body::Row(_) if change.leaves => r#"{"op":"remove","table":"#,
        Body::Row(row) if row.value.is_some() => r#"{"op":"set","table":"#,
        Body::Row(_) | Body::Deleted => r#"{"op":"delete","table":"#,
        Body::Entry(entry) if entry.covers.is_some() => r#"{"op":"compact","table":"#,
        Body::Entry(_) => r#"{"op":"append","table":"#,
    });
    text.push_str(table);
    text.push_str(r#","key":"#);
    json::string(text, change.key);
    text.push_str(r#","version":"#);
    json::integer(text, change.position.version);
    match change.body {
        Body::Row(row) if !change.leaves => write_row(text, row),
        Body::Entry(entry) => write_entry(text, entry),
        Body::Row(_) | Body::Deleted => {}
    }
    text.push('}');
}

fn write_row(text: &mut String, row: &Row) {
    if let Some(value) = &row.value {
        text.push_str(r#","value":"#);
        text.push_str(value.get());
    }
    if row.value.is_some() && !row.siblings().is_empty() {
        text.push_str(r#","siblings":"#);
        json::other(text, &row.told_siblings());
    }
}

fn write_entry(text: &mut String, entry: &Entry) {
    if let Some(covers) = entry.covers {
        text.push_str(r#","covers":"#);
        json::integer(text, covers);
    }
    text.push_str(r#","data":"#);
    text.push_str(entry.data.get());
}

#[cfg(test)]
mod tests {
    use syncline_schemas::ServerMessage;

    use super::*;

    fn rows(values: &[&str]) -> Vec<Row> {
        (1..)
            .zip(values)
            .map(|(version, value)| Row {
                value: value.parse().ok(),
                position: Position { version, slot: 0 },
                writer: "w".into(),
                others_version: 0,
                trail: None,
            })
            .collect()
    }

    /// The parts of an update with these values, and how many changes each has.
    #[track_caller]
    fn check(values: &[&str], part_bytes: usize, expected: &[usize]) {
        let (table, key, rows) = ("a\"b", "k\u{1}".into(), rows(values));
        let changes = rows.iter().map(|row| ChangeRef {
            table,
            key: &key,
            position: row.position,
            body: Body::Row(row),
            leaves: false,
        });
        let mut changes = changes.peekable();
        let mut sizes = Vec::new();
        loop {
            let head = UpdateHead {
                shape: "s1",
                from: 0,
                to: 9,
                whole: true,
            };
            let part = part(head, sizes.is_empty(), &mut changes, part_bytes);
            let ServerMessage::Update(update) =
                ServerMessage::decode(&part.text, 64).expect("valid")
            else {
                panic!("{} is no update", part.text);
            };
            assert_eq!((update.from, update.replace), (0, sizes.is_empty()));
            assert_eq!(
                (update.to, update.more),
                (part.last.then_some(9), !part.last)
            );
            sizes.push(update.changes.len());
            if part.last {
                break;
            }
        }
        assert_eq!(sizes, expected);
    }

    #[test]
    fn parts() {
        check(&[], 0, &[0]);
        check(&["1", "delete", "null"], 4096, &[3]);
        check(&["1", "delete", "null"], 0, &[1, 1, 1]);
        check(&["1", "2", "3", "4", "5"], 300, &[3, 2]);
    }
}
