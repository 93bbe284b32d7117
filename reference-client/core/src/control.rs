//! The app's control of the sync: in which directions it goes, when pushes begin, and how far it has come.
//!
//! Nothing of it is stored: the app says it anew at each start. An entry of the outbox *waits* until the trigger lets it through; what was let through
//! stays so, whatever becomes of connections. As entries are decided in order, a number says which those are: so many from the first undecided one on.

use std::collections::BTreeSet;

use crate::env::Env;
use crate::events::Origin;
use crate::replica::Replica;
use crate::run::Run;
use crate::stored::Tables;

/// In which directions a replica syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Writes are pushed, and what the server has is followed.
    #[default]
    Both,
    /// Writes are pushed; nothing is subscribed to. What is held of the shapes stays as it is (`CLIENT-MODE-PUSH`).
    PushOnly,
    /// What the server has is followed; nothing is pushed. Writes stay in the outbox (`CLIENT-MODE-PULL`).
    PullOnly,
}

/// What lets writes through to the server (`CLIENT-TRIGGER`). With each of them [`Replica::sync`] does so, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trigger {
    /// Each at once.
    #[default]
    Immediate,
    /// None, until the app asks for it.
    Manual,
    /// All that wait, so many milliseconds after the first of them began to wait.
    Interval(u64),
    /// All that wait, as soon as they are so many.
    Threshold(u64),
}

impl Mode {
    fn pushes(self) -> bool {
        self != Mode::PullOnly
    }

    pub(crate) fn pulls(self) -> bool {
        self != Mode::PushOnly
    }
}

/// What the app wants of the sync, and how that stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Control {
    pub(crate) mode: Mode,
    trigger: Trigger,
    /// How many undecided entries the trigger has let through, from the first on.
    let_through: u64,
    /// When the interval lets the waiting entries through.
    due_ms: Option<u64>,
    /// Whether the app wants to hear of progress.
    pub(crate) watched: bool,
    pub(crate) run: Option<Run>,
}

impl Control {
    /// How many undecided entries may be pushed, from the first on.
    pub(crate) fn pushable(&self) -> u64 {
        match (self.mode, self.trigger) {
            (Mode::PullOnly, _) => 0,
            (_, Trigger::Immediate) => u64::MAX,
            _ => self.let_through,
        }
    }

    /// When the interval is over.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// The first undecided entry was decided.
    pub(crate) fn decided(&mut self, applied: bool) {
        self.let_through = self.let_through.saturating_sub(1);
        if let Some(run) = &mut self.run {
            run.decided(applied);
        }
    }

    /// The last undecided entries were put before the app; so many are left (`CLIENT-DOUBT`).
    pub(crate) fn put_in_doubt(&mut self, pending: u64) {
        self.let_through = self.let_through.min(pending);
        if let Some(run) = &mut self.run {
            run.put_in_doubt(pending);
        }
    }

    /// Lets entries through, by the trigger; so many are undecided.
    fn pull_trigger(&mut self, pending: u64, now_ms: u64) {
        let waiting = pending.saturating_sub(self.let_through);
        let fires = match self.trigger {
            _ if waiting == 0 => true,
            Trigger::Immediate => true,
            Trigger::Manual => false,
            Trigger::Interval(ms) => {
                now_ms >= *self.due_ms.get_or_insert(now_ms.saturating_add(ms))
            }
            Trigger::Threshold(count) => waiting >= count,
        };
        if fires {
            self.let_all_through(pending);
        }
    }

    fn let_all_through(&mut self, pending: u64) {
        self.let_through = pending;
        self.due_ms = None;
    }
}

/// The app's inputs.
impl Replica {
    /// In which directions to sync, from now on. Nothing is lost by a change: the outbox stays, and the shapes, which are followed again from where they stand
    /// (`CLIENT-MODE-BACK`).
    pub fn set_mode(&mut self, mode: Mode, env: Env) {
        self.env = env;
        self.control.mode = mode;
        if !mode.pulls() {
            self.leave_shapes();
        }
        if let Some(run) = &mut self.control.run {
            if !mode.pulls() {
                run.behind.clear();
            }
            if !mode.pushes() {
                run.total -= std::mem::take(&mut run.left);
            }
        }
        self.finish(Origin::Local);
    }

    /// What lets writes through, from now on. What was let through before stays so.
    pub fn set_trigger(&mut self, trigger: Trigger, env: Env) {
        self.env = env;
        self.control.trigger = trigger;
        self.control.due_ms = None;
        self.finish(Origin::Local);
    }

    /// The app wants to hear of [`Event::Sync`](crate::Event::Sync) from now on.
    pub fn watch_progress(&mut self) {
        self.control.watched = true;
    }

    /// Syncs, as far as the mode allows: what is pending is let through, and each shape is brought to what the server has now. When all of it is
    /// decided and there, the app is told [`Progress::End`](crate::Progress::End) (`CLIENT-SYNC`). A sync that is asked for while one is under way becomes part of it.
    pub fn sync(&mut self, env: Env) {
        self.env = env;
        let (mode, pending) = (self.control.mode, self.durable.pending());
        let left = if mode.pushes() { pending } else { 0 };
        let behind: BTreeSet<Tables> = if mode.pulls() {
            self.durable.shapes.keys().cloned().collect()
        } else {
            BTreeSet::new()
        };
        if mode.pushes() {
            self.control.let_all_through(pending);
        }
        self.begin_run(true, left, behind.clone());
        if let Some(session) = self.session() {
            let shapes = session.shapes.iter_mut();
            shapes.for_each(|(_, shape)| shape.again = true);
        }
        self.finish(Origin::Local);
    }
}

impl Replica {
    /// What an input means for the sync: entries are let through, shapes that are to be level with the server anew are asked for, and the app is told how far it has come.
    pub(crate) fn conduct_sync(&mut self) {
        let now_ms = self.env.steady_ms;
        self.control.pull_trigger(self.durable.pending(), now_ms);
        self.ask_again();
        self.follow_run();
        self.begin_run_of_itself();
    }
}
