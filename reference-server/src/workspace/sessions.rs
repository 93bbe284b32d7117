//! The links of a workspace's sessions: where the engine's outputs go.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use syncline_server_core::SessionKey;

use crate::closing::Closing;
use crate::link::Link;

/// The sessions that are open. When this is dropped before its time, they are told that the server has failed.
#[derive(Default)]
pub(super) struct Sessions(HashMap<SessionKey, Arc<Link>>);

impl Sessions {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, session: SessionKey, link: Arc<Link>) {
        self.0.insert(session, link);
    }

    pub(super) fn remove(&mut self, session: SessionKey) -> Option<Arc<Link>> {
        self.0.remove(&session)
    }

    pub(super) fn link(&self, session: SessionKey) -> Option<&Link> {
        self.0.get(&session).map(Arc::as_ref)
    }

    /// Gives one frame to many; returns those that could not take it and were closed.
    pub(super) fn send(&self, to: &[SessionKey], text: String) -> Vec<SessionKey> {
        let frame = Utf8Bytes::from(text);
        let refused = |session: &&SessionKey| {
            self.link(**session)
                .is_some_and(|link| !link.send(frame.clone()))
        };
        to.iter().filter(refused).copied().collect()
    }

    /// Closes all, after what they have been given.
    pub(super) fn close_all(&mut self, closing: &Closing) {
        for (_, link) in self.0.drain() {
            link.close(closing.clone());
        }
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.close_all(&Closing::internal());
    }
}
