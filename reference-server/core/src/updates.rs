//! Making updates: what has changed goes to the subscribers, each shape's update encoded once for all that keep up.
//!
//! A pump has three passes, and then tells histories, digests and presence. *Broadcast*: each changed shape's live subscribers get one update to the head; who has no room for it
//! falls back to an update of its own, which later covers all that it missed at once (UPD-SLOW). *Level*: authors whose
//! shapes have not passed their mutations get an empty update (UPD-LEVEL). *Serve*: updates in parts go on, as far as there is room.
//!
//! All acks of what is covered left the engine before (UPD-ACK-FIRST).

use std::iter::Peekable;
use std::sync::Arc;

use syncline_schemas::mark;

use crate::encode::{self, Part, UpdateHead};
use crate::engine::Engine;
use crate::io::SessionKey;
use crate::sessions::{Staging, Subscription};
use crate::shapes::{Shape, ShapeId};
use crate::table::{ChangeRef, Position};

/// An author whose shape of a table must pass a version.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    pub(crate) session: SessionKey,
    pub(crate) table: Arc<str>,
    pub(crate) version: u64,
}

impl Engine {
    /// Makes the updates that are due. `room` says how many bytes a connection's queue can take, without what was not polled yet;
    /// with any room at all it may be given one frame more than fits. Does nothing while a step waits for its append.
    ///
    /// Says whether there is more to do at once: long work is done a piece at a time, so that nobody waits for all of it.
    pub fn pump(&mut self, room: impl Fn(SessionKey) -> usize) -> bool {
        if self.is_deciding() {
            return false;
        }
        for shape in self.shapes.take_changed() {
            self.broadcast(shape, &room);
        }
        // Whatever is behind the head now is behind it in a staging.
        self.pumped_to = self.state.head;
        for level in std::mem::take(&mut self.levels) {
            self.level(&level);
        }
        let mut scans = false;
        for session in self.sessions.staging.clone() {
            scans |= self.serve(session, &room);
        }
        self.changed_rows.clear();
        self.answer_histories(&room);
        let digests = self.answer_digests();
        let presence = !self.presence.is_idle() && self.tell_presence(&room);
        scans || digests || presence
    }

    /// Sends a changed shape's update to all its live subscribers.
    fn broadcast(&mut self, id: ShapeId, room: &impl Fn(SessionKey) -> usize) {
        let Some(shape) = self.shapes.find(id) else {
            return;
        };
        let (from, live): (_, Vec<_>) = (shape.at, shape.live.iter().copied().collect());
        if live.is_empty() {
            return self.pass(id);
        }
        if self.state.truncated_to > self.pumped_to {
            // Deletes may be forgotten that nobody was told of.
            mark!("server_truncated_before_pump");
            let replacement = Staging::replacement(self.state.head);
            live.into_iter()
                .for_each(|session| self.leave_live(id, session, replacement.clone()));
            return self.pass(id);
        }
        let Some(parts) = self.encode_live(id) else {
            return self.overlook(id);
        };
        let bytes = parts.iter().map(String::len).sum();
        let mut takers = Vec::with_capacity(live.len());
        for session in live {
            if self.takes(session, room(session), bytes, parts.len()) {
                takers.push(session);
            } else {
                mark!("server_subscriber_left_behind");
                let cursor = self.cursor(id, session, from);
                self.leave_live(id, session, Staging::catch_up(cursor, self.pumped_to));
            }
        }
        self.pass(id);
        if !takers.is_empty() {
            parts
                .into_iter()
                .for_each(|text| self.outbox.text(takers.clone(), text));
        }
    }

    /// All live subscribers of a shape are at the head now.
    fn pass(&mut self, id: ShapeId) {
        if let Some(shape) = self.shapes.find_mut(id) {
            shape.at = self.state.head;
            shape.seen = self.state.head;
        }
    }

    /// Nothing up to the head concerns the live subscribers of a shape: they are told nothing, and stay where they are.
    fn overlook(&mut self, id: ShapeId) {
        if let Some(shape) = self.shapes.find_mut(id) {
            shape.seen = self.state.head;
        }
    }

    /// All parts of a shape's update from its `at` to the head; nothing, if nothing of it concerns a filtered shape.
    fn encode_live(&self, id: ShapeId) -> Option<Vec<String>> {
        let shape = self.shapes.find(id)?;
        let after = Position::after(shape.seen);
        let changes = self.state.changes_after(&shape.tables, after);
        let Some(filters) = &shape.filters else {
            return Some(self.encode_parts(shape, changes.peekable()));
        };
        let told = |change| filters.told_change(change, &self.changed_rows);
        let mut changes = changes.filter_map(told).peekable();
        changes.peek()?;
        Some(self.encode_parts(shape, changes))
    }

