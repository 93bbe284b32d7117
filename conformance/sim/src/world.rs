//! The world: all of it in one thread, one thing after the other, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_schemas::Limits;
use syncline_server_core::{Checkpoint, Config, Retention, SessionKey};

use crate::agenda::{Agenda, Due};
use crate::app::App;
use crate::audit::Auditor;
use crate::dice::Dice;
use crate::node::Node;
use crate::plan::{Plan, What};
use crate::store::Store;
use crate::wire::{Conn, Item};
use crate::{Hook, Seen, Witness};

/// When the world begins, in milliseconds since 1970.
pub(crate) const BEGINNING_MS: u64 = 1_800_000_000_000;

/// After the last doing, all must be quiet within so many virtual milliseconds: a client waits up to 30 s for its next attempt, and a server finds out a silent
/// one within a minute.
const QUIET_WITHIN_MS: u64 = 180_000;

/// So long what was sent on a connection may linger that is over for its client: it comes again by another, and then comes late.
const LINGERS_MS: u64 = 600;

/// How often it is looked whether all is quiet.
const LOOK_MS: u64 = 200;

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
    /// The plan is done: nothing goes wrong any more.
    pub(crate) calm: bool,
    calm_since_us: u64,
    pub(crate) auditor: Auditor,
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
            calm: false,
            calm_since_us: 0,
            auditor: Auditor::default(),
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
            What::Checkpoint(which) => self.want(node(which), crate::node::Want::Checkpoint),
            What::Truncate(which) => self.want(node(which), crate::node::Want::Truncate),
            // Of several restores the checkers would not know which history goes on from which.
            What::Backup(_) | What::Restore(_) if self.store.eras.len() > 1 => {}
            What::Backup(which) => self.want(node(which), crate::node::Want::Backup),
            What::Restore(which) if self.backup.is_some() => {
                self.want(node(which), crate::node::Want::Restore)
            }
            What::Restore(_) => {}
            What::LoseLast => self.store.lose_last(),
            What::Sleep => self.sleep(),
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
        (self.store.fails, self.store.lost, self.store.slow_us) = (0, 0, 0);
        for app in 0..self.apps.len() {
            self.apps[app].dies_stored = None;
            self.calm_app(app);
        }
        for conn in 0..self.conns.len() {
            // Who is cut off without a word finds out by itself.
            self.conns[conn].stalled_until_us = 0;
        }
        self.after_ms(LOOK_MS, Due::Look);
    }

    /// Everybody sleeps for longer than anything is remembered for.
    fn sleep(&mut self) {
        for conn in 0..self.conns.len() {
            self.cut(conn);
        }
        self.see(Seen::Fault("everybody sleeps"));
        let us = (self.config.limits.client_ttl_ms + 1000) * 1000;
        self.agenda.sleep(us);
        self.now_us += us;
    }

    // ---- the network ----

    fn late(&mut self, conn: usize) -> u64 {
        let range = self.plan.settings.latency_us;
        self.conns[conn].dice.between(range)
    }

    pub(crate) fn send_up(&mut self, conn: usize, item: Item) {
        let late = self.late(conn);
        let link = &mut self.conns[conn];
        if !link.silent
            && let Some(at_us) = link.up.put(item, self.now_us, late)
        {
            self.agenda.put(at_us, Due::Up(conn));
        }
    }

    pub(crate) fn send_down(&mut self, conn: usize, item: Item) {
        let late = self.late(conn);
        let link = &mut self.conns[conn];
        link.spoke = true;
        if link.silent {
            return;
        }
        let cost = item.cost();
        if let Some(at_us) = link.down.put(item, self.now_us, late) {
            link.down_bytes += cost;
            self.agenda.put(at_us, Due::Down(conn));
        }
    }

    fn arrive_up(&mut self, conn: usize) {
        let link = &mut self.conns[conn];
        let full = link.down_bytes >= self.plan.settings.outbox_bytes && link.server_open;
        let busy = full.then_some(self.now_us + 5_000);
        let until = link.stalled_until_us.max(link.lingers_until_us);
        let stalled = Some(until).filter(|until| *until > self.now_us);
        if let Some(until) = stalled.or(busy) {
            return self.agenda.put(until, Due::Up(conn));
        }
        if let Some(item) = link.up.items.pop_front()
            && link.server_open
        {
            link.heard_us = self.now_us;
            link.heard = true;
            self.server_reads(conn, item);
        }
    }

    fn arrive_down(&mut self, conn: usize) {
        let link = &mut self.conns[conn];
        if link.stalled_until_us > self.now_us {
            let until = link.stalled_until_us;
            return self.agenda.put(until, Due::Down(conn));
        }
        let Some(item) = link.down.items.pop_front() else {
            return;
        };
        link.down_bytes = link.down_bytes.saturating_sub(item.cost());
        let low = self.plan.settings.outbox_bytes / 2;
        if link.starved && link.down_bytes <= low {
            link.starved = false;
            let node = link.node;
            self.want_step(node);
        }
        if !self.conns[conn].client_open {
            return;
        }
        match self.conns[conn].client {
            Some(app) => self.app_hears(app, conn, item),
            None => self.auditor_hears(conn, &item),
        }
    }

    /// From here on the end is no surprise.
    pub(crate) fn let_end(&mut self, conn: usize) {
        let link = &mut self.conns[conn];
        if link.client_open && !std::mem::replace(&mut link.may_end, true) {
            self.see(Seen::MayEnd { conn });
        }
    }

    fn cut_of(&mut self, app: usize) {
        if let Some(conn) = self.apps[app].conn {
            self.cut(conn);
        }
    }

    /// The connection breaks: each side gets some of what is under way, and then the end.
    pub(crate) fn cut(&mut self, conn: usize) {
        self.let_end(conn);
        let now_us = self.now_us;
        let link = &mut self.conns[conn];
        if !link.client_open && !link.server_open {
            return;
        }
        let (up, down) = (
            Conn::survivors(&mut link.dice, &link.up),
            Conn::survivors(&mut link.dice, &link.down),
        );
        if link.dice.chance(50) {
            link.lingers_until_us = now_us + link.dice.below(LINGERS_MS) * 1000;
        }
        let (up, down) = (link.up.cut(up, now_us), link.down.cut(down, now_us));
        self.agenda.put(up, Due::Up(conn));
        self.agenda.put(down, Due::Down(conn));
    }

    /// Nothing passes any more, and nobody is told.
    fn silence(&mut self, app: usize) {
        let Some(conn) = self.apps[app].conn else {
            return;
        };
        self.let_end(conn);
        let link = &mut self.conns[conn];
        let (up, down) = (
            Conn::survivors(&mut link.dice, &link.up),
            Conn::survivors(&mut link.dice, &link.down),
        );
        link.up.lose(up);
        link.down.lose(down);
        link.silent = true;
    }

    fn stall(&mut self, app: usize, ms: u64) {
        let Some(conn) = self.apps[app].conn else {
            return;
        };
        self.let_end(conn);
        self.conns[conn].stalled_until_us = self.now_us + ms * 1000;
    }

    /// The client's end goes; what it sent may still arrive, all of it or some.
    pub(crate) fn leave(&mut self, conn: usize, dies: bool) {
        let link = &mut self.conns[conn];
        if !std::mem::take(&mut link.client_open) {
            return;
        }
        link.down.lose(0);
        link.down_bytes = 0;
        let now_us = self.now_us;
        if dies {
            let kept = Conn::survivors(&mut link.dice, &link.up);
            let at_us = link.up.cut(kept, now_us);
            self.agenda.put(at_us, Due::Up(conn));
        } else {
            self.send_up(conn, Item::End(None));
        }
        self.see(Seen::Left { conn });
    }

    /// A new connection, not open yet.
    pub(crate) fn dial(&mut self, client: Option<usize>, number: u64) -> usize {
        let part = 100 + client.map_or(0, |client| client as u64 + 1);
        let mut dice = Dice::of(self.plan.seed, part, number);
        let node = dice.below(self.nodes.len() as u64) as usize;
        let late = dice.between(self.plan.settings.latency_us);
        let conn = self.conns.len();
        self.conns.push(Conn::new(client, node, self.now_us, dice));
        self.agenda.put(self.now_us + late, Due::Opened(conn));
        conn
    }

    fn opened(&mut self, conn: usize) {
        let node = self.conns[conn].node;
        let up = self.nodes[node].up && !self.nodes[node].draining;
        match self.conns[conn].client {
            Some(app) if self.apps[app].conn != Some(conn) => {}
            Some(app) => self.app_opened(app, conn, up),
            None if up => self.auditor_opened(conn),
            None => self.auditor = Auditor::default(),
        }
        if self.conns[conn].client_open {
            self.conns[conn].server_open = true;
            self.conns[conn].heard_us = self.now_us;
            let beat = self.config.limits.heartbeat_ms * 2 / 5;
            self.after_ms(beat, Due::Heart(conn));
        }
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
