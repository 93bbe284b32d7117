//! Presence: what the app says of itself while it is connected, and what it hears of others.
//!
//! Nothing of it is stored. One's own state is a wish that is told to each session anew; of others only what the session that lasts has said is known,
//! for without a connection nobody could be heard leaving.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_schemas::{ClientMessage, ErrorMessage, Json, Present};

use crate::env::Env;
use crate::events::{Event, Origin};
use crate::limits::{self, Refusal};
use crate::replica::Replica;
use crate::session::{Link, Session};

/// The capability's name.
pub(crate) const PRESENCE: &str = "presence";

/// How long to wait before a state is presented again for which there was no room, where the server does not say.
const RETRY_MS: u64 = 1_000;

/// The other sessions that are present, by their names.
pub type Others = BTreeMap<String, Arc<Other>>;

/// Another session that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Whose session it is: the same for all sessions of one client, and nothing that leads to its `clientId`. None: one that only reads.
    pub author: Option<String>,
    /// What it says of itself.
    pub state: Json,
}

/// What is known beyond a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence {
    /// Whether the others are of interest.
    pub(crate) watches: bool,
    /// What the app wants the others to see; none: it is not present.
    own: Option<Json>,
    pub(crate) others: Others,
}

/// What a session that offers it has been told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Whether it has what the app wants.
    is_unsaid: bool,
    /// Whether it holds a state.
    has_state: bool,
    /// When something may be said again.
    pub(crate) from_ms: u64,
    /// The last frame that said something.
    frame: u64,
}

impl Told {
    /// When something is to be said.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.is_unsaid.then_some(self.from_ms)
    }
}

/// The app's inputs.
impl Replica {
    /// The app wants to know who else is present: from the next session on.
    pub fn watch_presence(&mut self) {
        self.presence.watches = true;
    }

    /// The app wants to be seen by others with this state, or no more: from now on, on every session whose server offers it (`PRES-AGAIN`).
    ///
    /// # Errors
    /// The state passes the limits known (`LIMIT-KEPT`): nothing has changed.
    pub fn present(&mut self, state: Option<Json>, env: Env) -> Result<(), Refusal> {
        if let Some(state) = &state {
            limits::check_state(state, self.limits())?;
        }
        self.env = env;
        self.presence.own = state;
        if let Some(told) = self.session().and_then(|session| session.presence.as_mut()) {
            told.is_unsaid = true;
        }
        self.finish(Origin::Local);
        Ok(())
    }

    /// Who else is present, as far as the session knows.
    #[must_use]
    pub fn others(&self) -> &Others {
        &self.presence.others
    }
}

impl Replica {
    /// Says what the session has not been told, not more often than it wants to hear (`PRES-CALM`).
    pub(crate) fn present_if_due(&mut self) {
        let now_ms = self.env.steady_ms;
        let Link::Ready(session) = &mut self.link else {
            return;
        };
        let Session {
            limits, presence, ..
        } = &mut **session;
        let is_due = |told: &&mut Told| told.due_ms().is_some_and(|due_ms| now_ms >= due_ms);
        let Some(told) = presence.as_mut().filter(is_due) else {
            return;
        };
        told.is_unsaid = false;
        // One that a later welcome does not let pass is as good as none.
        let fits = |state: &Json| limits::check_state(state, limits).is_ok();
        let state = self.presence.own.clone().filter(fits);
        if state.is_none() && !told.has_state {
            return;
        }
        told.has_state = state.is_some();
        told.from_ms = now_ms + limits.presence_interval_ms.unwrap_or(0);
        let frame = self.send(ClientMessage::Present(Present { state }));
        if let Some(told) = self.session().and_then(|session| session.presence.as_mut()) {
            told.frame = frame;
        }
    }

    /// A `present` was refused. Where there may be room later it is sent again; a state that is refused for good is not.
    pub(crate) fn on_present_refused(&mut self, error: &ErrorMessage) -> bool {
        let now_ms = self.env.steady_ms;
        let told = self.session().and_then(|session| session.presence.as_mut());
        let Some(told) = told.filter(|told| error.re == Some(told.frame)) else {
            return false;
        };
        if error.retryable {
            told.is_unsaid = true;
            told.from_ms = now_ms + error.retry_after_ms.unwrap_or(RETRY_MS);
        }
        true
    }

    /// The server tells of another session (`PRES-BY-SESSION`).
    pub(crate) fn on_presence(&mut self, presence: syncline_schemas::Presence) {
        let author = presence.author;
        let other = presence
            .state
            .map(|state| Arc::new(Other { author, state }));
        let (session, others) = (presence.session, &mut self.presence.others);
        let before = match &other {
            Some(other) => others.insert(session.clone(), other.clone()),
            None => others.remove(&session),
        };
        if before != other {
            self.events.push_back(Event::Presence { session, other });
        }
    }

    /// Without a session nobody is there (`PRES-LOST`).
    pub(crate) fn lose_others(&mut self) {
        if matches!(self.link, Link::Ready(_)) {
            return;
        }
        for (session, _) in std::mem::take(&mut self.presence.others) {
            self.events.push_back(Event::Presence {
                session,
                other: None,
            });
        }
    }

    /// A session has begun: it is told what the app wants, if its server offers that (`PRES-OFFERED`, `PRES-AGAIN`).
    pub(crate) fn introduce(&self, session: &mut Session, offered: bool) {
        session.presence = offered.then(|| Told {
            is_unsaid: self.presence.own.is_some(),
            ..Told::default()
        });
    }
}
