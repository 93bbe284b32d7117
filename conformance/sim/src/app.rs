//! The shell of a client, and its app: what the Rust client's actor does. Inputs are taken in, what follows is made durable, and only then it is said.
//!
//! A crash is before a transaction or behind it, never within: what an app has read and not stored, it has not read. So the witness hears of a frame
//! only once what followed from it is durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use syncline_client_core::{Block, Env, Mode, Replica, StoredState, Tables, Trigger, Wish};
use syncline_schemas::Op;

use crate::Seen;
use crate::agenda::Due;
use crate::dice::Dice;
use crate::wire::{Item, Who};
use crate::world::{BEGINNING_MS, World};

/// The workspace of every run.
pub(crate) const WORKSPACE: &str = "w";

/// The sequence that all use.
pub(crate) const SEQUENCE: &str = "n";

/// The table of documents, where there is one.
pub(crate) const DOCUMENTS: &str = "z";

/// Inputs that are taken in together at most.
const INPUTS_MAX: usize = 16;

/// So many wakes after one another, what an app holds is held against the log.
const CHECKED_EVERY: u64 = 16;

/// So many complete updates are kept, to be handed in once more.
const UPDATES_KEPT: usize = 4;

/// A client with its store.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    /// None: it does not run.
    pub(crate) replica: Option<Replica>,
    pub(crate) stored: StoredState,
    pub(crate) conn: Option<usize>,
    inbox: VecDeque<Input>,
    wake_due: bool,
    /// When it looks at its clock next.
    timer_us: Option<u64>,
    /// It dies right behind its next transaction, and is away for so many milliseconds.
    pub(crate) dies_stored: Option<u64>,
    /// The next ack is lost on it.
    pub(crate) misses: bool,
    /// Complete updates that it was told of on this connection, the oldest first.
    updates: VecDeque<Arc<str>>,
    pub(crate) skew_ms: i64,
    dials: u64,
    wakes: u64,
    pub(crate) dice: Dice,
    pub(crate) known: Known,
}

/// What the app knows of its mutations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Those that are durable, and that it was told of.
    pub(crate) written: BTreeSet<String>,
    /// What was written by those that it wrote itself.
    pub(crate) ops: BTreeMap<String, Vec<Op>>,
    /// Those that it was told are rejected, or that it found so after a start: each once.
    pub(crate) rejected: BTreeSet<String>,
    /// Those that it was told are in doubt, and decided about.
    pub(crate) doubted: BTreeSet<String>,
    /// The epoch, and the ids that it holds under it.
    held: (Option<String>, Vec<Block>),
    /// Ids that it held when the epoch changed.
    pub(crate) stale: Vec<Block>,
    /// The greatest id that it has observed.
    pub(crate) observed: u64,
}

/// What comes to an app.
#[derive(Debug)]
enum Input {
    Open(usize),
    Heard(usize, Item),
    Refused(usize),
    Doing(usize),
    Timer,
}

impl App {
    pub(crate) fn new(index: usize, dice: Dice) -> App {
        App {
            name: format!("c{index}"),
            replica: None,
            stored: StoredState::default(),
            conn: None,
            inbox: VecDeque::new(),
            wake_due: false,
            timer_us: None,
            dies_stored: None,
            misses: false,
            updates: VecDeque::new(),
            skew_ms: 0,
            dials: 0,
            wakes: 0,
            dice,
            known: Known::default(),
        }
    }

    /// Whether nothing waits in it.
    pub(crate) fn is_quiet(&self) -> bool {
        let synced = self.replica.as_ref().is_some_and(Replica::is_synced);
        synced && self.inbox.is_empty() && self.stored.in_doubt.is_empty()
    }
}

impl Known {
    /// Notes which ids it holds, and which it held under the epoch before.
    fn note_ids(&mut self, stored: &StoredState) {
        let epoch = { stored.meta.as_ref() }.and_then(|meta| meta.epoch.clone());
        let (before, ids) = std::mem::take(&mut self.held);
        if before.is_some() && before != epoch {
            self.stale.extend(ids);
        }
        let blocks = stored.sequences.get(SEQUENCE);
        let blocks = blocks.map(|sequence| sequence.blocks.clone());
        self.held = (epoch, blocks.unwrap_or_default());
    }
}

