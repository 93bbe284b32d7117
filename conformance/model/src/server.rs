//! The shell of the server: one step for each frame, durable before anything is said.

use syncline_schemas::Limits;
use syncline_server_core::{Config, Engine, Input, Output, Record, read_frame, read_hello};

use crate::scope::Scope;
use crate::world::{ConnId, Item, NOW_MS, World};

/// What the engine may have to do in one step before it goes round in circles.
const ROUNDS_MAX: usize = 100;

fn config(scope: &Scope) -> Config {
    Config {
        capabilities: { scope.capabilities.iter() }
            .map(ToString::to_string)
            .collect(),
        ..Config::default()
    }
}

/// The engine as the log leaves it.
pub(crate) fn open(scope: &Scope, log: &[Record]) -> Engine {
    let records = log.iter().cloned();
    Engine::open(config(scope), "e1".to_owned(), None, records).expect("a log that it has written")
}

impl World {
    /// The server reads what comes first on a connection. `dies`: it dies once what it decided is durable, before it says so. False: nothing was to be made durable.
    pub(crate) fn server_reads(&mut self, id: ConnId, dies: bool, scope: &Scope) -> bool {
        let Some(conn) = self.conns.get_mut(&id) else {
            return false;
        };
        let Some(item) = conn.up.pop_front() else {
            return false;
        };
        conn.read += 1;
        let re = conn.read;
        let heard = (self.engine.head(), item.clone());
        self.heard.entry(id).or_default().push(heard);
        match self.input(id, re, &item) {
            Ok(input) => self.engine.enqueue(input),
            Err(error) => self.breaks(error),
        }
        if dies {
            let records = self.engine.decide(NOW_MS).to_vec();
            let durable = !records.is_empty();
            self.log.extend(records);
            self.kill(false, scope);
            return durable;
        }
        self.step();
        true
    }

    fn input(&mut self, id: ConnId, re: u64, item: &Item) -> Result<Input, String> {
        let session = id.session();
        let Item::Frame(text) = item else {
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.server_open = false;
            }
            return Ok(Input::Close { session });
        };
        let limits = Limits::default();
        if re == 1 {
            let hello = read_hello(text, &limits).map_err(|error| format!("{error:?}"))?;
            let name = format!("s{}-{}", id.client, id.number);
            return Ok(Input::Open {
                session,
                name,
                hello,
            });
        }
        let capabilities = &self.engine.config().capabilities;
        let request = read_frame(text, &limits, capabilities).map_err(|e| format!("{e:?}"))?;
        Ok(Input::Frame {
            session,
            re,
            request,
        })
    }

    /// An operator wants deletes to be forgotten.
    pub(crate) fn truncate(&mut self) {
        self.engine.enqueue(Input::Truncate { keep_versions: 0 });
        self.step();
    }

    fn step(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let records = self.engine.decide(NOW_MS).to_vec();
            if !records.is_empty() {
                self.log.extend(records);
                self.engine.committed();
            }
            if self.engine.waits() {
                continue;
            }
            let again = self.engine.pump(|_| usize::MAX);
            self.carry_out();
            if !again {
                return;
            }
        }
        self.breaks("the engine goes round in circles");
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Frame { to, text } => {
                    let text = Item::Frame(text.into());
                    for session in to {
                        self.send_down(ConnId::of(session), text.clone());
                    }
                }
                Output::Close { session, .. } => {
                    let id = ConnId::of(session);
                    self.send_down(id, Item::End);
                    if let Some(conn) = self.conns.get_mut(&id) {
                        (conn.server_open, conn.up) = (false, Default::default());
                    }
                }
                Output::Starved { .. } => self.breaks("the engine is starved, and there is room"),
            }
        }
    }

    fn send_down(&mut self, id: ConnId, item: Item) {
        if let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.client_open) {
            conn.down.push_back(item);
        }
    }

    /// The server dies and is started again. `lost`: what it had sent does not arrive.
    pub(crate) fn kill(&mut self, lost: bool, scope: &Scope) {
        for conn in self.conns.values_mut() {
            conn.up.clear();
            if lost {
                conn.down.clear();
            }
            if std::mem::take(&mut conn.server_open) {
                conn.down.push_back(Item::End);
            }
        }
        self.heard.clear();
        self.engine = open(scope, &self.log);
    }
}
