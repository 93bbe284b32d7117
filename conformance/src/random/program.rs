//! Random programs: what several clients do, each in its own way, some of it at once, as the steps of an ordinary scenario.
//!
//! A program is a row of phases. Within a phase each client has a branch of its own; between phases something may happen to the server, or the network
//! heal. At the end everything is well again, everybody comes online, and all must have converged. Values are never used twice, so that a row says
//! who wrote it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::documents::{self, Documents};
use super::mishaps;
use crate::dice::Dice;
use crate::scenario::Hook;

/// What a server can be asked to do.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The target's hooks.
    pub hooks: BTreeSet<Hook>,
    /// The server's capabilities.
    pub capabilities: BTreeSet<String>,
}

/// The scenario file of a program.
#[must_use]
pub fn program(seed: u64, id: &str, offer: &Offer) -> Value {
    let mut maker = Maker::new(seed);
    let hook = maker.server_mishap(&offer.hooks);
    maker.offered.clone_from(&offer.capabilities);
    maker.choose_strategies();
    if ["tables", "documents"].map(|name| offer.capabilities.contains(name)) == [true; 2] {
        maker.choose_documents(seed);
    }
    let presence = offer.capabilities.contains("presence");
    maker.presence = presence.then(|| Dice::new(!seed));
    if offer.capabilities.contains("filters") {
        maker.filters = Some(seed);
    }
    maker.server_ends = hook.is_some_and(Hook::ends_connections);
    let mut steps = Vec::new();
    for phase in 0..maker.dice.between(1, 4) {
        maker.phase(phase, hook, &mut steps);
    }
    maker.end(&mut steps);
    let mut file = json!({
        "id": id,
        "title": "Whatever clients do and the network does: everything is applied once, in order, and all come to the same",
        "checks": ["UPD-COMPLETE"],
    });
    if let Some(hook) = hook {
        file["needs"]["hooks"] = json!([hook.name()]);
    }
    if !maker.used.is_empty() {
        file["needs"]["capabilities"] = json!(maker.used);
    }
    if maker.dice.chance(10) {
        file["prefers"] = json!({ "limits": { "inFlightMax": maker.dice.between(1, 8), "pushMutationsMax": maker.dice.between(1, 4) } });
    }
    file["steps"] = steps.into();
    file
}

/// Makes a program.
pub(super) struct Maker {
    pub(super) dice: Dice,
    writers: u64,
    readers: u64,
    pub(super) tables: u64,
    keys: u64,
    /// How many of a hundred of a client's doings go wrong.
    mishaps: u64,
    /// Whether the server itself goes away: then faults may find nobody to hit.
    pub(super) server_ends: bool,
    /// The clients through to whom nothing gets.
    pub(super) blocked: BTreeSet<u64>,
    /// Decides who is present, if anyone can be.
    presence: Option<Dice>,
    /// Decides who filters, and by what, if anyone can.
    filters: Option<u64>,
    made: u64,
    /// The strategy that each table may come to have.
    pub(super) strategies: Vec<Option<&'static str>>,
    /// Which table is one of documents, if any is.
    pub(super) documents: Option<Documents>,
    /// Whether its fields may come to be decided one by one.
    by_field: Vec<bool>,
    /// The server's capabilities.
    offered: BTreeSet<String>,
    /// Those that the program uses.
    pub(super) used: BTreeSet<&'static str>,
}

impl Maker {
    fn new(seed: u64) -> Maker {
        let mut dice = Dice::new(seed);
        let writers = *dice.pick(&[2, 2, 2, 3, 3, 4, 5, 8]);
        let (readers, tables) = (*dice.pick(&[0, 1, 1, 2]), dice.between(1, 3));
        // Few keys: everybody meets. Many: nobody does.
        let keys = *dice.pick(&[1, 2, 4, 4, 16]);
        let mishaps = *dice.pick(&[0, 15, 30, 50]);
        Maker {
            dice,
            writers,
            readers,
            tables,
            keys,
            mishaps,
            server_ends: false,
            blocked: BTreeSet::new(),
            presence: None,
            filters: None,
            made: 0,
            strategies: Vec::new(),
            documents: None,
            by_field: Vec::new(),
            offered: BTreeSet::new(),
            used: BTreeSet::new(),
        }
    }

