//! The world: all of it in one thread, one thing after the other, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_schemas::Limits;
use syncline_server_core::{CLIENT_MARGIN_MS, Checkpoint, Config, Retention, SessionKey};

use crate::agenda::{Agenda, Due};
use crate::app::App;
use crate::audit::Auditor;
use crate::dice::Dice;
use crate::node::Node;
use crate::plan::{Plan, What};
use crate::store::Store;
use crate::stranger::Stranger;
use crate::wire::{Conn, Item};
use crate::{Hook, Seen, Witness};

/// When the world begins, in milliseconds since 1970.
pub(crate) const BEGINNING_MS: u64 = 1_800_000_000_000;

/// After the last doing, all must be quiet within so many virtual milliseconds: a client waits up to 30 s for its next attempt, and a server finds out a silent
/// one within a minute.
const QUIET_WITHIN_MS: u64 = 180_000;

/// How often it is looked whether all is quiet.
const LOOK_MS: u64 = 200;

/// So long what is under way may linger before everybody sleeps.
const DUSK_MS: u64 = 1_000;

/// A world in which more happens than this goes round in circles.
const EVENTS_MAX: u64 = 100_000;

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// What does not hold that only an insider sees.
    pub violations: Vec<String>,
    /// How many things happened.
    pub events: u64,
    /// How long it took in the world's own time, in milliseconds.
    pub virtual_ms: u64,
    /// How many records the log came to hold.
    pub records: u64,
}

/// Runs a plan.
pub fn run(plan: &Plan, witness: &mut dyn Witness) -> Ended {
    let mut world = World::new(plan, witness);
    world.begin();
    while !world.over {
        let Some((at_us, due)) = world.agenda.next() else {
            world.violation("nothing is due, and it is not over".to_owned());
            break;
        };
        world.now_us = world.now_us.max(at_us);
        world.events += 1;
        if world.events > EVENTS_MAX {
            world.violation(format!("more than {EVENTS_MAX} things have happened"));
            break;
        }
        world.act(due);
    }
    world.end()
}

