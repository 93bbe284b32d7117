//! Driving an engine by hand: what goes in is readable text, what comes out is too.
#![allow(dead_code, reason = "each test uses its own part")]

pub(crate) mod documents;
pub(crate) mod filters;
mod history;
pub(crate) mod log;
pub(crate) mod plan;
mod presence;
mod pushes;
pub(crate) mod replica;
pub(crate) mod script;
mod sequences;
pub(crate) mod witness;
pub(crate) mod world;

use std::collections::BTreeMap;

use syncline_schemas::{Limits, ServerMessage};
use syncline_server_core::{
    Checkpoint, Config, Engine, Input, Output, Record, SessionKey, read_frame, read_hello,
};

/// One workspace behind an engine, with its log and its clock.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) config: Config,
    /// All that was appended.
    pub(crate) log: Vec<Record>,
    pub(crate) now_ms: u64,
    /// Bytes that a session's queue can take; absent: any.
    pub(crate) room: BTreeMap<SessionKey, usize>,
    frames: BTreeMap<SessionKey, u64>,
}

pub(crate) const EPOCH: &str = "e";

impl Node {
    pub(crate) fn new(config: Config) -> Node {
        let engine = Engine::open(config.clone(), EPOCH.into(), None, []).expect("a fresh engine");
        let (log, room, frames) = Default::default();
        Node {
            engine,
            config,
            log,
            now_ms: 1_000_000,
            room,
            frames,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// Reads a frame as a connection's task does, and puts it into the queue. The first one says hello, or
    /// the connection is refused.
    pub(crate) fn receive(&mut self, session: SessionKey, text: &str) -> Option<Output> {
        let re = self.frames.entry(session).or_insert(0);
        *re += 1;
        let re = *re;
        let limits = &self.config.limits;
        let name = format!("session-{}", session.0);
        let input = if re == 1 {
            match read_hello(text, limits) {
                Ok(hello) => Input::Open {
                    session,
                    name,
                    hello,
                },
                Err(error) => {
                    let text = ServerMessage::Error(error).encode();
                    return Some(Output::Frame {
                        to: vec![session],
                        text,
                    });
                }
            }
        } else {
            match read_frame(text, limits, &self.config.capabilities) {
                Ok(request) => Input::Frame {
                    session,
                    re,
                    request,
                },
                Err(error) => Input::Invalid { session, re, error },
            }
        };
        self.engine.enqueue(input);
        None
    }

    /// Decides what waits, appends it, and makes the updates.
    pub(crate) fn step(&mut self) -> Vec<Output> {
        let head = self.engine.head();
        let records = self.engine.decide(self.now_ms).to_vec();
        assert!(records.first().is_none_or(|record| record.version > head));
        self.log.extend(records);
        self.engine.committed();
        self.pump()
    }

    pub(crate) fn pump(&mut self) -> Vec<Output> {
        let room = self.room.clone();
        let room = |session| room.get(&session).copied().unwrap_or(usize::MAX);
        while self.engine.pump(room) {}
        std::iter::from_fn(|| self.engine.poll_output()).collect()
    }

    /// Another node appends records first, while this one decides what waits. A replica of the log decides there.
    pub(crate) fn conflict(&mut self, newer: &[Record]) {
        self.engine.decide(self.now_ms);
        self.log.extend_from_slice(newer);
        self.engine.conflicted(newer.to_vec());
    }

    /// Goes on from a backup, in another epoch.
    pub(crate) fn restore(&mut self, backup: &Checkpoint) {
        self.log.clear();
        self.engine = Engine::open(self.config.clone(), "f".into(), Some(backup), [])
            .expect("what was written");
        self.room.clear();
    }

    /// Starts again, from a checkpoint at a place of the log and the records behind it.
    pub(crate) fn reopen(&mut self, checkpoint: Option<&Checkpoint>) {
        let records = self.log.iter().cloned();
        self.engine = Engine::open(self.config.clone(), EPOCH.into(), checkpoint, records)
            .expect("what was written");
        self.room.clear();
    }
}
