//! The replay of a log: what each mutation did to each row, as its ops, its results and the table's settings have it.
//!
//! What a server says that it has superseded changes nothing here; whether it should have is foretold beside, as a [`Fate`], for a checker to compare.

mod by_field;
pub(super) mod moment;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use self::moment::Moment;
use super::Facts;
use super::document;
use super::fields::{Fields, FieldsFate};
use super::log::{Effect, Patched};
use super::mutation::{Mutation, Outcome, row_named};
use super::replica::{RowName, Sibling};
use super::sequence::ask_of;
use crate::history::whole;
use crate::scenario::Hook;

/// What must become of an op in a table whose strategy asks, and what the server said.
#[derive(Clone, Debug)]
pub struct Fate<'a> {
    /// Which op of the mutation.
    pub at: u64,
    /// The row.
    pub row: RowName<'a>,
    /// The table's strategy.
    pub strategy: &'a str,
    /// Whether others had changed the row since the writer saw it; none if nobody can say.
    pub concurrent: Option<bool>,
    /// Whether only its writer's own changes came since.
    pub own: bool,
    /// Whether it must be superseded; none if nobody can say.
    pub loses: Option<bool>,
    /// Whether the server said that it was.
    pub superseded: bool,
    /// Whether it deletes what is not there.
    pub absent: bool,
    /// How many values the row would have.
    pub values: usize,
    /// What the server said of the op.
    pub told: Option<&'a Value>,
    /// What is there before it, if that is known.
    pub stands: Option<Stands>,
}

/// A row before an op, or its delete.
#[derive(Clone, Debug)]
pub struct Stands {
    /// The version that it has; that of the delete, if it is gone.
    pub version: u64,
    /// Its value; none, if it is gone.
    pub value: Option<Value>,
}

/// A replay, as far as it has come.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    facts: &'a Facts,
    /// Whether any op asks what rows hold.
    kept: bool,
    tables: BTreeMap<&'a str, Settings<'a>>,
    /// Tables of whose settings too little is known.
    unsure: BTreeSet<&'a str>,
    held: BTreeMap<RowName<'a>, Held<'a>>,
    /// When the server's clock stood at 0.
    zero: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Settings<'a> {
    strategy: Option<&'a str>,
    granularity: Option<&'a str>,
    /// When it was declared.
    moment: Moment,
}

/// A server need not tell of more ops of a mutation (CFL-SUPERSEDED).
const TOLD_MAX: usize = 16;

/// The bytes of an entry that says no more than that an op was superseded.
const ENTRY_BYTES: usize = 48;

/// What a replay knows of a row, or of its delete.
#[derive(Clone, Debug)]
struct Held<'a> {
    value: Option<Cow<'a, Value>>,
    version: u64,
    writer: &'a str,
    /// The last version at which anybody but the writer changed it.
    others: u64,
    life: u64,
    /// Whether the strategy was declared when its life began: else a server need not know when that was.
    life_known: bool,
    /// None: it was written before the table was declared.
    moment: Option<Moment>,
    siblings: Vec<(u64, &'a str, Value)>,
    /// What is kept of its fields; none: of each as of the row.
    fields: Option<Fields<'a>>,
}

/// An op with what matters of its mutation.
struct Write<'a> {
    op: &'a Value,
    at: u64,
    row: RowName<'a>,
    client: &'a str,
    version: u64,
    moment: Moment,
    told: Option<&'a Value>,
}

