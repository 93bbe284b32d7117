//! [`Words`]: who is present, what was last said of each, and which watchers know it.
//!
//! Each session's last state becomes a *word* when it is due; the words are numbered as they are made, and a watcher is known by the number up to which it
//! has been told all that still stands. Who has no room is left behind, and later gets the last word of each session, not all that were (PRES-PRESSURE).
//! A word goes to each watcher once at most, and a session's words are `limits.presenceIntervalMs` apart (PRES-INTERVAL).
//!
//! ```text
//!   present --> pending --due--> word n --room--> the watchers that are level (told up to n - 1)
//!                  ^                |
//!   present again -+                +--no room--> left behind at n - 1 --room--> the words after it --> level
//! ```

use std::collections::{BTreeMap, BTreeSet};

use syncline_schemas::{Json, Limits, Presence};

use crate::io::SessionKey;

/// The presence of one workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// The number of the last word.
    last: u64,
    /// The sessions that have presented, until they end.
    sessions: BTreeMap<SessionKey, Present>,
    /// How many of them are present.
    present: u64,
    /// Those of which a word has been made, by the number of the last.
    said: BTreeMap<u64, SessionKey>,
    /// Those that have something new to say, by when they may.
    waiting: BTreeSet<(u64, SessionKey)>,
    /// The last words of those that have ended, which are due.
    ending: Vec<LastWord>,
    /// Last words that some who are left behind have still to be told.
    gone: BTreeMap<u64, LastWord>,
    /// The watchers that have been told everything.
    level: BTreeSet<SessionKey>,
    /// The other watchers, each with the number up to which it has.
    behind: BTreeMap<SessionKey, u64>,
}

/// A session that has presented.
#[derive(Clone, Debug)]
struct Present {
    name: String,
    author: Option<String>,
    is_present: bool,
    /// What it has presented since the last word; no state: it has withdrawn.
    pending: Option<Option<Json>>,
    /// When that may be said.
    due_ms: u64,
    /// The numbers of its first word and of its last; 0: there was none.
    first: u64,
    last: u64,
    /// The last word, as a frame, and whether it says a state.
    text: String,
    says_state: bool,
}

/// The word that a session is gone.
#[derive(Clone, Debug)]
pub(crate) struct LastWord {
    pub(crate) text: String,
    /// The number of the session's first word: who was left behind before it has never heard of the session.
    first: u64,
}

/// How long at least between two words of a session.
fn interval_ms(limits: &Limits) -> u64 {
    limits.presence_interval_ms.unwrap_or(1)
}

/// Whether something is due. A clock that was put back must not keep it waiting.
fn is_due(due_ms: u64, now_ms: u64, limits: &Limits) -> bool {
    due_ms <= now_ms || due_ms - now_ms > interval_ms(limits)
}

impl Words {
    /// A session that watches has been opened.
    pub(crate) fn watch(&mut self, session: SessionKey) {
        self.behind.insert(session, 0);
    }

