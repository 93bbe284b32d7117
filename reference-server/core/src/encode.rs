//! Writing `update` frames: straight from the rows into the frame's text, so that a value is copied once however many read it.

use std::iter::Peekable;

use crate::table::{ChangeRef, Position};

/// What is the same in all parts of an update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpdateHead<'a> {
    pub(crate) shape: &'a str,
    pub(crate) from: u64,
    /// What the last part takes the subscriber to.
    pub(crate) to: u64,
}

/// One frame of an update.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) text: String,
    /// The last change in it, if there is any.
    pub(crate) sent: Option<Position>,
    /// Whether nothing comes after it.
    pub(crate) last: bool,
}

/// Bytes of a frame beside its changes.
const FRAME_REST: usize = 256;

/// Writes the next part: as many of the changes as fit into `part_bytes`, one at least.
pub(crate) fn part<'a>(
    head: UpdateHead<'_>,
    replace: bool,
    changes: &mut Peekable<impl Iterator<Item = ChangeRef<'a>>>,
    part_bytes: usize,
) -> Part {
    let mut text = Vec::with_capacity(FRAME_REST);
    text.extend_from_slice(br#"{"type":"update","shape":"#);
    json(&mut text, head.shape);
    text.extend_from_slice(br#","from":"#);
    json(&mut text, &head.from);
    if replace {
        text.extend_from_slice(br#","replace":true"#);
    }
    text.extend_from_slice(br#","changes":["#);
    let sent = fill(&mut text, changes, part_bytes);
    let last = changes.peek().is_none();
    if last {
        text.extend_from_slice(br#"],"to":"#);
        json(&mut text, &head.to);
        text.push(b'}');
    } else {
        text.extend_from_slice(br#"],"more":true}"#);
    }
    let text = String::from_utf8(text).expect("JSON made of strings is UTF-8");
    Part { text, sent, last }
}

/// Writes changes until the next one would pass `part_bytes`.
fn fill<'a>(
    text: &mut Vec<u8>,
    changes: &mut Peekable<impl Iterator<Item = ChangeRef<'a>>>,
    part_bytes: usize,
) -> Option<Position> {
    let mut sent = None;
    while let Some(change) = changes.peek() {
        let before = text.len();
        if sent.is_some() {
            text.push(b',');
        }
        write_change(text, change);
        if sent.is_some() && text.len() > part_bytes {
            text.truncate(before);
            break;
        }
        sent = Some(change.position);
        changes.next();
    }
    sent
}

fn write_change(text: &mut Vec<u8>, change: &ChangeRef<'_>) {
    text.extend_from_slice(match change.value {
        Some(_) => br#"{"op":"set","table":"#,
        None => br#"{"op":"delete","table":"#,
    });
    json(text, change.table);
    text.extend_from_slice(br#","key":"#);
    json(text, change.key);
    text.extend_from_slice(br#","version":"#);
    json(text, &change.position.version);
    if let Some(value) = change.value {
        text.extend_from_slice(br#","value":"#);
        text.extend_from_slice(value.get().as_bytes());
    }
    text.push(b'}');
}

fn json<T: serde::Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(text, value).expect("strings and integers can always be written");
}

#[cfg(test)]
mod tests {
    use syncline_schemas::{Json, ServerMessage};

    use super::*;

    fn changes(values: &[Option<Json>]) -> Vec<ChangeRef<'_>> {
        (1..)
            .zip(values)
            .map(|(version, value)| ChangeRef {
                position: Position { version, slot: 0 },
                table: "a\"b",
                key: "k\u{1}",
                value: value.as_ref(),
            })
            .collect()
    }

    /// The parts of an update with these values, and how many changes each has.
    #[track_caller]
    fn check(values: &[&str], part_bytes: usize, expected: &[usize]) {
        let values: Vec<_> = values.iter().map(|value| value.parse().ok()).collect();
        let mut changes = changes(&values).into_iter().peekable();
        let mut sizes = Vec::new();
        loop {
            let head = UpdateHead {
                shape: "s1",
                from: 0,
                to: 9,
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
