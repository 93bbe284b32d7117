//! What a history of clients tells: connections with their frames, what was told of each mutation, when a client tried to connect. It is a fold
//! of the history, for the checkers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::world::is_outcome;
use crate::history::{ConnIx, Entry, Event, Frame, Happening, whole};

/// All that a history tells.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The history itself.
    pub entries: &'a [Entry],
    /// The connections, in the order in which they were opened.
    pub conns: Vec<Conn<'a>>,
    /// When time was skipped: from when at the earliest, until when at the latest, by how much in microseconds, for whom.
    skips: Vec<Skip<'a>>,
}

/// A connection.
#[derive(Debug)]
pub struct Conn<'a> {
    /// Whose it is.
    pub client: &'a str,
    /// The data frames, in order: when, from whom, what.
    pub frames: Vec<Said<'a>>,
    /// The `hello`, if it came first.
    pub hello: Option<&'a Value>,
    /// The `welcome`, and when it was sent.
    pub welcome: Option<(usize, &'a Value)>,
}

/// A data frame on a connection.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The entry.
    pub at: usize,
    /// Whether the client sent it.
    pub by_client: bool,
    /// What.
    pub frame: &'a Frame,
}

#[derive(Debug)]
struct Skip<'a> {
    client: &'a str,
    id: &'a Value,
    asked: usize,
    done: usize,
    us: u64,
}

impl<'a> Facts<'a> {
    /// The facts of a whole history.
    #[must_use]
    pub fn of(entries: &'a [Entry]) -> Facts<'a> {
        let mut facts = Facts {
            entries,
            conns: Vec::new(),
            skips: Vec::new(),
        };
        for (at, entry) in entries.iter().enumerate() {
            match &entry.event {
                Event::Opened { name, .. } => facts.conns.push(Conn::opened(name)),
                Event::Sent { conn, frame, .. } => facts.conns[*conn].said(at, false, frame),
                Event::Received { conn, frame } => facts.conns[*conn].said(at, true, frame),
                Event::Asked { client, line } => facts.asked(at, client, line),
                Event::Told { client, line } => facts.told(at, client, line),
                _ => {}
            }
        }
        facts
    }

    fn asked(&mut self, at: usize, client: &'a str, line: &'a Frame) {
        if let (Some("skip_time"), Some(ms), Some(id)) =
            (line.string("do"), line.number("ms"), line.member("id"))
        {
            self.skips.push(Skip {
                client,
                id,
                asked: at,
                done: usize::MAX,
                us: ms.saturating_mul(1_000),
            });
        }
    }

    fn told(&mut self, at: usize, client: &'a str, line: &'a Frame) {
        let id = line.member("id");
        let waiting = self.skips.iter_mut().rev();
        let mut own = waiting.filter(|skip| skip.client == client && skip.done == usize::MAX);
        if let Some(skip) = own.find(|skip| Some(skip.id) == id) {
            skip.done = at;
        }
    }

    /// How much time has passed for a client between two entries, by its own clock, at the most: in microseconds.
    #[must_use]
    pub fn at_most_us(&self, client: &str, from: usize, to: usize) -> u64 {
        let real = self.entries[to].at_us - self.entries[from].at_us;
        let between = |skip: &&Skip| skip.client == client && skip.asked < to && skip.done > from;
        real + self
            .skips
            .iter()
            .filter(between)
            .map(|skip| skip.us)
            .sum::<u64>()
    }

    /// The first moment after an entry at which a client tried to connect of its own accord: not after it was told to, or started.
    #[must_use]
    pub fn attempt_after(&self, client: &str, from: usize) -> Option<usize> {
        let later = self.entries.iter().enumerate().skip(from + 1);
        for (at, entry) in later {
            match &entry.event {
                Event::Process { client: own, what } if own == client => match what {
                    Happening::Connects => return Some(at),
                    Happening::Started => return None,
                    _ => {}
                },
                Event::Asked { client: own, line }
                    if own == client && line.string("do") == Some("go_online") =>
                {
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    /// The connections with their places in the order.
    pub fn each(&self) -> impl Iterator<Item = (ConnIx, &Conn<'a>)> {
        self.conns.iter().enumerate()
    }
}

impl<'a> Conn<'a> {
    fn opened(name: &'a str) -> Conn<'a> {
        Conn {
            client: name.split_once('/').map_or(name, |(client, _)| client),
            frames: Vec::new(),
            hello: None,
            welcome: None,
        }
    }

    fn said(&mut self, at: usize, by_client: bool, frame: &'a Frame) {
        let first = by_client && self.sent().next().is_none();
        match frame.kind() {
            "hello" if first => self.hello = frame.json.as_ref(),
            "welcome" if !by_client && self.welcome.is_none() => {
                self.welcome = frame.json.as_ref().map(|welcome| (at, welcome));
            }
            _ => {}
        }
        self.frames.push(Said {
            at,
            by_client,
            frame,
        });
    }

    /// The frames of the client, in order: `re` counts them from 1.
    pub fn sent(&self) -> impl Iterator<Item = &Said<'a>> {
        self.frames.iter().filter(|said| said.by_client)
    }

    /// The client's pushes.
    pub fn pushes(&self) -> impl Iterator<Item = &Said<'a>> {
        self.sent().filter(|said| said.frame.kind() == "push")
    }

    /// The name under which the client writes here.
    #[must_use]
    pub fn client_id(&self) -> &'a str {
        self.hello
            .and_then(|hello| hello["clientId"].as_str())
            .unwrap_or_default()
    }

    /// A limit that was announced here.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<u64> {
        whole(&self.welcome?.1["limits"][name])
    }

    /// The outcomes that were told here, each with the entry of its frame: those of the `welcome` and of acks.
    pub fn outcomes(&self) -> impl Iterator<Item = (usize, &'a Value)> {
        let told = self.frames.iter().filter(|said| !said.by_client);
        told.flat_map(|said| {
            let results = said.frame.member("results").and_then(Value::as_array);
            let outcomes = results
                .into_iter()
                .flatten()
                .filter(|result| is_outcome(result));
            outcomes.map(|outcome| (said.at, outcome))
        })
    }
}

/// The mutations of a push, each with its `seq`.
pub(super) fn mutations(push: &Frame) -> impl Iterator<Item = (u64, &Value)> {
    let all = push.member("mutations").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .filter_map(|mutation| Some((whole(&mutation["seq"])?, mutation)))
}

/// The names of all mutations that were sent or told, by `clientId` and `seq`.
#[must_use]
pub(super) fn op_ids<'a>(facts: &Facts<'a>) -> BTreeMap<(&'a str, u64), &'a str> {
    let mut names = BTreeMap::new();
    for conn in &facts.conns {
        for push in conn.pushes() {
            for (seq, mutation) in mutations(push.frame) {
                if let Some(op_id) = mutation["opId"].as_str() {
                    names.entry((conn.client_id(), seq)).or_insert(op_id);
                }
            }
        }
    }
    names
}