    /// Whether nobody watches or is present, so that there is nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.behind.is_empty() && self.waiting.is_empty() && self.ending.is_empty()
    }

    /// Whether a session may present a state (PRES-FULL).
    pub(crate) fn has_room(&self, session: SessionKey, limits: &Limits) -> bool {
        let is_present = self
            .sessions
            .get(&session)
            .is_some_and(|own| own.is_present);
        is_present || self.present < limits.presence_sessions_max.unwrap_or(u64::MAX)
    }

    /// A session presents a state, or withdraws. `who` makes its name and author, the first time.
    pub(crate) fn present(
        &mut self,
        session: SessionKey,
        state: Option<Json>,
        now_ms: u64,
        who: impl FnOnce() -> (String, Option<String>),
    ) {
        if state.is_none() && !self.sessions.contains_key(&session) {
            return;
        }
        let own = self.sessions.entry(session).or_insert_with(|| {
            let (name, author) = who();
            Present::new(name, author, now_ms)
        });
        match (own.is_present, state.is_some()) {
            (false, true) => self.present += 1,
            (true, false) => self.present -= 1,
            _ => {}
        }
        own.is_present = state.is_some();
        own.pending = Some(state);
        self.waiting.insert((own.due_ms, session));
    }

    /// A session has ended, as a watcher and as one who was present.
    pub(crate) fn end(&mut self, session: SessionKey) {
        self.level.remove(&session);
        if self.behind.remove(&session).is_some() {
            self.forget();
        }
        let Some(own) = self.sessions.remove(&session) else {
            return;
        };
        self.waiting.remove(&(own.due_ms, session));
        self.said.remove(&own.last);
        self.present -= u64::from(own.is_present);
        let last = LastWord {
            text: own.word(None),
            first: own.first,
        };
        if own.says_state {
            self.ending.push(last);
        } else if own.last > 0 {
            self.keep(own.last, last);
        }
    }

    /// The next word of a session that has ended, as one that is made now. To be [kept](Words::keep) when it is told.
    pub(crate) fn next_ending(&mut self) -> Option<(u64, LastWord)> {
        let ending = self.ending.pop()?;
        self.last += 1;
        Some((self.last, ending))
    }

    /// Makes the next word that is due: whose, and the frame.
    pub(crate) fn next_due(
        &mut self,
        now_ms: u64,
        limits: &Limits,
    ) -> Option<(SessionKey, String)> {
        while let Some((due_ms, session)) = self.waiting.first().copied() {
            if !is_due(due_ms, now_ms, limits) {
                return None;
            }
            self.waiting.pop_first();
            let Some(own) = self.sessions.get_mut(&session) else {
                continue;
            };
            let state = own.pending.take().flatten();
            if state.is_none() && !own.says_state {
                // It came and went between two words.
                continue;
            }
            own.due_ms = now_ms.saturating_add(interval_ms(limits));
            own.says_state = state.is_some();
            own.text = own.word(state);
            self.said.remove(&own.last);
            self.last += 1;
            own.last = self.last;
            if own.first == 0 {
                own.first = own.last;
            }
            self.said.insert(own.last, session);
            return Some((session, own.text.clone()));
        }
        None
    }

    /// A watcher that was level had no room for the last word.
    pub(crate) fn leave_behind(&mut self, session: SessionKey) {
        self.level.remove(&session);
        self.behind.insert(session, self.last - 1);
    }

    /// The next word that a watcher lacks which was told everything up to `seen`: its number, and the frame. Nothing: it is level.
    pub(crate) fn next_after(&self, watcher: SessionKey, seen: u64) -> Option<(u64, &str)> {
        let of_present = self.said.range(seen + 1..).find_map(|(number, session)| {
            let own = self.sessions.get(session)?;
            let concerns = *session != watcher && (own.says_state || own.first <= seen);
            concerns.then_some((*number, own.text.as_str()))
        });
        let mut gone = self.gone.range(seen + 1..);
        let of_gone = gone
            .find(|(_, word)| word.first <= seen)
            .map(|(number, word)| (*number, word.text.as_str()));
        of_present.into_iter().chain(of_gone).min()
    }

    /// A watcher that was behind has been told everything up to a word; without one, everything.
    pub(crate) fn catch_up(&mut self, watcher: SessionKey, seen: Option<u64>) {
        match seen {
            Some(seen) => {
                self.behind.insert(watcher, seen);
            }
            None => {
                self.behind.remove(&watcher);
                self.level.insert(watcher);
                self.forget();
            }
        }
    }

    /// Watchers that are behind, and up to which number each knows everything.
    pub(crate) fn behind(&self) -> Vec<(SessionKey, u64)> {
        let behind = self.behind.iter();
        behind.map(|(session, seen)| (*session, *seen)).collect()
    }

    /// Watchers that know everything, but for one.
    pub(crate) fn level_but(&self, session: Option<SessionKey>) -> Vec<SessionKey> {
        let level = self.level.iter().copied();
        level.filter(|watcher| Some(*watcher) != session).collect()
    }

    /// How long until something is due; nothing, if nothing waits for the time.
    pub(crate) fn due_in_ms(&self, now_ms: u64, limits: &Limits) -> Option<u64> {
        let (due_ms, _) = self.waiting.first()?;
        let due = is_due(*due_ms, now_ms, limits);
        Some(if due { 0 } else { due_ms - now_ms })
    }

    /// Keeps a last word for those who were left behind and have heard of the session.
    pub(crate) fn keep(&mut self, number: u64, word: LastWord) {
        if lacks(&self.behind, number, &word) {
            self.gone.insert(number, word);
        }
    }

    /// Forgets the last words that nobody lacks any more.
    fn forget(&mut self) {
        if self.gone.is_empty() {
            return;
        }
        let behind = &self.behind;
        self.gone
            .retain(|number, word| lacks(behind, *number, word));
    }
}

/// Whether someone who was left behind knows the session, and not that it is gone.
fn lacks(behind: &BTreeMap<SessionKey, u64>, number: u64, word: &LastWord) -> bool {
    behind
        .values()
        .any(|seen| (word.first..number).contains(seen))
}

impl Present {
    fn new(name: String, author: Option<String>, now_ms: u64) -> Present {
        Present {
            name,
            author,
            is_present: false,
            pending: None,
            due_ms: now_ms,
            first: 0,
            last: 0,
            text: String::new(),
            says_state: false,
        }
    }

    /// The frame that says this state.
    fn word(&self, state: Option<Json>) -> String {
        let word = Presence {
            session: self.name.clone(),
            author: self.author.clone(),
            state,
        };
        syncline_schemas::ServerMessage::Presence(word).encode()
    }
}
