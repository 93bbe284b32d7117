//! Scopes: what the clients write, and how much may go wrong.

use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};
use syncline_schemas::{DeleteOp, Json, Op, SetOp};

use crate::action::Action;
use crate::truth;
use crate::world::World;

/// The one table.
pub(crate) const TABLE: &str = "t";

/// A small world, all of which is looked at.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What it is called.
    pub name: &'static str,
    /// What each client's app writes, one mutation after the other, whenever it likes.
    pub scripts: Vec<Vec<Vec<Op>>>,
    /// It begins when all clients are connected and level, not when they are just installed.
    pub connected: bool,
    /// What may go wrong, at any moment.
    pub faults: Faults,
    /// What the server offers.
    pub capabilities: &'static [&'static str],
}

/// How often what may go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A connection breaks.
    pub cuts: u8,
    /// A client dies.
    pub crashes: u8,
    /// A store is copied over another: two clients send the same.
    pub copies: u8,
    /// The server dies.
    pub kills: u8,
    /// Deletes are forgotten.
    pub truncations: u8,
}

impl Faults {
    /// How much may go wrong altogether.
    fn all(&self) -> u8 {
        self.cuts + self.crashes + self.copies + self.kills + self.truncations
    }

    /// Whether nothing may go wrong any more.
    pub(crate) fn none(&self) -> bool {
        *self == Faults::default()
    }
}

/// What came of a scope.
#[derive(Clone, Debug)]
pub struct Checked {
    /// States, each once.
    pub states: usize,
    /// Actions done.
    pub actions: usize,
    /// The most actions on a way to a state.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// What does not hold, or was never met; with the shortest way there.
    pub found: Vec<String>,
}

impl Model for Scope {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend(world.progress(self));
        actions.extend(world.faults());
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.act(action, self).then_some(next)
    }

    /// Two clients with one store take turns in replacing each other's connection until one of them has written, so there would be no end of it.
    fn within_boundary(&self, world: &World) -> bool {
        let allowed = u32::from(self.faults.all()) + 1;
        world.clients.iter().all(|client| client.dials <= allowed)
    }

    fn properties(&self) -> Vec<Property<Scope>> {
        vec![
            Property::always("each mutation is applied once", truth::exactly_once),
            Property::always("versions and numbers rise", truth::in_order),
            Property::always(
                "a client holds a moment of the log",
                truth::stands_in_the_log,
            ),
            Property::always("an app sees its own writes", truth::sees_its_writes),
            Property::always("nothing that was written is lost", truth::nothing_is_lost),
            Property::always("what an app is told is true", truth::told_the_truth),
            Property::always("the cores keep their contracts", truth::sound),
            Property::always("where all is quiet, all are level", truth::converges),
            Property::sometimes("all goes wrong that may", truth::ends_with_all_faults),
        ]
    }
}

/// Visits every state of a scope.
#[must_use]
pub fn check(scope: &Scope, threads: usize) -> Checked {
    let begun = Instant::now();
    let whole = scope.clone().checker().threads(threads).spawn_dfs().join();
    let mut found = Vec::new();
    // What is to be met at all comes last: where something does not hold, it need not be met.
    for property in scope.properties() {
        let discovered = whole.discovery(property.name).is_some();
        if discovered == property.expectation.discovery_is_failure() {
            found.push(property.name.to_owned());
        }
    }
    if !found.is_empty() {
        found = shortest(scope, threads, found);
    }
    Checked {
        states: whole.unique_state_count(),
        actions: whole.state_count(),
        depth: whole.max_depth(),
        took: begun.elapsed(),
        found,
    }
}

/// Searches again, breadth first, for the shortest way to something that does not hold.
fn shortest(scope: &Scope, threads: usize, found: Vec<String>) -> Vec<String> {
    let search = scope.clone().checker().threads(threads);
    let search = search
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let told = found.into_iter().map(|name| {
        let way = search
            .discoveries()
            .into_iter()
            .find(|(of, _)| **of == *name);
        let Some((_, way)) = way else {
            return name;
        };
        let broken = way.last_state().broken.join("; ");
        let actions = way.into_actions().into_iter();
        let steps: Vec<String> = actions.map(|action| format!("  {action}")).collect();
        format!("{name}: {broken}\n{}", steps.join("\n"))
    });
    told.collect()
}

/// The scopes that are looked at, the smallest first.
#[must_use]
pub fn scopes() -> Vec<Scope> {
    let pair = |value: u32| vec![set("x", value), set("y", value)];
    let two = [vec![pair(1)], vec![pair(2)]];
    let three = [vec![pair(1), vec![delete("x")]], vec![pair(2)]];
    let scope = |name, scripts: &[Vec<Vec<Op>>], faults| Scope {
        name,
        scripts: scripts.to_vec(),
        connected: true,
        faults,
        capabilities: &[],
    };
    let none = Faults::default();
    let cut = Faults { cuts: 1, ..none };
    let copy = Faults { copies: 1, ..none };
    let kill = Faults { kills: 1, ..none };
    let crash = Faults { crashes: 1, ..none };
    let truncation = Faults {
        truncations: 1,
        ..none
    };
    let cut_and_truncation = Faults {
        cuts: 1,
        truncations: 1,
        ..none
    };
    vec![
        Scope {
            connected: false,
            ..scope("two mutations, from the first start", &two, none)
        },
        scope("three mutations, nothing goes wrong", &three, none),
        scope("three mutations, a truncation", &three, truncation),
        scope("two mutations, a cut", &two, cut),
        scope("two mutations, a client dies", &two, crash),
        scope("two mutations, the server dies", &two, kill),
        scope("two mutations, a copied store", &two, copy),
        scope("three mutations, a cut", &three, cut),
        scope(
            "three mutations, a cut and a truncation",
            &three,
            cut_and_truncation,
        ),
        scope("three mutations, the server dies", &three, kill),
    ]
}

fn set(key: &str, value: u32) -> Op {
    let value = Json::parse(&value.to_string()).expect("a number");
    Op::Set(SetOp::new(TABLE, key, value))
}

fn delete(key: &str) -> Op {
    Op::Delete(DeleteOp::new(TABLE, key))
}
