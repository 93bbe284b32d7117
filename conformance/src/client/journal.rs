//! The journal of a client's scenario: everything that happened, and what steps have taken notice of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::watch;

use super::adapter::{self, Line, Ready};
use super::world::World;
use crate::facts::Facts;
use crate::history::{ConnIx, Entry, Event, Frame, Happening};
use crate::matcher::{self, Mismatch, Others};
use crate::vars::{Bound, Scope, Vars, without_absent};

/// What a scenario's run knows.
#[derive(Debug)]
pub(crate) struct State {
    /// The history.
    pub(crate) entries: Vec<Entry>,
    /// The names.
    pub(crate) vars: Vars,
    /// The connections that were opened.
    pub(crate) conns: Vec<Conn>,
    /// The clients, by name.
    pub(crate) apps: BTreeMap<String, App>,
    /// What the server remembers.
    pub(crate) world: World,
    began: Instant,
}

/// A WebSocket of a client.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Its name in the scenario.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) client: String,
    /// The entries of the data frames that the client sent: `re` counts them from 1.
    pub(crate) received: Vec<usize>,
    /// Those that a step has taken.
    pub(crate) taken: BTreeSet<usize>,
    /// The `clientId` of its `hello`.
    pub(crate) client_id: String,
    /// The WebSocket pongs that came.
    pub(crate) pongs: Vec<u8>,
    /// When it ended, and whether the client ended it.
    pub(crate) ended: Option<(usize, bool)>,
}

/// A client's program.
#[derive(Debug, Default)]
pub(crate) struct App {
    /// What it said of itself.
    pub(crate) ready: Option<Ready>,
    /// The commands that it was asked, by id.
    asked: BTreeMap<u64, String>,
    /// Its replies, by id: the entry and the line.
    pub(crate) replies: BTreeMap<u64, (usize, Value)>,
    /// The entries of its events.
    pub(crate) events: Vec<usize>,
    /// Those that a step has taken.
    pub(crate) taken: BTreeSet<usize>,
    /// How it ended, if it did by itself.
    pub(crate) ended: Option<(usize, String)>,
    /// What is wrong with what it said.
    pub(crate) fault: Option<String>,
    /// The last that it wrote to standard error.
    pub(crate) complaint: String,
}

impl State {
    /// Writes an event down.
    pub(crate) fn record(&mut self, event: Event) -> usize {
        let at_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let at = self.entries.len();
        match &event {
            Event::Received { conn, .. } => self.conns[*conn].received.push(at),
            Event::Closed { conn, .. } => self.conns[*conn].ended = Some((at, true)),
            Event::Left { conn } => self.conns[*conn].ended = Some((at, false)),
            Event::Told { client, line } => self.told(at, client, line),
            Event::Process { client, what } => self.happened(at, client, what),
            _ => {}
        }
        self.entries.push(Entry { at_us, event });
        at
    }

    /// A new connection; gives its index.
    pub(crate) fn opened(&mut self, client: &str, name: &str) -> ConnIx {
        let conn = self.conns.len();
        self.conns.push(Conn {
            name: name.to_owned(),
            client: client.to_owned(),
            received: Vec::new(),
            taken: BTreeSet::new(),
            client_id: String::new(),
            pongs: Vec::new(),
            ended: None,
        });
        let name = format!("{client}/{name}");
        self.record(Event::Opened { conn, name });
        conn
    }

    /// The next id for a command of this kind to a client.
    pub(crate) fn next_id(&mut self, client: &str, command: &str) -> u64 {
        let app = self.apps.entry(client.to_owned()).or_default();
        let id = app.asked.len() as u64 + 1;
        app.asked.insert(id, command.to_owned());
        id
    }

    fn told(&mut self, at: usize, client: &str, line: &Frame) {
        let app = self.apps.entry(client.to_owned()).or_default();
        let Some(json) = &line.json else {
            app.fault = Some(format!("a line that is no JSON: {line}"));
            return;
        };
        match adapter::read(json, |id| app.asked.get(&id).cloned()) {
            Ok(Line::Ready(ready)) => app.ready = Some(ready),
            Ok(Line::Event) => app.events.push(at),
            Ok(Line::Reply(id)) => drop(app.replies.insert(id, (at, json.clone()))),
            Err(why) => app.fault = Some(format!("{why}: {line}")),
        }
    }

    fn happened(&mut self, at: usize, client: &str, what: &Happening) {
        let app = self.apps.entry(client.to_owned()).or_default();
        match what {
            Happening::Started => *app = App::default(),
            Happening::Ended(how) => app.ended = Some((at, how.clone())),
            _ => {}
        }
    }

    /// The JSON of an entry's frame or line.
    pub(crate) fn json(&self, at: usize) -> Option<&Value> {
        match &self.entries[at].event {
            Event::Sent { frame, .. } | Event::Received { frame, .. } => frame.json.as_ref(),
            Event::Told { line, .. } | Event::Asked { line, .. } => line.json.as_ref(),
            _ => None,
        }
    }

    /// The value of a template, with matchers and absent members as they stand.
    pub(crate) fn pattern(&mut self, template: &Value, scope: &Scope) -> Result<Value, String> {
        let resolved = self.vars.resolve(template, scope, &Facts::default());
        resolved.map_err(|unmade| unmade.to_string())
    }

    /// The value of a template, to be sent.
    pub(crate) fn value(&mut self, template: &Value, scope: &Scope) -> Result<Value, String> {
        self.pattern(template, scope).map(without_absent)
    }

    /// Compares a value with a pattern, and binds what the pattern binds.
    pub(crate) fn matches(
        &mut self,
        pattern: &Value,
        value: Option<&Value>,
        others: Others,
    ) -> Result<(), Mismatch> {
        for (name, value) in matcher::matches(pattern, value, others)? {
            self.vars.bind(&name, Bound::Value(value));
        }
        Ok(())
    }
}

/// The shared state of a run; whoever waits is told of every change.
#[derive(Debug)]
pub(crate) struct Journal {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl Journal {
    /// An empty journal.
    pub(crate) fn new(run: &str) -> Arc<Journal> {
        let state = State {
            entries: Vec::new(),
            vars: Vars::new(run, &format!("w-{run}")),
            conns: Vec::new(),
            apps: BTreeMap::new(),
            world: World::new(run),
            began: Instant::now(),
        };
        Arc::new(Journal {
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
        })
    }

    /// Looks at the state, or changes it; nobody else does meanwhile.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and tells those who wait.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = self.with(change);
        self.changed.send_modify(|count| *count += 1);
        changed
    }

    /// Writes an event down and tells those who wait.
    pub(crate) fn record(&self, event: Event) -> usize {
        self.change(|state| state.record(event))
    }

    /// Changes from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
