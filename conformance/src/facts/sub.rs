//! A subscription: what was asked for, and the updates that came.

use std::collections::BTreeSet;

use serde_json::Value;

use super::filters::Filters;
use super::replica::{Replica, Taken};
use crate::history::{ConnIx, Frame, whole};

/// A `subscribe` that is not answered yet.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The entry.
    pub at: usize,
    /// Its `id`.
    pub id: String,
    /// Its tables.
    pub tables: BTreeSet<String>,
    /// Their filters.
    pub filters: Filters,
    /// Its cursor: epoch and version.
    pub cursor: Option<(String, u64)>,
    /// The earlier subscription that it goes on from.
    pub resumes: Option<usize>,
}

/// A subscription that was accepted.
#[derive(Clone, Debug)]
pub struct Sub {
    /// The connection.
    pub conn: ConnIx,
    /// The entry of the `subscribe`.
    pub asked_at: usize,
    /// The entry of the `subscribed`.
    pub subscribed_at: usize,
    /// The `subscribe`'s `id`.
    pub id: String,
    /// The shape's name on the connection.
    pub shape: String,
    /// The tables.
    pub tables: BTreeSet<String>,
    /// Their filters.
    pub filters: Filters,
    /// The cursor that was sent: epoch and version.
    pub cursor: Option<(String, u64)>,
    /// The earlier subscription that it goes on from.
    pub resumes: Option<usize>,
    /// The session's epoch.
    pub epoch: String,
    /// Each `update` frame.
    pub parts: Vec<Part>,
    /// Each complete update.
    pub completes: Vec<Complete>,
    /// What a client would hold now.
    pub replica: Replica,
    /// What it held when the subscription began.
    pub base: Replica,
    /// The entry at which the client asked to end it.
    pub unsubscribed_at: Option<usize>,
    /// What a client held when it asked to end it: what comes until that is over it ignores.
    left: Option<Replica>,
    /// The entry at which it was over.
    pub ended_at: Option<usize>,
}

/// One `update` frame.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The entry.
    pub at: usize,
    /// Its `from`.
    pub from: u64,
    /// Its `to`.
    pub to: Option<u64>,
    /// Whether it says that more follow.
    pub more: bool,
    /// Whether it starts a replacement.
    pub replace: bool,
}

/// One complete update.
#[derive(Clone, Copy, Debug)]
pub struct Complete {
    /// The index of its first part; of a replacement, that which started it.
    pub first: usize,
    /// The index of its last part.
    pub last: usize,
    /// Its `from`.
    pub from: u64,
    /// Its `to`.
    pub to: u64,
    /// Whether it is a replacement.
    pub replacement: bool,
    /// What it did to the replica.
    pub taken: Taken,
}

impl Asked {
    pub(super) fn read(at: usize, frame: &Frame, resumes: Option<usize>) -> Option<Asked> {
        let cursor = frame.member("cursor").and_then(|cursor| {
            Some((
                cursor.get("epoch")?.as_str()?.to_owned(),
                cursor.get("version").and_then(whole)?,
            ))
        });
        let tables = frame
            .member("tables")?
            .as_object()?
            .keys()
            .cloned()
            .collect();
        Some(Asked {
            at,
            id: frame.string("id")?.to_owned(),
            tables,
            filters: Filters::of(frame),
            cursor,
            resumes,
        })
    }
}

impl Sub {
    pub(super) fn new(
        conn: ConnIx,
        asked: Asked,
        shape: &str,
        at: usize,
        epoch: String,
        replica: Replica,
    ) -> Sub {
        Sub {
            conn,
            asked_at: asked.at,
            subscribed_at: at,
            id: asked.id,
            shape: shape.to_owned(),
            tables: asked.tables,
            filters: asked.filters,
            cursor: asked.cursor,
            resumes: asked.resumes,
            epoch,
            parts: Vec::new(),
            completes: Vec::new(),
            base: replica.clone(),
            replica,
            unsubscribed_at: None,
            left: None,
            ended_at: None,
        }
    }

    /// The client asks to end it.
    pub(super) fn unsubscribed(&mut self, at: usize) {
        self.unsubscribed_at = Some(at);
        self.left = Some(self.replica.resumed());
    }

    /// What a client holds of it, to go on from.
    #[must_use]
    pub fn held(&self) -> &Replica {
        self.left.as_ref().unwrap_or(&self.replica)
    }

    pub(super) fn updated(&mut self, at: usize, frame: &Frame) {
        let flag = |name: &str| frame.member(name) == Some(&Value::Bool(true));
        let part = Part {
            at,
            from: frame.number("from").unwrap_or(0),
            to: frame.number("to"),
            more: flag("more"),
            replace: flag("replace"),
        };
        self.parts.push(part);
        let taken = self.replica.take(&self.epoch, frame);
        if let (Some(to), true) = (part.to, taken != Taken::Staged) {
            let last = self.parts.len() - 1;
            let open = self
                .completes
                .last()
                .map_or(0, |complete| complete.last + 1);
            let first = (open..=last)
                .rev()
                .find(|index| self.parts[*index].replace)
                .unwrap_or(open);
            let replacement = self.parts[first].replace;
            self.completes.push(Complete {
                first,
                last,
                from: part.from,
                to,
                replacement,
                taken,
            });
        }
    }

    /// The subscriber's cursor before its first update, as the updates chapter defines it: that of the `subscribe`. A cursor of another
    /// epoch is none. Later it is the highest `to`.
    #[must_use]
    pub fn cursor_at_first(&self) -> u64 {
        { self.cursor.as_ref() }
            .filter(|(epoch, _)| *epoch == self.epoch)
            .map_or(0, |(_, version)| *version)
    }

    /// Whether it is live, as far as the client knows.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.ended_at.is_none() && self.unsubscribed_at.is_none()
    }
}

#[cfg(test)]
mod tests {
    use crate::checkers::notation::facts;

    #[test]
    fn who_unsubscribes_goes_on_from_what_it_held_then() {
        let begun = "a > hello\na < welcome 1 0\na > subscribe i t\na < subscribed i s t\na < update s 0..1 replace t/k=1@1";
        let end = r#"a > {"type":"unsubscribe","shape":"s"}"#;
        let facts = facts(&format!("{begun}\n{end}\na < update s 1..2 t/k=2@2"));
        let sub = &facts.subs[0];
        assert_eq!(sub.replica.version("e"), 2, "what came was read");
        assert_eq!(sub.held().version("e"), 1, "and ignored");
    }
}