    fn encode_parts<'a>(
        &self,
        shape: &Shape,
        mut changes: Peekable<impl Iterator<Item = ChangeRef<'a>>>,
    ) -> Vec<String> {
        let head = UpdateHead {
            shape: &shape.name,
            from: shape.at,
            to: self.state.head,
            whole: true,
        };
        let mut parts = Vec::new();
        loop {
            let part = encode::part(head, false, &mut changes, self.config.part_bytes);
            parts.push(part.text);
            if part.last {
                return parts;
            }
        }
    }

    /// Whether a session has room for an update, which then counts as queued.
    fn takes(&mut self, session: SessionKey, room: usize, bytes: usize, parts: usize) -> bool {
        let emptied = self.outbox.emptied;
        let Some(known) = self.sessions.find_mut(session) else {
            return false;
        };
        let left = known.room_left(room, emptied);
        let fits = left > 0 && (parts == 1 || bytes <= left);
        if fits {
            known.count_queued(bytes, emptied);
        }
        fits
    }

    /// A live subscriber's cursor, if its shape is at `shape_at`.
    fn cursor(&self, id: ShapeId, session: SessionKey, shape_at: u64) -> u64 {
        match self
            .sessions
            .find(session)
            .and_then(|known| known.shapes.get(&id))
        {
            Some(Subscription::Live { at }) => shape_at.max(*at),
            _ => shape_at,
        }
    }

    fn leave_live(&mut self, id: ShapeId, session: SessionKey, staging: Staging) {
        if let Some(shape) = self.shapes.find_mut(id) {
            shape.live.remove(&session);
        }
        self.sessions.stage(session, id, staging);
    }

    /// Brings an author's live shape of a table past a version by an empty update, if no other update has.
    fn level(&mut self, level: &Level) {
        let head = self.state.head;
        let Some(known) = self.sessions.find_mut(level.session) else {
            return;
        };
        let Some(id) = known.tables.get(&level.table) else {
            return;
        };
        let (Some(shape), Some(Subscription::Live { at })) =
            (self.shapes.find(*id), known.shapes.get_mut(id))
        else {
            return;
        };
        let cursor = shape.at.max(*at);
        if cursor >= level.version {
            return;
        }
        *at = head;
        let update = UpdateHead {
            shape: &shape.name,
            from: cursor,
            to: head,
            whole: true,
        };
        let empty = encode::part(update, false, &mut std::iter::empty().peekable(), 0);
        self.outbox.text(vec![level.session], empty.text);
    }

    /// Goes on with a session's updates in parts, while it has room. Says whether there is more to do at once: a long scan that has found nothing yet.
    fn serve(&mut self, session: SessionKey, room: &impl Fn(SessionKey) -> usize) -> bool {
        let emptied = self.outbox.emptied;
        let Some(known) = self.sessions.find(session) else {
            return false;
        };
        let mut left = known.room_left(room(session), emptied);
        while let Some(id) = self
            .sessions
            .find(session)
            .and_then(|known| known.turns.front().copied())
        {
            if left == 0 {
                self.outbox.starved(session);
                return false;
            }
            let Some(part) = self.next_part(session, id) else {
                return true;
            };
            left = left.saturating_sub(part.text.len());
            if let Some(known) = self.sessions.find_mut(session) {
                known.count_queued(part.text.len(), emptied);
                known.turns.rotate_left(1);
                if part.last {
                    known.turns.pop_back();
                }
            }
            self.outbox.text(vec![session], part.text);
        }
        self.sessions.staging.remove(&session);
        false
    }

    /// Makes the next part of a session's update of a shape; none yet, if a long scan finds nothing that goes in. The last one, made in one go with the state
    /// at the head, makes the subscription live.
    fn next_part(&mut self, session: SessionKey, id: ShapeId) -> Option<Part> {
        let (head, part_bytes) = (self.state.head, self.config.part_bytes);
        let known = self.sessions.find_mut(session)?;
        let subscription = known.shapes.get_mut(&id)?;
        let shape = self.shapes.find_mut(id)?;
        let Subscription::Staging(staging) = subscription else {
            return None;
        };
        if staging.has_lost(self.state.truncated_to) {
            *staging = Staging::replacement(head);
        }
        let (base, sent) = (staging.base, staging.sent);
        let update = UpdateHead {
            shape: &shape.name,
            from: staging.from,
            to: head,
            whole: true,
        };
        let replace = staging.replace && !staging.started;
        let part = if let Some(filters) = &shape.filters {
            let changes = self.state.changes_within(&shape.tables, filters, sent);
            let picked = filters.pick(changes, base, part_bytes);
            let whole = picked.scanned.is_none();
            if let (Some(scanned), true) = (picked.scanned, picked.changes.is_empty()) {
                staging.sent = scanned;
                return None;
            }
            let mut changes = picked.changes.into_iter().peekable();
            let update = UpdateHead { whole, ..update };
            let part = encode::part(update, replace, &mut changes, part_bytes);
            let sent = part.sent.filter(|_| changes.peek().is_some());
            Part {
                sent: sent.or(picked.scanned),
                ..part
            }
        } else {
            let changes = self.state.changes_after(&shape.tables, sent);
            let mut changes = changes
                .filter(|change: &ChangeRef<'_>| {
                    !change.is_delete() || change.position.version > base
                })
                .peekable();
            encode::part(update, replace, &mut changes, part_bytes)
        };
        if part.last {
            let replaced = staging.replace;
            *subscription = Subscription::Live { at: head };
            shape.live.insert(session);
            if replaced && known.digests.owe(id) {
                self.sessions.digesting.insert(session);
            }
        } else {
            staging.started = true;
            staging.sent = part.sent.unwrap_or(sent);
        }
        Some(part)
    }
}
