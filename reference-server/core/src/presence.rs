//! Presence: who is there, and a small state of each. No part of the log.
//!
//! What others do all the time must not cost those who have something to say. So presence is a level and not a stream ([`words`]), comes after
//! everything else of a pump, a bounded piece at a time, and leaves in each queue the room that the next part of an update needs (PRES-PRESSURE).

mod words;

use syncline_schemas::{ErrorMessage, Limits, Present, author, errors};

use crate::config::PRESENCE;
use crate::connection::error;
use crate::engine::Engine;
use crate::io::SessionKey;

pub(crate) use words::Words;

/// Words that one pump gives out, about, each to one watcher counted: some milliseconds.
const WORDS_A_PUMP: usize = 4096;

/// Checks a `present` as far as it can be checked without the state (PRES-BYTES).
#[expect(clippy::result_large_err, reason = "what is read is no smaller")]
pub(crate) fn check(present: &Present, limits: &Limits) -> Result<(), ErrorMessage> {
    let bytes = present.state.as_ref().map_or(0, |state| state.get().len()) as u64;
    let most = limits.presence_bytes_max.unwrap_or(0);
    if bytes <= most {
        return Ok(());
    }
    let message = format!("{bytes} bytes, limits.presenceBytesMax is {most}");
    Err(ErrorMessage {
        at: Some("/state".to_owned()),
        ..error(&errors::INVALID_MESSAGE, message)
    })
}

impl Engine {
    /// How long until time alone makes something due, by a clock that shows this: then [`decide`](Engine::decide) and [`pump`](Engine::pump)
    /// are to be called, whether anything has come or not. Nothing, if nothing waits for the time.
    #[must_use]
    pub fn due_in_ms(&self, now_ms: u64) -> Option<u64> {
        self.presence.due_in_ms(now_ms, &self.config.limits)
    }

    /// A session that names the capability watches the others from now on (PRES-SET).
    pub(crate) fn watch_presence(&mut self, session: SessionKey, named: bool) {
        if named && self.config.offers(PRESENCE) {
            self.presence.watch(session);
        }
    }

    /// The procedure for `present`.
    pub(crate) fn present(&mut self, session: SessionKey, re: u64, present: &Present) {
        let Some(known) = self.sessions.find(session) else {
            return;
        };
        let limits = &self.config.limits;
        if present.state.is_some() && !self.presence.has_room(session, limits) {
            let message = "limits.presenceSessionsMax sessions are present";
            return self.answer_error(session, re, error(&errors::PRESENCE_FULL, message));
        }
        let epoch = &self.epoch;
        let who = || {
            let author = known.client.as_deref().map(|client| author(epoch, client));
            (known.name.clone(), author)
        };
        let state = present.state.clone();
        self.presence.present(session, state, self.now_ms, who);
    }

    /// Tells the watchers what is due, as far as there is room. Says whether more could be told, with more work.
    pub(crate) fn tell_presence(&mut self, room: &impl Fn(SessionKey) -> usize) -> bool {
        let mut budget = WORDS_A_PUMP;
        while budget > 0 {
            if let Some((number, last)) = self.presence.next_ending() {
                self.tell_level(None, &last.text, room, &mut budget);
                self.presence.keep(number, last);
            } else if let Some((session, text)) =
                self.presence.next_due(self.now_ms, &self.config.limits)
            {
                self.tell_level(Some(session), &text, room, &mut budget);
            } else {
                break;
            }
        }
        for (watcher, seen) in self.presence.behind() {
            self.tell_behind(watcher, seen, room, &mut budget);
        }
        budget == 0
    }

    /// Gives a word that was just made to the watchers that know all before it, but for the session itself.
    fn tell_level(
        &mut self,
        session: Option<SessionKey>,
        text: &str,
        room: &impl Fn(SessionKey) -> usize,
        budget: &mut usize,
    ) {
        let watchers = self.presence.level_but(session);
        *budget = budget.saturating_sub(watchers.len().max(1));
        let mut takers = Vec::with_capacity(watchers.len());
        for watcher in watchers {
            if self.takes_word(watcher, room(watcher), text.len()) {
                takers.push(watcher);
            } else {
                self.presence.leave_behind(watcher);
            }
        }
        if !takers.is_empty() {
            self.outbox.text(takers, text.to_owned());
        }
    }

    /// Gives a watcher that was left behind the words that it lacks, while it has room.
    fn tell_behind(
        &mut self,
        watcher: SessionKey,
        mut seen: u64,
        room: &impl Fn(SessionKey) -> usize,
        budget: &mut usize,
    ) {
        while let Some((number, text)) = self.presence.next_after(watcher, seen) {
            if *budget == 0 {
                return self.presence.catch_up(watcher, Some(seen));
            }
            let text = text.to_owned();
            if !self.takes_word(watcher, room(watcher), text.len()) {
                self.outbox.starved(watcher);
                return self.presence.catch_up(watcher, Some(seen));
            }
            *budget -= 1;
            seen = number;
            self.outbox.text(vec![watcher], text);
        }
        self.presence.catch_up(watcher, None);
    }

    /// Whether a session has room for a word, which then counts as queued: if a part of an update still finds room behind it.
    fn takes_word(&mut self, session: SessionKey, room: usize, bytes: usize) -> bool {
        let emptied = self.outbox.emptied;
        let needs = bytes.saturating_add(self.config.part_bytes);
        let Some(known) = self.sessions.find_mut(session) else {
            return false;
        };
        let fits = known.room_left(room, emptied) >= needs;
        if fits {
            known.count_queued(bytes, emptied);
        }
        fits
    }
}
