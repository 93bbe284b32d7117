//! `conversation`: an engine that is told anything, by anyone, in any order: frames as texts, whether they are messages or not, restarts, truncations, steps
//! that are taken back. What it says are messages, the log alone says what it is, and a step that is taken back leaves no trace.
//!
//! The bytes are lines, as in the scripts of the engine's own cases (`reference-server/core/tests/cases`), which are the seeds; a line that says nothing is
//! passed over.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use syncline_schemas::{Limits, ServerMessage, validate};
use syncline_server_core::{
    CAPABILITIES, Checkpoint, Config, Engine, Input, Output, Record, SessionKey,
};

use crate::support::{EPOCH, Node};

/// A longer conversation says no more.
const LINES_MAX: usize = 150;

/// Fails if the engine says what is no message, to nobody, or does not come back from its log.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut talk = Talk::new(Config::default());
    for line in text.lines().take(LINES_MAX) {
        talk.line(line);
    }
    talk.step();
    talk.comes_back(None);
}

struct Talk {
    node: Node,
    /// The connections that are open, by their letters. One whose letter comes again after its end is another.
    open: BTreeMap<u8, SessionKey>,
    /// How many there were.
    made: u64,
    /// Those that were sent something.
    greeted: BTreeSet<SessionKey>,
}

impl Talk {
    fn new(config: Config) -> Talk {
        Talk {
            node: Node::new(config),
            open: BTreeMap::new(),
            made: 0,
            greeted: BTreeSet::new(),
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(command) = line.strip_prefix("! ") {
            self.command(command);
        } else if line.starts_with('=') {
            self.step();
            self.comes_back(None);
            *self = Talk::new(Config::default());
        } else if let Some((name, frame)) = line.split_once("> ") {
            self.receive(name, frame);
            self.step();
        } else if let Some((name, frame)) = line.split_once("+ ") {
            self.receive(name, frame);
        }
    }

    fn receive(&mut self, name: &str, frame: &str) {
        let [letter @ b'A'..=b'Z'] = name.as_bytes() else {
            return;
        };
        let session = *self.open.entry(*letter).or_insert(SessionKey(self.made));
        self.made = self.made.max(session.0 + 1);
        // A connection that is refused never reaches the engine.
        if let Some(Output::Frame { text, .. }) = self.node.receive(session, frame) {
            is_a_message(&text);
            self.end(session);
        }
    }

    fn command(&mut self, command: &str) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let number = rest.parse::<u64>().unwrap_or(0);
        match verb {
            "wait" => self.node.now_ms = self.node.now_ms.saturating_add(number).min(1 << 53),
            "back" => self.node.now_ms = self.node.now_ms.saturating_sub(number),
            "room" => {
                let (name, bytes) = rest.split_once(' ').unwrap_or((rest, ""));
                if let Some(session) = self.key(name) {
                    self.node.room.insert(session, bytes.parse().unwrap_or(0));
                    let outputs = self.node.pump();
                    self.hear(outputs);
                }
            }
            "truncate" => {
                let keep_versions = number;
                self.node.engine.enqueue(Input::Truncate { keep_versions });
                self.step();
            }
            "close" => {
                if let Some(session) = self.key(rest) {
                    // What was decided of it before has come out then.
                    self.step();
                    self.node.engine.enqueue(Input::Close { session });
                    self.end(session);
                    self.step();
                }
            }
            "reopen" => {
                self.step();
                let checkpoint = (rest == "checkpoint").then(|| self.node.engine.checkpoint());
                self.node.reopen(checkpoint.as_ref());
                self.open.clear();
            }
            "conflict" => self.take_back(),
            "step" => self.step(),
            _ => {
                if let Some(config) = config(command) {
                    *self = Talk::new(config);
                }
            }
        }
    }

    fn key(&self, name: &str) -> Option<SessionKey> {
        self.open.get(name.as_bytes().first()?).copied()
    }

    fn is_open(&self, session: SessionKey) -> bool {
        self.open.values().any(|open| *open == session)
    }

    fn end(&mut self, session: SessionKey) {
        self.open.retain(|_, open| *open != session);
    }