/// Everything that there is.
pub(crate) struct World<'a> {
    pub(crate) plan: &'a Plan,
    witness: &'a mut dyn Witness,
    pub(crate) config: Config,
    pub(crate) agenda: Agenda,
    pub(crate) now_us: u64,
    events: u64,
    pub(crate) store: Store,
    pub(crate) backup: Option<(String, Checkpoint)>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) apps: Vec<App>,
    pub(crate) conns: Vec<Conn>,
    /// How many values were written: none is written twice.
    pub(crate) written: u64,
    pub(crate) ids: BTreeMap<u64, usize>,
    /// Whether a store was ever copied over another.
    pub(crate) copied: bool,
    /// Whether tables are declared: what becomes of a write is then more than that it is applied.
    pub(crate) declares: bool,
    /// Everybody is about to sleep: nobody gets a connection.
    pub(crate) is_dusk: bool,
    /// The plan is done: nothing goes wrong any more.
    pub(crate) calm: bool,
    calm_since_us: u64,
    pub(crate) auditor: Auditor,
    pub(crate) stranger: Stranger,
    over: bool,
    violations: Vec<String>,
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, witness: &'a mut dyn Witness) -> World<'a> {
        World {
            plan,
            witness,
            config: config(plan),
            agenda: Agenda::default(),
            now_us: 0,
            events: 0,
            store: Store::new(),
            backup: None,
            nodes: (0..plan.nodes.max(1))
                .map(|index| Node::new(Dice::of(plan.seed, 1, index as u64)))
                .collect(),
            apps: (0..plan.clients.max(1))
                .map(|index| App::new(index, Dice::of(plan.seed, 2, index as u64)))
                .collect(),
            conns: Vec::new(),
            written: 0,
            ids: BTreeMap::new(),
            copied: false,
            declares: plan.doings.iter().any(|doing| doing.what.declares()),
            is_dusk: false,
            calm: false,
            calm_since_us: 0,
            auditor: Auditor::default(),
            stranger: Stranger::default(),
            over: false,
            violations: Vec::new(),
        }
    }

    fn begin(&mut self) {
        for app in 0..self.apps.len() {
            self.agenda.put(0, Due::Start(app));
        }
        let mut last_ms = 0;
        for (index, doing) in self.plan.doings.iter().enumerate() {
            // In the order of the plan, whatever its times say.
            last_ms = doing.at_ms.max(last_ms);
            self.agenda.put(last_ms * 1000, Due::Doing(index));
        }
        self.agenda.put((last_ms + LOOK_MS) * 1000, Due::Look);
    }

    fn end(mut self) -> Ended {
        for conn in 0..self.conns.len() {
            if self.conns[conn].client_open {
                self.see(Seen::Left { conn });
            }
        }
        self.judge();
        Ended {
            violations: self.violations,
            events: self.events,
            virtual_ms: self.now_us / 1000,
            records: self.store.position.version,
        }
    }

    fn act(&mut self, due: Due) {
        match due {
            Due::Doing(index) => self.doing(index),
            Due::Wake(app) => self.wake(app),
            Due::Timer(app) => self.timer(app),
            Due::Start(app) => self.start(app),
            Due::Opened(conn) => self.opened(conn),
            Due::Up(conn) => self.arrive_up(conn),
            Due::Down(conn) => self.arrive_down(conn),
            Due::Step(node) => self.step(node),
            Due::Appended(node, append) => self.appended(node, append),
            Due::NodeUp(node) => self.node_up(node),
            Due::Heart(conn) => self.heart(conn),
            Due::Sleep(margin_ms) => self.sleep(margin_ms),
            Due::Look => self.look(),
        }
    }

    /// Tells the witness.
    pub(crate) fn see(&mut self, what: Seen<'_>) {
        self.witness.sees(self.now_us, what);
    }

    /// Something does not hold.
    pub(crate) fn violation(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    pub(crate) fn after_ms(&mut self, ms: u64, due: Due) {
        self.agenda.put(self.now_us + ms * 1000, due);
    }

    fn doing(&mut self, index: usize) {
        let what = &self.plan.doings[index].what;
        let app = |client: &usize| client % self.plan.clients.max(1);
        let node = |node: &usize| node % self.plan.nodes.max(1);
        match what {
            What::Write { client, .. } => self.tell_app(app(client), index),
            What::TakeId(client) | What::Present(client, _) | What::Steer(client, _) => {
                self.tell_app(app(client), index)
            }
            What::Past { client, .. } => self.tell_app(app(client), index),
            What::Stray { .. } => self.stray(index),
            What::Again(client) => self.tell_app(app(client), index),
            What::Miss(client) => self.apps[app(client)].misses = true,
            What::Cut(client) => self.cut_of(app(client)),
            What::Silence(client) => self.silence(app(client)),
            What::Stall(client, ms) => self.stall(app(client), *ms),
            What::Crash {
                client,
                stored,
                away_ms,
            } => match stored {
                true => self.apps[app(client)].dies_stored = Some(*away_ms),
                false => self.crash(app(client), *away_ms),
            },
            What::Copy { from, to } => self.copy(app(from), app(to)),
            What::Jump(client, ms) => self.apps[app(client)].skew_ms += ms,
            What::JumpServer(which, ms) => self.nodes[node(which)].skew_ms += ms,
            What::AppendFails => self.store.fails = 1,
            What::AppendLost => self.store.lost = 1,
            What::AppendSlow(ms) => self.store.slow_us = ms * 1000,
            What::Kill {
                node: which,
                torn,
                away_ms,
            } => self.kill(node(which), *torn, *away_ms),
            What::Restart {
                node: which,
                away_ms,
            } => self.restart(node(which), *away_ms),
            What::Checkpoint(which) => self.want(node(which), crate::operator::Want::Checkpoint),
            What::Truncate(which) => self.want(node(which), crate::operator::Want::Truncate),
            // Of several restores the checkers would not know which history goes on from which.
            What::Backup(_) | What::Restore(_) if self.store.eras.len() > 1 => {}
            What::Backup(which) => self.want(node(which), crate::operator::Want::Backup),
            What::Restore(which) if self.backup.is_some() => {
                self.want(node(which), crate::operator::Want::Restore)
            }
            What::Restore(_) => {}
            What::LoseLast => self.store.lose_last(),
            What::Sleep => self.fall_asleep(0),
            What::SleepLong => self.fall_asleep(CLIENT_MARGIN_MS),
        }
    }

    /// Looks whether it is over; first all is made well, then the auditor reads.
    fn look(&mut self) {
        if !self.calm {
            return self.calm_down();
        }
        if self.is_quiet() {
            if !self.auditor.is_done() {
                self.audit();
            } else {
                self.over = true;
                return;
            }
        }
        if self.now_us > self.calm_since_us + QUIET_WITHIN_MS * 1000 {
            let why = self.unquiet();
            self.violation(format!("it does not become quiet: {why}"));
            self.over = true;
            return;
        }
        self.after_ms(LOOK_MS, Due::Look);
    }

    fn calm_down(&mut self) {
        self.calm = true;
        self.calm_since_us = self.now_us;
        self.stranger_leaves();
        (self.store.fails, self.store.lost, self.store.slow_us) = (0, 0, 0);
        for app in 0..self.apps.len() {
            self.apps[app].dies_stored = None;
            self.apps[app].misses = false;
            self.calm_app(app);
        }
        for conn in 0..self.conns.len() {
            // Who is cut off without a word finds out by itself.
            self.conns[conn].stalled_until_us = 0;
        }
        self.after_ms(LOOK_MS, Due::Look);
    }

    /// Everybody goes to sleep: nobody connects any more, and what is under way arrives, or is lost. A server does not keep what it has read for months.
    fn fall_asleep(&mut self, margin_ms: u64) {
        self.is_dusk = true;
        for conn in 0..self.conns.len() {
            self.cut(conn);
        }
        self.after_ms(DUSK_MS, Due::Sleep(margin_ms));
    }

    /// Everybody sleeps for longer than a client sends again what it does not know, by so much.
    fn sleep(&mut self, margin_ms: u64) {
        if !self.is_dusk {
            // It has just woken from another sleep: who has a connection again loses it first.
            return self.fall_asleep(margin_ms);
        }
        if !self.nodes.iter().all(Node::is_quiet) {
            return self.after_ms(DUSK_MS, Due::Sleep(margin_ms));
        }
        self.is_dusk = false;
        self.see(Seen::Fault("everybody sleeps"));
        let us = (self.config.limits.client_ttl_ms + margin_ms + 1000) * 1000;
        self.agenda.sleep(us);
        self.now_us += us;
        self.calm_since_us += us;
    }

    /// A hook is done to the servers: whose connections may end by it.
    pub(crate) fn begin_hook(&mut self, hook: Hook, node: Option<usize>) {
        self.see(Seen::HookBegun(hook));
        if matches!(hook, Hook::Kill | Hook::Restart | Hook::Restore) {
            for conn in 0..self.conns.len() {
                if node.is_none_or(|node| node == self.conns[conn].node) {
                    self.let_end(conn);
                }
            }
        }
    }

    pub(crate) fn session(conn: usize) -> SessionKey {
        SessionKey(conn as u64)
    }

    pub(crate) fn frame(text: String) -> Item {
        Item::Frame(Arc::from(text))
    }
}

fn config(plan: &Plan) -> Config {
    let settings = &plan.settings;
    let mut config = Config {
        limits: Limits {
            in_flight_max: settings.in_flight,
            push_mutations_max: settings.push_mutations,
            mutation_burst: settings.burst,
            mutations_per_second: settings.rate,
            ..Limits::default()
        },
        retention: Retention {
            versions_max: settings.versions,
            ..Retention::default()
        },
        part_bytes: settings.part_bytes,
        step_bytes: settings.step_bytes,
        ..Config::default()
    };
    let without = |name: &String| !settings.without.contains(name);
    config.capabilities.retain(without);
    config
}
