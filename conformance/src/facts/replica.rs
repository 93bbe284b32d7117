//! A replica as the specification's client chapter has it: parts are staged, a complete update is taken in at once, with its cursor.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document;
use crate::history::{Frame, whole};

/// Names a row: table and key.
pub type RowKey = (String, String);

/// The same, where it is only looked at.
pub type RowName<'a> = (&'a str, &'a str);

/// A row that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its value.
    pub value: Value,
    /// The version that last changed it.
    pub version: u64,
    /// The values that it has beside, in the order of their versions.
    pub siblings: Vec<Sibling>,
    /// Whether it is a document: its value is then the list of its entries.
    pub document: bool,
}

/// A value that a row has beside its last one.
#[derive(Clone, Debug, PartialEq)]
pub struct Sibling {
    /// The version of its write.
    pub version: u64,
    /// The value.
    pub value: Value,
}

/// What a subscriber holds.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    /// The rows.
    pub rows: BTreeMap<RowKey, Row>,
    /// Up to where: epoch and version.
    pub cursor: Option<(String, u64)>,
    staged: Option<Staged>,
}

#[derive(Clone, Debug, Default)]
struct Staged {
    replace: bool,
    changes: BTreeMap<RowKey, (u64, Option<Row>)>,
    /// Those of documents, of which each counts; a delete may be of either.
    documents: Vec<(u64, RowKey, Value)>,
}

/// What an update did to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is a part; others follow.
    Staged,
    /// It was the last part.
    Complete {
        /// Whether it was a replacement.
        replacement: bool,
    },
    /// It begins above the cursor: not taken.
    Gap,
}

impl Replica {
    /// A replica that stands at a cursor with these rows.
    #[must_use]
    pub fn at(cursor: (String, u64), rows: BTreeMap<RowKey, Row>) -> Replica {
        Replica {
            rows,
            cursor: Some(cursor),
            staged: None,
        }
    }

    /// The same replica on another connection: what was staged is dropped.
    #[must_use]
    pub fn resumed(&self) -> Replica {
        Replica {
            staged: None,
            ..self.clone()
        }
    }

    /// The cursor's version within this epoch; 0 if it is of another.
    #[must_use]
    pub fn version(&self, epoch: &str) -> u64 {
        self.cursor
            .as_ref()
            .filter(|(of, _)| of == epoch)
            .map_or(0, |(_, version)| *version)
    }

    /// Takes one frame.
    pub fn take(&mut self, epoch: &str, update: &Frame) -> Taken {
        if update.member("replace") == Some(&Value::Bool(true)) {
            self.staged = Some(Staged {
                replace: true,
                ..Staged::default()
            });
        }
        let staged = self.staged.get_or_insert_default();
        for change in update
            .member("changes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            staged.change(change);
        }
        let Some(to) = update.number("to") else {
            return Taken::Staged;
        };
        let staged = self.staged.take().unwrap_or_default();
        let Staged {
            replace,
            changes,
            mut documents,
        } = staged;
        let cursor = self.version(epoch);
        if !replace && update.number("from").unwrap_or(0) > cursor {
            return Taken::Gap;
        }
        if replace {
            self.rows.clear();
        }
        let news = changes
            .into_iter()
            .filter(|(_, (version, _))| replace || *version > cursor);
        for (key, (_, row)) in news {
            match row {
                Some(row) => drop(self.rows.insert(key, row)),
                // Of a document, what was appended since stays.
                None if self.rows.get(&key).is_some_and(|row| row.document) => {}
                None => drop(self.rows.remove(&key)),
            }
        }
        documents.sort_by_key(|(version, _, _)| *version);
        let news = documents.into_iter();
        for (version, key, change) in news.filter(|(version, _, _)| replace || *version > cursor) {
            self.change_document(version, key, &change);
        }
        if replace || to > cursor {
            self.cursor = Some((epoch.to_owned(), to));
        }
        Taken::Complete {
            replacement: replace,
        }
    }
}