/// What had to become of the ops of a mutation: of rows, and of fields.
#[derive(Debug, Default)]
pub(super) struct Fates<'a> {
    pub(super) rows: Vec<Fate<'a>>,
    pub(super) fields: Vec<FieldsFate<'a>>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        facts: &'a Facts,
        workspace: &str,
        mutations: impl Iterator<Item = &'a Mutation>,
        unsure: BTreeSet<&'a str>,
    ) -> Replay<'a> {
        let asks = |ops: &Value| {
            let mut ops = ops.as_array().into_iter().flatten();
            ops.any(|op| op["op"] == "patch" || op["op"] == "declare" || document::is_op(op))
        };
        let kept = { mutations }.filter_map(Mutation::ops).any(asks);
        let (tables, held) = Default::default();
        Replay {
            facts,
            kept,
            tables,
            unsure,
            held,
            zero: Moment::zero(facts, workspace),
        }
    }

    /// What a mutation did that was applied at this version; nothing, if of one of its ops it is not known.
    pub(super) fn step(
        &mut self,
        mutation: &'a Mutation,
        outcome: &'a Outcome,
        fates: &mut Fates<'a>,
    ) -> Option<Vec<Effect<'a>>> {
        let ops = mutation.ops_of(outcome)?.as_array()?;
        let moment = self.moment(mutation, outcome);
        let declares = ops.iter().filter(|op| op["op"] == "declare");
        let decided = self.decided(mutation, outcome);
        declares.for_each(|op| self.declare(op, decided));
        let told = told_of(mutation, &outcome.epoch);
        let strategic = |op: &Value| {
            op["table"]
                .as_str()
                .is_some_and(|table| self.tables.contains_key(table))
        };
        if (told.len() >= TOLD_MAX || self.left_out(outcome)) && ops.iter().any(strategic) {
            // There may be more than was told.
            return None;
        }
        let mut effects = Vec::new();
        for (at, op) in (0..).zip(ops) {
            if ask_of(op).is_some() || op["op"] == "declare" {
                continue;
            }
            let write = Write {
                op,
                at,
                row: row_named(op)?,
                client: &mutation.client,
                version: outcome.version,
                moment,
                told: told.get(&at).copied(),
            };
            effects.extend(self.write(&write, fates)?);
        }
        if self.kept {
            let keep = |effect| self.keep(effect, &mutation.client, outcome.version, moment);
            effects.iter().for_each(keep);
        }
        Some(effects)
    }

    /// Whether the answer is so large that even the shortest entries may have been left out.
    fn left_out(&self, outcome: &Outcome) -> bool {
        let Some(frame) = self.facts.frame(outcome.at) else {
            return true;
        };
        let results = frame.member("results").and_then(Value::as_array);
        let entries = results.map_or(0, |results| results.len() * TOLD_MAX * ENTRY_BYTES);
        let most = self.facts.limit(outcome.conn, "frameBytesMax");
        most.is_some_and(|most| (frame.bytes() + entries) as u64 > most / 2)
    }

    fn declare(&mut self, op: &'a Value, moment: Moment) {
        let Some(table) = op["table"].as_str() else {
            return;
        };
        let settings = self.tables.entry(table).or_insert(Settings {
            strategy: None,
            granularity: None,
            moment,
        });
        settings.granularity = settings.granularity.or(op["granularity"].as_str());
        if settings.strategy.is_none() {
            settings.strategy = op["strategy"].as_str();
            settings.moment = moment;
        }
    }

    /// What an op did: nothing, or one thing; none, if it is not known.
    fn write(&self, write: &Write<'a>, fates: &mut Fates<'a>) -> Option<Option<Effect<'a>>> {
        if self.unsure.contains(write.row.0) {
            return None;
        }
        let held = self.held.get(&write.row);
        let live = held.filter(|held| held.value.is_some());
        let said = write
            .told
            .map(|told| told["result"].as_str().unwrap_or_default());
        let strategy = self.strategy(write.row.0);
        let absent = write.op["op"] == "delete" && live.is_none();
        let mut siblings = Vec::new();
        let by_field = strategy.filter(|_| !absent && self.is_by_field(write.row.0));
        if let Some(strategy) = by_field
            && let Some(made) = self.by_field(write, live, strategy, &mut fates.fields)
        {
            return made;
        }
        if absent || strategy.is_none() {
            // Whatever is said of it: it applies (CFL-CLIENT-WINS, CFL-DELETE).
            if said.is_some() || self.tables.contains_key(write.row.0) {
                fates.rows.push(Fate {
                    absent,
                    ..self.applies(write, held, strategy.unwrap_or("client_wins"))
                });
            }
        } else if let Some(strategy) = strategy {
            let fate = self.fate(write, held, strategy);
            if strategy == "keep_both" {
                siblings = beside(write, live);
            }
            let superseded = fate.superseded;
            fates.rows.push(fate);
            if superseded {
                return Some(None);
            }
        }
        if absent {
            return Some(Some(Effect::plain(write.row, None)));
        }
        if said == Some("resolved") {
            let told = write.told?;
            let value = told.get("value").map(Cow::Borrowed);
            return says_what_stands(told).then(|| Some(Effect::plain(write.row, value)));
        }
        let current = live.and_then(|held| held.value.as_deref());
        let (value, patched) = match write.op["op"].as_str()? {
            "set" => (Some(Cow::Borrowed(write.op.get("value")?)), None),
            "delete" => (None, None),
            "append" | "compact" => match document::written(current, write.op, write.version)? {
                Some((value, by)) => (Some(Cow::Owned(value)), Some(by)),
                None => return Some(None),
            },
            "patch" => {
                let by = current.map_or(Patched::Absent, |_| Patched::Row);
                (Some(Cow::Owned(patched(current, write.op)?)), Some(by))
            }
            _ => return None,
        };
        let mut effect = Effect {
            patched,
            siblings,
            ..Effect::plain(write.row, value)
        };
        if by_field.is_some() && live.is_none() {
            effect.fields = self.of_new(write, held, effect.value.as_deref());
        }
        Some(Some(effect))
    }

    /// The table's strategy, if it is one that asks about writes.
    fn strategy(&self, table: &str) -> Option<&'a str> {
        let declared = self.tables.get(table)?.strategy;
        declared.filter(|strategy| *strategy != "client_wins")
    }

    /// What must become of it (CFL-BASE, CFL-SERVER-WINS, CFL-LAST-WRITE, CFL-SIBLINGS-DELETE).
    fn fate(&self, write: &Write<'a>, held: Option<&Held<'a>>, strategy: &'a str) -> Fate<'a> {
        let base = write.op.get("base").and_then(whole);
        let locked = write.op.get("ifVersion").is_some();
        let others = held.map_or(0, |held| match held.writer == write.client {
            true => held.others,
            false => held.version,
        });
        let concurrent = match (held, base.unwrap_or(0)) {
            (None, _) => Some(false),
            _ if locked => Some(false),
            (Some(held), _) if self.may_be_forgotten(held, others) => None,
            (Some(held), 0) if held.value.is_none() => Some(base.is_none() && others > 0),
            // Of what was there before the declaration a server need not know when its life began.
            (Some(held), 0) if !held.life_known && (1..held.life).contains(&others) => None,
            (Some(held), 0) => Some(others >= held.life),
            (Some(_), base) => Some(others > base),
        };
        let live = held.filter(|held| held.value.is_some());
        let own = held.is_some_and(|held| held.writer == write.client);
        let gone = write.op["op"] == "patch" && live.is_none() && base.is_some_and(|base| base > 0);
        let gone = gone && !own;
        let stood = held.map_or(write.moment, |held| self.stood(write.row.0, held));
        let values = 1 + beside(write, live).len();
        let loses = match (strategy, concurrent) {
            _ if gone => Some(true),
            ("keep_both", _) => Some(write.op["op"] == "delete" && values > 1),
            (_, Some(false)) => Some(false),
            ("server_wins", concurrent) => concurrent,
            ("last_write_wins", _) if write.moment.surely_from(stood) => Some(false),
            ("last_write_wins", Some(true)) if write.moment.surely_before(stood) => Some(true),
            _ => None,
        };
        Fate {
            concurrent,
            own: own && concurrent == Some(false),
            loses,
            values,
            ..self.applies(write, held, strategy)
        }
    }

    /// The fate of an op that must apply.
    fn applies(&self, write: &Write<'a>, held: Option<&Held<'a>>, strategy: &'a str) -> Fate<'a> {
        let superseded = write.told.is_some_and(|told| {
            told["result"] == "superseded"
                || strategy == "client_wins" && told["result"] == "superseded_in_fields"
                || strategy != "custom" && told["result"] == "resolved"
        });
        let known = held.filter(|held| superseded && !self.may_be_forgotten(held, u64::MAX));
        Fate {
            at: write.at,
            row: write.row,
            strategy,
            concurrent: Some(false),
            own: false,
            loses: Some(false),
            superseded,
            absent: false,
            values: 1,
            told: write.told,
            stands: known.map(|held| Stands {
                version: held.version,
                value: held.value.as_deref().cloned(),
            }),
        }
    }

    /// Whether a server need not know any more who changed the row when: a delete of it lies before a truncation.
    fn may_be_forgotten(&self, held: &Held<'_>, others: u64) -> bool {
        self.has_truncated() && (held.value.is_none() || others < held.life)
    }

    fn has_truncated(&self) -> bool {
        { self.facts.hooks.iter() }.any(|(hook, ..)| *hook == Hook::Truncate)
    }

    fn keep(&mut self, effect: &Effect<'a>, client: &'a str, version: u64, moment: Moment) {
        let before = self.held.get(&effect.row);
        let live = before.filter(|held| held.value.is_some());
        if effect.value.is_none() && live.is_none() {
            return;
        }
        let others = before.map_or(0, |held| match held.writer == client {
            true => held.others,
            false => held.version,
        });
        let stood = before.map(|held| self.stood(effect.row.0, held));
        let declared = self.strategy(effect.row.0).is_some();
        let siblings = effect.siblings.iter().map(|kept| {
            let writer = self.writer_of(live, kept.version);
            (kept.version, writer, kept.value.clone())
        });
        let held = Held {
            value: effect.value.clone(),
            version,
            writer: client,
            others,
            life: live.map_or(version, |held| held.life),
            life_known: live.map_or(declared, |held| held.life_known),
            moment: declared.then(|| stood.map_or(moment, |stood| stood.later(moment))),
            siblings: siblings.collect(),
            fields: effect.fields.clone(),
        };
        self.held.insert(effect.row, held);
    }

    /// When a row was written: what was there before the table was declared counts as written then (CFL-MOMENT-KEPT).
    fn stood(&self, table: &str, held: &Held<'_>) -> Moment {
        let declared = self.tables.get(table).map(|settings| settings.moment);
        held.moment.or(declared).unwrap_or_default()
    }

    fn writer_of(&self, live: Option<&Held<'a>>, version: u64) -> &'a str {
        let Some(held) = live else { return "" };
        let kept = held.siblings.iter().find(|(kept, _, _)| *kept == version);
        kept.map_or(held.writer, |(_, writer, _)| writer)
    }
}

impl<'a> Effect<'a> {
    fn plain(row: RowName<'a>, value: Option<Cow<'a, Value>>) -> Effect<'a> {
        Effect {
            row,
            value,
            patched: None,
            siblings: Vec::new(),
            fields: None,
        }
    }
}

/// The values that a write leaves beside its own (CFL-SIBLINGS).
fn beside(write: &Write<'_>, live: Option<&Held<'_>>) -> Vec<Sibling> {
    let base = write.op.get("base").and_then(whole).unwrap_or(0);
    let seen = if write.op.get("ifVersion").is_some() {
        u64::MAX
    } else {
        base
    };
    let stays = |version: u64, writer: &str| version > seen && writer != write.client;
    let Some(held) = live else { return Vec::new() };
    let mut kept: Vec<Sibling> = { held.siblings.iter() }
        .filter(|(version, writer, _)| stays(*version, writer))
        .map(|(version, _, value)| Sibling {
            version: *version,
            value: value.clone(),
        })
        .collect();
    if stays(held.version, held.writer)
        && let Some(value) = held.value.clone()
    {
        let version = held.version;
        let value = value.into_owned();
        kept.push(Sibling { version, value });
    }
    kept
}

/// What was told of single ops in an epoch, by their index: where several answers tell, the one that says more.
fn told_of<'a>(mutation: &'a Mutation, epoch: &str) -> BTreeMap<u64, &'a Value> {
    let mut all: BTreeMap<u64, &Value> = BTreeMap::new();
    for outcome in { mutation.outcomes.iter() }.filter(|told| told.epoch == epoch) {
        let told = outcome.told.as_ref().and_then(Value::as_array);
        for told in told.into_iter().flatten() {
            let Some(at) = told.get("at").and_then(whole) else {
                continue;
            };
            if all.get(&at).is_none_or(|known| !says_what_stands(known)) {
                all.insert(at, told);
            }
        }
    }
    all
}

/// Whether an entry, or a field of one, says what stands, and does not leave it out.
pub fn says_what_stands(told: &Value) -> bool {
    let says = |told: &Value| told.get("value").is_some() || told["gone"] == true;
    says(told) || says(&told["conflicts"][0])
}

/// What a patch makes of a row's value; nothing, if that is no object.
fn patched(held: Option<&Value>, patch: &Value) -> Option<Value> {
    let mut fields = match held {
        Some(value) => value.as_object()?.clone(),
        None => Map::new(),
    };
    let removed = patch.get("remove").and_then(Value::as_array);
    for name in removed.into_iter().flatten() {
        fields.remove(name.as_str()?);
    }
    let set = patch.get("fields").and_then(Value::as_object);
    for (name, value) in set.into_iter().flatten() {
        fields.insert(name.clone(), value.clone());
    }
    Some(fields.into())
}