    /// What happens to the server in this program, if anything.
    fn server_mishap(&mut self, hooks: &BTreeSet<Hook>) -> Option<Hook> {
        let hook = *self
            .dice
            .pick(&[Hook::Kill, Hook::Kill, Hook::Restart, Hook::Truncate]);
        (self.dice.chance(15) && hooks.contains(&hook)).then_some(hook)
    }

    /// A number that was not made before.
    pub(super) fn fresh(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn phase(&mut self, phase: u64, hook: Option<Hook>, steps: &mut Vec<Value>) {
        let mut branches = Vec::new();
        for client in 0..self.writers + self.readers {
            if phase == 0 || self.dice.chance(70) {
                branches.push(self.branch(client));
            }
        }
        if let Some(hook) = hook.filter(|_| self.dice.chance(60)) {
            let hook = json!({ "do": "hook", "hook": hook.name() });
            // Amid everything, or when all is quiet.
            if self.dice.chance(60) {
                branches.push(vec![hook]);
            } else {
                steps.push(hook);
            }
        }
        // Twins do not come again: where the server goes away they would say nothing.
        if self.dice.chance(15) && !self.server_ends {
            branches.push(mishaps::twins(self));
        }
        if !branches.is_empty() {
            steps.push(json!({ "do": "parallel", "branches": branches }));
        }
        match self.dice.below(6) {
            0 => steps.push(json!({ "do": "converge" })),
            1 | 2 => {
                self.blocked.clear();
                steps.push(json!({ "do": "heal" }));
            }
            3 => {
                let some: Vec<u64> = (0..self.writers).filter(|_| self.dice.chance(50)).collect();
                self.blocked.retain(|client| !some.contains(client));
                let names: Vec<_> = some
                    .into_iter()
                    .map(|client| format!("c{client}"))
                    .collect();
                steps.push(json!({ "do": "heal", "conns": names }));
            }
            _ => {}
        }
    }

    /// What a client does in a phase.
    fn branch(&mut self, client: u64) -> Vec<Value> {
        let mut steps = Vec::new();
        if client >= self.writers {
            for _ in 0..self.dice.between(1, 3) {
                self.read(client - self.writers, &mut steps);
            }
            return steps;
        }
        for _ in 0..self.dice.between(1, 4) {
            if self.dice.chance(self.mishaps) {
                mishaps::mishap(self, client, &mut steps);
            } else {
                self.act(client, &mut steps);
            }
        }
        steps
    }

    /// What a client does when nothing goes wrong.
    fn act(&mut self, client: u64, steps: &mut Vec<Value>) {
        match self.dice.below(12) {
            0 => steps.push(json!({ "do": "online", "conn": format!("c{client}"), "client": format!("${{client{client}}}") })),
            1 => steps.push(self.online(client, true)),
            2 | 3 => steps.push(self.online(client, false)),
            // A long queue.
            4 => {
                let mut write = self.write(client, false);
                write["times"] = self.dice.between(5, 60).into();
                write["perPush"] = self.dice.between(1, 20).into();
                steps.push(write);
            }
            _ => {
                if self.dice.chance(50) {
                    steps.push(self.online(client, false));
                }
                let wait = self.dice.chance(50);
                steps.push(self.write(client, wait));
            }
        }
    }

    /// A reader, who comes, goes and comes again.
    fn read(&mut self, reader: u64, steps: &mut Vec<Value>) {
        let (name, replica) = (format!("r{reader}"), format!("q{reader}"));
        let tables = self.tables_of(&replica);
        let online = json!({ "do": "online", "conn": name, "tables": tables, "as": replica, "afresh": self.dice.chance(40) });
        steps.push(self.present(online.clone()));
        match self.dice.below(4) {
            0 => steps.push(json!({ "do": "cut", "conn": name })),
            1 => {
                steps.push(json!({ "do": "cut", "conn": name }));
                steps.push(mishaps::hindrance(self, &name));
                steps.push(online);
            }
            _ => {}
        }
    }

    /// The client comes online, with its replica.
    pub(super) fn online(&mut self, client: u64, afresh: bool) -> Value {
        let replica = format!("s{client}");
        let tables = self.tables_of(&replica);
        let online = json!({ "do": "online", "conn": format!("c{client}"), "client": format!("${{client{client}}}"), "tables": tables,
                "as": replica, "afresh": afresh });
        self.present(online)
    }

    /// Whoever comes online is present now and then, and watches others from then on.
    fn present(&mut self, mut online: Value) -> Value {
        if let Some(dice) = &mut self.presence
            && dice.chance(40)
        {
            online["present"] = json!({ "number": dice.below(1 << 40) });
        }
        online
    }

    /// The client writes.
    pub(super) fn write(&mut self, client: u64, wait: bool) -> Value {
        let count = self.dice.between(1, 3);
        let mutations: Vec<Value> = (0..count).map(|_| self.ops(Some(client))).collect();
        let mut write = json!({ "do": "write", "conn": format!("c{client}"), "client": format!("${{client{client}}}"), "mutations": mutations });
        if !wait {
            write["await"] = "nothing".into();
        }
        if self.dice.chance(15) {
            write["copies"] = self.dice.between(2, 3).into();
        }
        if self.dice.chance(30) {
            write["perPush"] = 1.into();
        }
        if self.strategies.contains(&Some("last_write_wins")) && self.dice.chance(60) {
            write["agesMs"] = ages(&mut self.dice);
        }
        write
    }

    /// The ops of a mutation: each names another row.
    pub(super) fn ops(&mut self, client: Option<u64>) -> Value {
        let mut rows = BTreeSet::new();
        let mut ops = Vec::new();
        for _ in 0..*self.dice.pick(&[1, 1, 1, 2, 3]) {
            let (table, key) = (self.dice.below(self.tables), self.dice.below(self.keys));
            if rows.insert((table, key)) {
                ops.push(self.op(client, table, key));
            }
        }
        if self.dice.chance(6) {
            ops.splice(0..0, self.declaration());
        }
        ops.splice(0..0, self.document_declaration());
        // Where sequences are not offered, this is an op that nobody knows.
        if self.dice.chance(8) {
            let at = self.dice.below(ops.len() as u64 + 1) as usize;
            ops.insert(at, self.sequence_op());
        }
        ops.into()
    }

    /// Ids of one of two sequences, or some that came from elsewhere.
    fn sequence_op(&mut self) -> Value {
        let sequence = format!("${{sequence{}}}", self.dice.below(2));
        match self.dice.chance(80) {
            true => {
                json!({ "op": "allocate", "sequence": sequence, "count": self.dice.between(1, 50) })
            }
            false => {
                json!({ "op": "observe", "sequence": sequence, "value": self.dice.between(1, 2000) })
            }
        }
    }

    fn op(&mut self, client: Option<u64>, table: u64, key: u64) -> Value {
        if self.holds_documents(table)
            && let Some(op) = self.document_op(client, table, key)
        {
            return op;
        }
        let has_strategy = matches!(self.strategies.get(table as usize), Some(Some(_)));
        let (table, key) = (format!("${{t{table}}}"), format!("k{key}"));
        let mut op = json!({ "op": "set", "table": table, "key": key });
        if self.dice.chance(20) {
            op["op"] = "delete".into();
        } else if self.dice.chance(25) && self.may_use("fields") {
            self.patch(&mut op);
        } else {
            op["value"] = match (self.fresh(), self.dice.below(20)) {
                (number, 0) => {
                    json!({ "number": number, "long": { "$repeat": { "text": "x", "count": self.dice.between(100, 2000) } } })
                }
                (number, 1..10) => json!({ "a": number, "b": number }),
                (number, _) => json!(number),
            };
        }
        if let (Some(client), true) = (client, self.dice.chance(15)) {
            op["ifVersion"] = match self.dice.chance(30) {
                true => json!(0),
                false => {
                    json!({ "$held": { "sub": format!("s{client}"), "table": table, "key": key } })
                }
            };
        } else if let (Some(client), true) = (client, has_strategy && self.dice.chance(60)) {
            let sub = format!("s{client}");
            op["base"] = json!({ "$held": { "sub": sub, "table": table, "key": key } });
        }
        op
    }

    /// In every fourth program some tables may be declared, each in its own way.
    fn choose_strategies(&mut self) {
        let offers = |capability: &str| self.offered.contains(capability);
        if !(offers("tables") && offers("conflicts") && self.dice.chance(25)) {
            return;
        }
        let offers_fields = offers("fields");
        for _ in 0..self.tables {
            let strategies = ["client_wins", "server_wins", "last_write_wins", "keep_both"];
            let strategy = *self.dice.pick(&strategies);
            let declared = self.dice.chance(70);
            self.strategies.push(declared.then_some(strategy));
            let by_field = strategy != "keep_both" && offers_fields && self.dice.chance(60);
            self.by_field.push(by_field);
        }
    }

    /// Declares a table that may be declared: sooner or later, again and again.
    fn declaration(&mut self) -> Option<Value> {
        let table = self.dice.below(self.tables.max(1));
        let strategy = self.strategies.get(table as usize).copied().flatten()?;
        self.used.extend(["tables", "conflicts"]);
        let mut op =
            json!({ "op": "declare", "table": format!("${{t{table}}}"), "strategy": strategy });
        // Now and then one setting comes after the other.
        if self.by_field[table as usize] && self.dice.chance(70) {
            self.used.insert("fields");
            op["granularity"] = "field".into();
        }
        Some(op)
    }

    /// Sets a field of a few, and takes out another now and then.
    fn patch(&mut self, op: &mut Value) {
        let names = ["a", "b", "c"];
        let (set, gone) = (self.dice.below(3) as usize, self.dice.below(3) as usize);
        op["op"] = "patch".into();
        op["fields"][names[set]] = self.fresh().into();
        if gone != set && self.dice.chance(30) {
            op["remove"] = json!([names[gone]]);
        }
    }

    /// Whether the server offers a capability; then it is used.
    fn may_use(&mut self, capability: &'static str) -> bool {
        self.offered.contains(capability) && {
            self.used.insert(capability);
            true
        }
    }

    /// The tables of a replica: every fourth has filters, the same ones from beginning to end.
    fn tables_of(&mut self, replica: &str) -> Value {
        let names = (0..self.tables).map(|table| format!("${{t{table}}}"));
        let own = replica
            .bytes()
            .fold(0, |sum, byte| sum * 256 + u64::from(byte));
        let dice = self.filters.map(|seed| Dice::new(seed ^ own << 32));
        let Some(mut dice) = dice.filter(|dice| dice.clone().chance(25)) else {
            return names.collect();
        };
        dice.chance(25);
        let settings = names
            .zip(0..)
            .map(|(name, table)| match self.holds_documents(table) {
                true => (name, documents::filter(&mut dice)),
                false => (name, filter(&mut dice)),
            });
        let settings: serde_json::Map<_, _> = settings.collect();
        if settings.values().any(|settings| *settings != json!({})) {
            self.used.insert("filters");
        }
        settings.into()
    }

    /// Everything is well again, and everybody there.
    fn end(&mut self, steps: &mut Vec<Value>) {
        steps.push(json!({ "do": "heal" }));
        let online = (0..self.writers)
            .map(|client| vec![self.online(client, false)])
            .collect::<Vec<_>>();
        steps.push(json!({ "do": "parallel", "branches": online }));
        steps.push(json!({ "do": "converge" }));
    }
}

/// How old a client says that a write is: what may be, what cannot, and by a clock that is put forth and back.
fn ages(dice: &mut Dice) -> Value {
    const HOUR_MS: u64 = 3_600_000;
    const YEAR_MS: u64 = 365 * 24 * HOUR_MS;
    let mut age = || match dice.below(8) {
        0 | 1 => 0,
        2..=4 => dice.between(1, 5_000),
        5 => dice.between(1, 48) * HOUR_MS,
        6 => dice.between(1, 30) * YEAR_MS,
        // Before all clocks began.
        _ => (1 << 53) - 1 - dice.below(1 << 40),
    };
    let first = age();
    let later = age();
    match dice.chance(70) {
        true => json!([first]),
        false => json!([first, later]),
    }
}

/// The settings of a table: a filter over what programs write, or none.
fn filter(dice: &mut Dice) -> Value {
    let field = *dice.pick(&["a", "b", "c", "number"]);
    let bound = dice.between(1, 60);
    let filter = match dice.below(7) {
        0 => return json!({}),
        1 => json!({ "field": field, "gte": 0 }),
        2 => json!({ "field": field, "lt": bound }),
        3 => json!({ "not": { "field": field, "gt": bound } }),
        4 => {
            json!({ "or": [{ "field": field, "in": [bound] }, { "field": "a", "gt": bound, "lte": bound + 20 }] })
        }
        5 => json!({ "keys": ["k0", "k2"] }),
        _ => {
            json!({ "and": [{ "not": { "field": "c", "gte": 0 } }, { "field": field, "gt": bound / 4 }] })
        }
    };
    json!({ "where": filter })
}