impl World<'_> {
    pub(crate) fn env(&mut self, app: usize) -> Env {
        let ms = self.now_us / 1000;
        let app = &mut self.apps[app];
        Env {
            wall_ms: (BEGINNING_MS + ms).saturating_add_signed(app.skew_ms),
            steady_ms: ms,
            random: app.dice.bits(),
        }
    }

    // ---- inputs ----

    fn put(&mut self, app: usize, input: Input) {
        self.apps[app].inbox.push_back(input);
        self.want_wake(app);
    }

    fn want_wake(&mut self, app: usize) {
        let known = &mut self.apps[app];
        if !std::mem::replace(&mut known.wake_due, true) {
            let late = known.dice.below(self.plan.settings.store_us + 1);
            self.agenda.put(self.now_us + late, Due::Wake(app));
        }
    }

    /// The plan wants something of the app: nothing happens if it does not run.
    pub(crate) fn tell_app(&mut self, app: usize, doing: usize) {
        if self.apps[app].replica.is_some() {
            self.put(app, Input::Doing(doing));
        }
    }

    pub(crate) fn app_opened(&mut self, app: usize, conn: usize, up: bool) {
        if up {
            self.conns[conn].client_open = true;
            self.put(app, Input::Open(conn));
        } else {
            self.put(app, Input::Refused(conn));
        }
    }

    pub(crate) fn app_hears(&mut self, app: usize, conn: usize, item: Item) {
        self.put(app, Input::Heard(conn, item));
    }

    pub(crate) fn timer(&mut self, app: usize) {
        let due = self.apps[app].timer_us.is_some_and(|at| at <= self.now_us);
        if due && self.apps[app].replica.is_some() {
            self.apps[app].timer_us = None;
            self.put(app, Input::Timer);
        }
    }

    /// Takes in what has come, makes it durable, says what follows.
    pub(crate) fn wake(&mut self, app: usize) {
        self.apps[app].wake_due = false;
        self.apps[app].wakes += 1;
        if self.apps[app].wakes.is_multiple_of(CHECKED_EVERY) {
            self.check_app(app);
        }
        if self.apps[app].replica.is_none() {
            self.apps[app].inbox.clear();
            return;
        }
        for _ in 0..INPUTS_MAX {
            let Some(input) = self.apps[app].inbox.pop_front() else {
                break;
            };
            self.take_in(app, input);
            self.follow_wishes(app);
        }
        self.settle(app);
        if !self.apps[app].inbox.is_empty() {
            self.want_wake(app);
        }
    }

    fn take_in(&mut self, app: usize, input: Input) {
        match input {
            Input::Doing(index) => self.app_does(app, index),
            Input::Timer => self.with(app, |replica, env| replica.tick(env)),
            Input::Open(conn) if self.apps[app].conn == Some(conn) => {
                self.see_opened(app, conn);
                self.with(app, |replica, env| replica.connected(env));
            }
            Input::Refused(conn) if self.apps[app].conn == Some(conn) => {
                self.apps[app].conn = None;
                self.with(app, |replica, env| replica.disconnected("refused", env));
            }
            Input::Heard(conn, item) if self.apps[app].conn == Some(conn) => {
                self.takes_heard(app, conn, item);
            }
            // Of a connection that was given up nothing is handed in.
            Input::Open(_) | Input::Refused(_) | Input::Heard(..) => {}
        }
    }

    fn takes_heard(&mut self, app: usize, conn: usize, item: Item) {
        match item {
            Item::Frame(text) => {
                self.see(Seen::Received { conn, text: &text });
                if !self.misses(app, &text) {
                    self.with(app, |replica, env| replica.receive(&text, env));
                }
            }
            Item::Ping => {
                self.see(Seen::Heard { conn });
                self.send_up(conn, Item::Ping);
                self.with(app, |replica, env| replica.ponged(env));
            }
            Item::End(code) => {
                self.conns[conn].client_open = false;
                self.see(Seen::Closed { conn, code });
                self.send_up(conn, Item::End(None));
                self.apps[app].conn = None;
                self.apps[app].updates.clear();
                self.with(app, |replica, env| replica.disconnected("over", env));
            }
        }
    }

    /// Whether a frame is lost on the app; keeps the last complete updates.
    fn misses(&mut self, app: usize, text: &Arc<str>) -> bool {
        let app = &mut self.apps[app];
        if text.starts_with(r#"{"type":"ack""#) {
            return std::mem::take(&mut app.misses);
        }
        if text.starts_with(r#"{"type":"update""#) {
            if text.contains(r#","more":true"#) {
                // What comes amid its parts would be taken for one of them.
                app.updates.clear();
            } else if !text.contains(r#","replace":true"#) {
                app.updates.truncate(UPDATES_KEPT - 1);
                app.updates.push_front(Arc::clone(text));
            }
        }
        false
    }

    /// The replica is handed the oldest update that is kept once more: nothing may come of it.
    pub(crate) fn hears_again(&mut self, app: usize) {
        let Some(text) = self.apps[app].updates.pop_back() else {
            return;
        };
        self.with(app, |replica, env| replica.receive(&text, env));
        // It is looked at before anything else can mend it.
        self.apps[app].wakes = CHECKED_EVERY - 1;
        self.want_wake(app);
    }

    pub(crate) fn with<T: Default>(
        &mut self,
        app: usize,
        act: impl FnOnce(&mut Replica, Env) -> T,
    ) -> T {
        let env = self.env(app);
        match &mut self.apps[app].replica {
            Some(replica) => act(replica, env),
            None => T::default(),
        }
    }

    fn follow_wishes(&mut self, app: usize) {
        while let Some(wish) = { &mut self.apps[app].replica }
            .as_mut()
            .and_then(Replica::poll_wish)
        {
            match wish {
                Wish::Close => self.hang_up(app, false),
                Wish::Connect => {
                    self.apps[app].dials += 1;
                    let conn = self.dial(Who::App(app), self.apps[app].dials);
                    self.apps[app].conn = Some(conn);
                }
            }
        }
    }

    fn hang_up(&mut self, app: usize, dies: bool) {
        let Some(conn) = self.apps[app].conn.take() else {
            return;
        };
        self.apps[app].updates.clear();
        // One that is open, and of which the app has not heard, was never seen.
        let heard = |input: &Input| matches!(input, Input::Open(of) if *of == conn);
        if self.apps[app].inbox.iter().any(heard) {
            self.see_opened(app, conn);
        }
        self.leave(conn, dies);
    }

    fn see_opened(&mut self, app: usize, conn: usize) {
        let name = self.apps[app].name.clone();
        self.see(Seen::Opened { conn, name: &name });
        // What befell it before anybody saw it.
        if self.conns[conn].may_end {
            self.see(Seen::MayEnd { conn });
        }
    }

    /// What the inputs led to: first durable, then said.
    pub(crate) fn settle(&mut self, app: usize) {
        let known = &mut self.apps[app];
        let Some(replica) = &mut known.replica else {
            return;
        };
        let mut stores = false;
        while let Some(transaction) = replica.poll_store() {
            known.stored.apply(transaction);
            stores = true;
        }
        if stores && self.plan.settings.block > 0 {
            known.known.note_ids(&known.stored);
        }
        if stores && let Some(away_ms) = known.dies_stored.take() {
            return self.crash(app, away_ms);
        }
        self.follow_wishes(app);
        while let Some(frame) = { &mut self.apps[app].replica }
            .as_mut()
            .and_then(Replica::poll_frame)
        {
            if let Some(conn) = self.apps[app]
                .conn
                .filter(|conn| self.conns[*conn].client_open)
            {
                self.see(Seen::Sent { conn, text: &frame });
                self.send_up(conn, Item::Frame(Arc::from(frame)));
            }
        }
        while let Some(event) = { &mut self.apps[app].replica }
            .as_mut()
            .and_then(Replica::poll_event)
        {
            self.app_is_told(app, event);
        }
        self.app_decides_doubts(app);
        self.set_timer(app);
    }

    fn set_timer(&mut self, app: usize) {
        let Some(at_ms) = { &self.apps[app].replica }
            .as_ref()
            .and_then(Replica::poll_timeout)
        else {
            return;
        };
        let at_us = (at_ms * 1000).max(self.now_us + 1000);
        if self.apps[app]
            .timer_us
            .is_none_or(|known| at_us < known || known <= self.now_us)
        {
            self.apps[app].timer_us = Some(at_us);
            self.agenda.put(at_us, Due::Timer(app));
        }
    }

    // ---- its life ----

    pub(crate) fn start(&mut self, app: usize) {
        if self.apps[app].replica.is_some() {
            return;
        }
        let env = self.env(app);
        let stored = self.apps[app].stored.clone();
        let replica = match Replica::load(WORKSPACE, stored, env) {
            Ok(replica) => replica,
            Err(error) => return self.violation(format!("a store cannot be loaded: {error}")),
        };
        self.apps[app].replica = Some(replica);
        self.apps[app].timer_us = None;
        // What it was not told of, because it died, it finds in its lists.
        let rejected = self.apps[app].stored.rejected.values();
        let rejected: Vec<String> = rejected.map(|entry| entry.op_id.clone()).collect();
        self.apps[app].known.rejected.extend(rejected);
        let stored = &self.apps[app].stored;
        let asked = stored.sequences.values().map(|sequence| &sequence.asked);
        let asked: BTreeSet<&String> = asked.flatten().collect();
        // What asks for ids is the replica's own.
        let outbox = stored.outbox.values().map(|entry| &entry.op_id);
        let outbox = outbox.filter(|op_id| !asked.contains(op_id));
        let outbox: Vec<String> = outbox.cloned().collect();
        self.apps[app].known.written.extend(outbox);
        for shape in self.plan.settings.shapes.clone() {
            let shape: Tables = shape.into_iter().collect();
            let refused = self.with(app, |replica, env| replica.subscribe(shape, env).err());
            if let Some(refused) = refused {
                self.violation(format!("a shape is refused: {refused:?}"));
            }
        }
        let (presence, block) = (self.plan.settings.presence, self.plan.settings.block);
        let urgent = self.plan.settings.urgent.clone();
        if !urgent.is_empty() {
            self.with(app, |replica, env| replica.set_urgent(urgent, env));
        }
        if let Some(replica) = &mut self.apps[app].replica {
            replica.watch_progress();
            if presence {
                replica.watch_presence();
            }
        }
        if block > 0 {
            self.with(app, |replica, env| {
                drop(replica.use_sequence(SEQUENCE, block, env));
            });
        }
        self.with(app, |replica, env| replica.go_online(env));
        self.settle(app);
    }

    /// The app dies where it stands.
    pub(crate) fn crash(&mut self, app: usize, away_ms: u64) {
        self.hang_up(app, true);
        let known = &mut self.apps[app];
        if known.replica.take().is_some() {
            known.inbox.clear();
            known.timer_us = None;
            self.after_ms(away_ms, Due::Start(app));
        }
    }

    /// The store of one is copied over that of another.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        self.copied = true;
        self.crash(from, 5);
        self.crash(to, 10);
        self.apps[to].stored = self.apps[from].stored.clone();
        self.apps[to].known = self.apps[from].known.clone();
        self.see(Seen::Fault("a store is copied"));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm_app(&mut self, app: usize) {
        self.start(app);
        self.with(app, |replica, env| replica.set_mode(Mode::Both, env));
        self.with(app, |replica, env| {
            replica.set_trigger(Trigger::Immediate, env)
        });
        self.follow_wishes(app);
        self.settle(app);
    }
}
