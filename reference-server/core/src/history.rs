//! History: what was changed, by whom and when, a page at a time.
//!
//! A page is made when the connection has room, and no sooner: who asks without reading keeps one request waiting and no more (HIST-PENDING).

mod chronicle;

use syncline_schemas::{
    DeletePastChange, ErrorMessage, History, Limits, Past, PastChange, Place, ServerMessage,
    SetPastChange, author, errors,
};

use crate::connection::error;
use crate::engine::Engine;
use crate::io::SessionKey;
use crate::names;
use crate::table::Position;

use chronicle::Range;
pub(crate) use chronicle::{Change, Chronicle, Noted};

/// A history that is to be told.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    re: u64,
    history: History,
}

/// Checks a `history` as far as it can be checked without the state (HIST-INVALID).
#[expect(clippy::result_large_err, reason = "what is read is no smaller")]
pub(crate) fn check(history: &History, limits: &Limits) -> Result<(), ErrorMessage> {
    let invalid = |at: &str, message: String| ErrorMessage {
        at: Some(at.to_owned()),
        ..error(&errors::INVALID_MESSAGE, message)
    };
    let key = history.key.as_deref();
    let names = [
        ("/table", names::check_table(&history.table, limits)),
        (
            "/key",
            key.map_or(Ok(()), |key| names::check_key(key, limits)),
        ),
    ];
    for (at, checked) in names {
        checked.map_err(|_| invalid(at, "no name that is allowed".to_owned()))?;
    }
    let most = limits.history_page_max.unwrap_or(0);
    match history.limit {
        Some(limit) if limit > most => {
            let message = format!("limits.historyPageMax is {most}");
            Err(invalid("/limit", message))
        }
        _ => Ok(()),
    }
}

impl Engine {
    /// A client asks. It is answered by a pump.
    pub(crate) fn ask_history(&mut self, session: SessionKey, re: u64, history: &History) {
        let Some(known) = self.sessions.find_mut(session) else {
            return;
        };
        if known.history.is_some() {
            let message = "an earlier history of this connection comes first";
            let refused = error(&errors::HISTORY_PENDING, message);
            return self.answer_error(session, re, refused);
        }
        let history = history.clone();
        known.history = Some(Asked { re, history });
        self.sessions.recalling.insert(session);
    }

    /// Tells the histories that were asked for, as far as there is room.
    pub(crate) fn answer_histories(&mut self, room: &impl Fn(SessionKey) -> usize) {
        let emptied = self.outbox.emptied;
        for session in std::mem::take(&mut self.sessions.recalling) {
            let Some(known) = self.sessions.find_mut(session) else {
                continue;
            };
            if known.room_left(room(session), emptied) == 0 {
                self.outbox.starved(session);
                self.sessions.recalling.insert(session);
                continue;
            }
            let Some(asked) = known.history.take() else {
                continue;
            };
            let text = ServerMessage::from(self.past(&asked)).encode();
            if let Some(known) = self.sessions.find_mut(session) {
                known.count_queued(text.len(), emptied);
            }
            self.outbox.text(vec![session], text);
        }
    }

    /// The page that was asked for, as things stand now (HIST-CHANGES, HIST-ORDER, HIST-PAGE).
    fn past(&self, asked: &Asked) -> Past {
        let (history, limits) = (&asked.history, &self.config.limits);
        let most = history.limit.or(limits.history_page_max).unwrap_or(0);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let range = Range {
            table: &history.table,
            key: history.key.as_deref(),
            after: history.after.as_ref().map_or(Position::after(0), behind),
            before: history
                .before
                .as_ref()
                .map_or(Position::after(u64::MAX), in_front),
        };
        let chronicle = self.state.chronicle.as_ref();
        let found = chronicle.map_or_else(Vec::new, |chronicle| {
            chronicle.page(range, history.order, most.saturating_add(1))
        });
        let fit = self.fitting(&found).min(most);
        Past {
            re: asked.re,
            from: chronicle.map_or(self.state.head + 1, Chronicle::from),
            to: self.state.head,
            changes: found[..fit]
                .iter()
                .map(|change| self.tell(change))
                .collect(),
            has_more: fit < found.len(),
        }
    }

    /// How many of these changes fit into a page: one at least.
    fn fitting(&self, changes: &[&Change]) -> usize {
        let mut bytes = 0;
        let fits = |change: &&&Change| {
            bytes += told_bytes(change);
            bytes <= self.config.part_bytes
        };
        changes
            .iter()
            .take_while(fits)
            .count()
            .max(1)
            .min(changes.len())
    }

    fn tell(&self, change: &Change) -> PastChange {
        let (table, key) = (change.table.to_string(), change.key.to_string());
        let (version, index) = (change.position.version, change.position.slot.into());
        let (author, at) = (author(&self.epoch, &change.author), change.at_ms);
        match &change.value {
            Some(value) => PastChange::Set(SetPastChange {
                table,
                key,
                version,
                index,
                author,
                at,
                value: value.clone(),
                siblings: (!change.siblings.is_empty()).then(|| change.siblings.clone()),
            }),
            None => PastChange::Delete(DeletePastChange {
                table,
                key,
                version,
                index,
                author,
                at,
            }),
        }
    }
}

/// Behind all that the place stands for.
fn behind(place: &Place) -> Position {
    Position {
        version: place.version,
        slot: place.index.map_or(u32::MAX, slot),
    }
}

/// In front of all that the place stands for.
fn in_front(place: &Place) -> Position {
    Position {
        version: place.version,
        slot: place.index.map_or(0, slot),
    }
}

/// An index that no change has is behind all that one has.
fn slot(index: u64) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Bytes of a change as it is told, at most: each character of a name may take six.
fn told_bytes(change: &Change) -> usize {
    const REST: usize = 256;
    const SIBLING: usize = 64;
    let value = change.value.as_ref().map_or(0, |value| value.get().len());
    let beside = change.siblings.iter();
    let beside: usize = beside
        .map(|sibling| SIBLING + sibling.value.get().len())
        .sum();
    REST + 6 * (change.table.len() + change.key.len()) + value + beside
}
