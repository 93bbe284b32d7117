//! Presence: what sessions have presented, and what watchers were told, as the chapter on presence has it. The author is made here anew, so that no fault
//! is shared with those who are judged.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Facts;
use super::conn::Conn;
use crate::history::{ConnIx, Frame};

/// One `present` of a session.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The entry.
    pub at: usize,
    /// The state; none: it withdrew.
    pub state: Option<&'a Value>,
    /// The entry of the error that refused it.
    pub refused_at: Option<usize>,
}

/// What others see of a client in a history.
#[must_use]
pub fn author(epoch: &str, client: &str) -> String {
    let text = format!("syncline.v1.author:{epoch}:{client}");
    let hash = Sha256::digest(text.as_bytes());
    hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Conn {
    /// The session's name.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.welcome.as_ref()?.1["session"].as_str()
    }
}

impl Facts {
    /// The connection whose session has this name.
    #[must_use]
    pub fn of_session(&self, name: &str) -> Option<ConnIx> {
        let mut conns = self.conns.iter();
        conns.position(|conn| conn.session() == Some(name))
    }

    /// Whether the session watches: it has named the capability, and the server offers it.
    #[must_use]
    pub fn watches(&self, conn: &Conn) -> bool {
        conn.offers("presence") && self.names(conn, "presence")
    }

    /// Whether a `hello` has named a capability.
    #[must_use]
    pub fn names(&self, conn: &Conn, capability: &str) -> bool {
        let hello = conn.hello.as_ref().and_then(|hello| self.frame(hello.at));
        let named = hello.and_then(|hello| hello.member("capabilities")?.as_array());
        named.is_some_and(|named| named.iter().any(|name| name == capability))
    }

    /// What a session has presented, in order.
    pub fn presented<'a>(&'a self, conn: &'a Conn) -> impl Iterator<Item = Presented<'a>> {
        conn.sent.iter().filter_map(|sent| {
            let frame = self
                .frame(sent.at)
                .filter(|frame| frame.kind() == "present")?;
            Some(Presented {
                at: sent.at,
                state: frame.member("state"),
                refused_at: sent.answer,
            })
        })
    }

    /// The state that a session has last presented, without what was refused.
    #[must_use]
    pub fn state<'a>(&'a self, conn: &'a Conn) -> Option<&'a Value> {
        let taken = self
            .presented(conn)
            .filter(|presented| presented.refused_at.is_none());
        taken.last()?.state
    }

    /// What a watcher was last told of a session: the frame.
    #[must_use]
    pub fn told<'a>(&'a self, watcher: &Conn, session: &str) -> Option<&'a Frame> {
        self.frame(*watcher.others.get(session)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_hold() {
        let vectors = include_str!("../../../schemas/v1/vectors/authors.json");
        let vectors: Value = serde_json::from_str(vectors).expect("JSON");
        let authors = vectors["authors"].as_array().expect("authors");
        assert!(authors.len() > 5);
        for vector in authors {
            let text = |name: &str| vector[name].as_str().expect("a string");
            assert_eq!(author(text("epoch"), text("clientId")), text("author"));
        }
    }
}
