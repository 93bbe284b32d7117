//! What must not stand in a report that is passed on: who holds a `clientId` or a `token` can write as that client.
//!
//! Each secret gets a name by the order in which it was first seen, so that a reader still sees which frames speak of the same client.

use serde_json::Value;

use crate::history::{Entry, Event};

/// The members whose values are secrets, and how they are named.
const SECRETS: [(&str, &str); 2] = [("clientId", "client"), ("token", "token")];

/// A shorter secret is left alone: it would be found within other words, and is none.
const SECRET_CHARS_MIN: usize = 6;

/// The secrets of a history, each with what stands in its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Redaction {
    named: Vec<(String, String)>,
}

impl Redaction {
    /// Finds the secrets of a history.
    pub(super) fn of(entries: &[Entry]) -> Redaction {
        let mut redaction = Redaction::default();
        for entry in entries {
            if let Event::Sent { frame, .. }
            | Event::Received { frame, .. }
            | Event::Asked { line: frame, .. }
            | Event::Told { line: frame, .. } = &entry.event
                && let Some(json) = &frame.json
            {
                redaction.find(json);
            }
        }
        // A secret that holds another is replaced first.
        redaction
            .named
            .sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        redaction
    }

    fn find(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if let (Some((_, kind)), Value::String(secret)) =
                        (SECRETS.iter().find(|(secret, _)| secret == name), member)
                    {
                        self.add(secret, kind);
                    }
                    self.find(member);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.find(item)),
            _ => {}
        }
    }

    fn add(&mut self, secret: &str, kind: &str) {
        let known = self.named.iter().any(|(known, _)| known == secret);
        if known || secret.chars().count() < SECRET_CHARS_MIN {
            return;
        }
        let same = |(_, name): &&(String, String)| name.starts_with(&format!("‹{kind}"));
        let number = self.named.iter().filter(same).count() + 1;
        self.named
            .push((secret.to_owned(), format!("‹{kind} {number}›")));
    }

    /// The text without the secrets.
    pub(super) fn apply(&self, text: &str) -> String {
        self.named
            .iter()
            .fold(text.to_owned(), |text, (secret, name)| {
                text.replace(secret.as_str(), name)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::history::Frame;

    #[test]
    fn secrets_are_named_by_their_order_wherever_they_stand() {
        let frame = |text: &str| Arc::new(Frame::text(text.to_owned()));
        let sent = |text: &str| Entry {
            at_us: 0,
            event: Event::Sent {
                conn: 0,
                frame: frame(text),
                resumes: None,
                own: true,
            },
        };
        let entries = [
            sent(r#"{"type":"hello","clientId":"alice-1234","token":"sesame-5678"}"#),
            sent(r#"{"type":"hello","clientId":"alice-1234-b"}"#),
            sent(r#"{"type":"hello","clientId":"ab"}"#),
        ];
        let redaction = Redaction::of(&entries);
        assert_eq!(
            redaction.apply("alice-1234-b, alice-1234 (sesame-5678), about ab"),
            "‹client 2›, ‹client 1› (‹token 1›), about ab"
        );
    }
}