impl Replica {
    fn change_document(&mut self, version: u64, key: RowKey, change: &Value) {
        let held = self.rows.get(&key);
        let value = held.map(|row| &row.value);
        let data = change.get("data").unwrap_or(&Value::Null);
        let value = match change["op"].as_str() {
            Some("append") => Some(document::appended(value, version, data)),
            Some("compact") => {
                let covers = change.get("covers").and_then(whole).unwrap_or(0);
                Some(document::compacted(value, version, covers, data))
            }
            _ => held
                .filter(|row| row.document)
                .and_then(|row| document::left(&row.value, version)),
        };
        match value {
            Some(value) => {
                let version = held.map_or(version, |row| row.version.max(version));
                let row = Row {
                    value,
                    version,
                    siblings: Vec::new(),
                    document: true,
                };
                self.rows.insert(key, row);
            }
            None if held.is_some_and(|row| row.document) => drop(self.rows.remove(&key)),
            None => {}
        }
    }
}

impl Staged {
    /// Of several changes of one row the highest version wins.
    fn change(&mut self, change: &Value) {
        let text = |name: &str| {
            change
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let version = change.get("version").and_then(whole).unwrap_or(0);
        let key = (text("table"), text("key"));
        if text("op") != "set" {
            self.documents.push((version, key, change.clone()));
        }
        if matches!(&*text("op"), "append" | "compact") {
            return;
        }
        let row = (text("op") == "set").then(|| Row {
            value: change.get("value").cloned().unwrap_or_default(),
            version,
            siblings: siblings(change),
            document: false,
        });
        let held = self
            .changes
            .entry((text("table"), text("key")))
            .or_insert((version, row.clone()));
        if version >= held.0 {
            *held = (version, row);
        }
    }
}

/// The values that a change tells of beside its value.
fn siblings(change: &Value) -> Vec<Sibling> {
    let siblings = change.get("siblings").and_then(Value::as_array);
    let sibling = |sibling: &Value| Sibling {
        version: sibling.get("version").and_then(whole).unwrap_or(0),
        value: sibling.get("value").cloned().unwrap_or_default(),
    };
    siblings.into_iter().flatten().map(sibling).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(frames: &[&str]) -> (Vec<Taken>, String) {
        let mut replica = Replica::default();
        let frame =
            |text: &&str| Frame::text(format!(r#"{{"type": "update", "shape": "s", {text}}}"#));
        let taken = frames
            .iter()
            .map(|text| replica.take("e", &frame(text)))
            .collect();
        let rows: Vec<_> = replica
            .rows
            .iter()
            .map(|((_, key), row)| format!("{key}={}@{}", row.value, row.version))
            .collect();
        (
            taken,
            format!(
                "{} at {:?}",
                rows.join(" "),
                replica.cursor.map(|(_, version)| version)
            ),
        )
    }

    const SET: &str = r#"{"op": "set", "table": "t", "key": "k", "version": 3, "value": 1}"#;
    const DELETE: &str = r#"{"op": "delete", "table": "t", "key": "k", "version": 5}"#;

    #[test]
    fn parts_are_seen_at_the_last() {
        let first = format!(r#""from": 0, "replace": true, "more": true, "changes": [{SET}]"#);
        assert_eq!(
            replica(&[&first]),
            (vec![Taken::Staged], " at None".to_owned())
        );
        let last = r#""from": 0, "to": 4, "changes": []"#;
        assert_eq!(replica(&[&first, last]).1, "k=1@3 at Some(4)");
    }

    #[test]
    fn the_highest_version_wins_and_a_delete_removes() {
        let both = format!(r#""from": 0, "replace": true, "to": 5, "changes": [{DELETE}, {SET}]"#);
        assert_eq!(replica(&[&both]).1, " at Some(5)");
    }

    #[test]
    fn a_gap_is_not_taken_and_what_is_known_is_skipped() {
        let whole = format!(r#""from": 0, "replace": true, "to": 4, "changes": [{SET}]"#);
        let gap = format!(r#""from": 6, "to": 7, "changes": [{DELETE}]"#);
        assert_eq!(
            replica(&[&whole, &gap]),
            (
                vec![Taken::Complete { replacement: true }, Taken::Gap],
                "k=1@3 at Some(4)".to_owned()
            )
        );
        let old = r#""from": 0, "to": 4, "changes": [{"op": "delete", "table": "t", "key": "k", "version": 3}]"#;
        assert_eq!(replica(&[&whole, old]).1, "k=1@3 at Some(4)");
    }
}
