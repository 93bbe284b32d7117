//! A sync that is under way: which mutations and shapes it is of, and what the app is told of it.

use std::collections::BTreeSet;

use crate::events::{Event, Progress, SyncCounts};
use crate::replica::Replica;
use crate::session::{Link, LiveShape, Session, Stage};
use crate::stored::Tables;

/// A sync that is under way, from its start to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Whether the app has asked for it.
    asked: bool,
    /// How many mutations it is of.
    pub(crate) total: u64,
    /// How many of them are undecided: the next so many outcomes are theirs.
    pub(crate) left: u64,
    /// The shapes that have not reached the server yet.
    pub(crate) behind: BTreeSet<Tables>,
    counts: SyncCounts,
    /// How many rows came, staged ones included.
    received: u64,
    /// What the app was told last: how many were done, how many rows had come.
    told: (u64, u64),
}

impl Run {
    /// Whether the app has asked for it.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// One of its mutations, if any is left, was decided.
    pub(crate) fn decided(&mut self, applied: bool) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        self.counts.pushed += 1;
        let counted = if applied {
            &mut self.counts.applied
        } else {
            &mut self.counts.rejected
        };
        *counted += 1;
    }

    /// The last undecided mutations were put before the app; so many are left (`CLIENT-DOUBT`).
    pub(crate) fn put_in_doubt(&mut self, pending: u64) {
        let lost = self.left.saturating_sub(pending);
        self.left -= lost;
        self.counts.pushed += lost;
        self.counts.in_doubt += lost;
    }
}

impl Replica {
    /// So many changes have come, in an update or a part of one.
    pub(crate) fn changes_received(&mut self, changes: usize) {
        if let Some(run) = &mut self.control.run {
            run.received += changes as u64;
        }
    }

    /// A row of the base has changed by an update.
    pub(crate) fn row_changed(&mut self) {
        if let Some(run) = &mut self.control.run {
            run.counts.rows += 1;
        }
    }

    /// Asks for shapes anew, each once its first update is complete: one that is under way is not begun again.
    pub(crate) fn ask_again(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let due = session.shapes.iter();
        let due = due.filter(|(_, shape)| shape.again && shape.levelled);
        let due: Vec<(Tables, bool)> = due.map(|(of, shape)| (of.clone(), shape.gapped)).collect();
        due.into_iter()
            .for_each(|(tables, gapped)| self.ask_for(tables, gapped));
    }

    /// In a session there is something to do that the app has not asked for: only of interest to who watches.
    pub(crate) fn begin_run_of_itself(&mut self) {
        let (Link::Ready(session), control) = (&self.link, &self.control) else {
            return;
        };
        if !control.watched || control.run.is_some() {
            return;
        }
        let left = control.pushable().min(self.durable.pending());
        let behind = self.durable.shapes.keys();
        let behind: BTreeSet<Tables> = behind
            .filter(|tables| control.mode.pulls() && session.is_behind(tables))
            .cloned()
            .collect();
        if left > 0 || !behind.is_empty() {
            self.begin_run(false, left, behind);
        }
    }

    pub(crate) fn begin_run(&mut self, asked: bool, left: u64, behind: BTreeSet<Tables>) {
        if self.control.run.is_none() {
            self.tell_progress(Progress::Start { pending: left });
        }
        let run = self.control.run.get_or_insert_default();
        run.asked |= asked;
        run.total += left.saturating_sub(run.left);
        run.left = run.left.max(left);
        run.behind.extend(behind);
    }

    /// Tells how far the run has come, and ends it if that is all.
    pub(crate) fn follow_run(&mut self) {
        let Some(run) = &mut self.control.run else {
            return;
        };
        let shapes = &self.durable.shapes;
        run.behind.retain(|tables| shapes.contains_key(tables));
        if let Link::Ready(session) = &self.link {
            run.behind.retain(|tables| session.is_behind(tables));
        }
        let (total, rows) = (run.total, run.received);
        let done = total - run.left;
        let is_news = std::mem::replace(&mut run.told, (done, rows)) != (done, rows);
        let is_over = run.left == 0 && run.behind.is_empty();
        if is_news {
            self.tell_progress(Progress::Part { done, total, rows });
        }
        if is_over && let Some(run) = self.control.run.take() {
            let end = Event::Sync(Progress::End(run.counts));
            if run.asked || self.control.watched {
                self.events.push_back(end);
            }
        }
    }

    /// Something went wrong while a sync was under way.
    pub(crate) fn tell_trouble(&mut self) {
        if self.control.run.is_some()
            && let Some(trouble) = self.last_error.clone()
        {
            self.tell_progress(Progress::Error(trouble));
        }
    }

    fn tell_progress(&mut self, progress: Progress) {
        if self.control.watched {
            self.events.push_back(Event::Sync(progress));
        }
    }
}

impl Session {
    /// Whether a shape has not had what it was asked for yet. One that the server refused is not waited for.
    fn is_behind(&self, tables: &Tables) -> bool {
        let behind =
            |shape: &LiveShape| (!shape.levelled || shape.again) && shape.stage != Stage::Refused;
        self.shapes.get(tables).is_none_or(behind)
    }
}