    /// Another node was first, with nothing that matters: the same is decided again.
    fn take_back(&mut self) {
        let before = self.node.engine.checkpoint();
        let records = self.node.engine.decide(self.node.now_ms).to_vec();
        self.node.engine.conflicted([]);
        assert_eq!(
            self.node.engine.checkpoint(),
            before,
            "taken back without a trace"
        );
        let again = self.node.engine.decide(self.node.now_ms).to_vec();
        assert_eq!(records, again, "decided alike");
        self.node.engine.conflicted([]);
        self.step();
    }

    fn step(&mut self) {
        let before = (self.node.engine.checkpoint(), self.node.log.len());
        let outputs = self.node.step();
        for record in &self.node.log[before.1..] {
            is_kept(record);
        }
        if self.node.log.len() > before.1 {
            self.comes_back(Some(before));
        }
        self.hear(outputs);
    }

    /// The state is what a checkpoint and the records after it make; or all records.
    fn comes_back(&self, from: Option<(Checkpoint, usize)>) {
        let (checkpoint, first) = from.unzip();
        let records = self.node.log[first.unwrap_or(0)..].iter().cloned();
        let again = Engine::open(
            self.node.config.clone(),
            EPOCH.into(),
            checkpoint.as_ref(),
            records,
        );
        let again = again.expect("what was written can be opened").checkpoint();
        assert_eq!(
            again,
            self.node.engine.checkpoint(),
            "the log says what the engine is"
        );
    }

    fn hear(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Frame { to, text } => {
                    let message = is_a_message(&text);
                    let greets = matches!(message, ServerMessage::Welcome(_));
                    for session in to {
                        assert!(self.is_open(session), "nobody is there for {text}");
                        let is_first = self.greeted.insert(session);
                        let refuses =
                            matches!(message, ServerMessage::Error(_) | ServerMessage::Goaway(_));
                        assert!(is_first == greets || refuses, "CONN-WELCOME-FIRST: {text}");
                    }
                }
                Output::Close { session, code } => {
                    assert!((1000..5000).contains(&code), "a close code");
                    assert!(self.is_open(session), "closed once");
                    self.end(session);
                }
                Output::Starved { session } => {
                    assert!(self.node.room.contains_key(&session), "it has room");
                }
            }
        }
    }
}

/// A frame of the server is valid under the schema of its type, and read by the types (`FRAME-SCHEMA`).
fn is_a_message(text: &str) -> ServerMessage {
    let message = ServerMessage::decode(text, syncline_schemas::DEPTH_CEILING);
    let message = message.unwrap_or_else(|error| panic!("FRAME-SCHEMA: {error}: {text}"));
    let value: serde_json::Value = serde_json::from_str(text).expect("it was decoded");
    let verdict = validate::message(message.type_name(), &value);
    assert_eq!(verdict, Ok(()), "FRAME-SCHEMA: {text}");
    message
}

/// A record comes back from its line.
fn is_kept(record: &Record) {
    let mut line = String::new();
    record.write(&mut line);
    assert!(!line.contains('\n'), "one line: {line}");
    let read: Record = serde_json::from_str(&line).expect("a record can be read");
    assert_eq!(read, *record, "{line}");
}

/// The default configuration with some members changed, if a server may be set up so.
fn config(settings: &str) -> Option<Config> {
    let settings: Value = serde_json::from_str(settings).ok()?;
    let mut config = Config::default();
    let mut limits = serde_json::to_value(&config.limits).ok()?;
    let changed = settings.get("limits").and_then(Value::as_object);
    limits
        .as_object_mut()?
        .extend(changed.cloned().unwrap_or_default());
    config.limits = serde_json::from_value::<Limits>(limits).ok()?;
    let number = |name: &str| settings.get(name).and_then(Value::as_u64);
    config.retention.versions_max = number("versionsMax").unwrap_or(config.retention.versions_max);
    config.retention.age_ms_max = number("ageMsMax").unwrap_or(config.retention.age_ms_max);
    config.step_bytes = number("stepBytes").unwrap_or(config.step_bytes);
    config.part_bytes = number("partBytes").map_or(config.part_bytes, |bytes| bytes as usize);
    if let Some(offered) = settings.get("capabilities").and_then(Value::as_array) {
        let names = offered.iter().filter_map(Value::as_str);
        let names = names.filter(|name| CAPABILITIES.contains(name));
        config.capabilities = names.map(ToOwned::to_owned).collect();
    }
    config.check().ok().map(|()| config)
}
