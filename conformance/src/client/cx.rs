//! [`Cx`]: what a step works with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::adapter;
use super::journal::{Journal, State};
use super::listener::Listener;
use super::process::Process;
use super::socket::Socket;
use crate::drive::Stop;
use crate::history::{ConnIx, whole};
use crate::matcher::{Mismatch, Others, short};
use crate::scenario::{Number, Template, Text};
use crate::vars::{Bound, Scope};

/// What a step works with: the clients' programs, their connections, the journal.
#[derive(Clone)]
pub(crate) struct Cx {
    pub(crate) journal: Arc<Journal>,
    /// How long to wait for what must come.
    pub(crate) deadline: Duration,
    /// The step's place in the scenario, as a JSON Pointer.
    pub(crate) place: String,
    scope: Scope,
    cmd: Arc<str>,
    stores: Arc<TempDir>,
    held: Arc<Mutex<Held>>,
}

/// What is held open.
#[derive(Default)]
struct Held {
    processes: BTreeMap<String, Arc<Process>>,
    listeners: BTreeMap<String, Arc<Listener>>,
    sockets: BTreeMap<ConnIx, Arc<Socket>>,
}

impl Cx {
    /// For a new run, with this command for each client's program.
    ///
    /// # Errors
    /// There is no room for the clients' stores.
    pub(crate) fn new(run: &str, cmd: &Arc<str>, deadline: Duration) -> Result<Cx, Stop> {
        let stores = tempfile::tempdir();
        let stores =
            stores.map_err(|error| Stop::Unknown(format!("no folder for stores: {error}")))?;
        Ok(Cx {
            journal: Journal::new(run),
            deadline,
            place: "/steps".to_owned(),
            scope: Scope::default(),
            cmd: Arc::clone(cmd),
            stores: Arc::new(stores),
            held: Arc::default(),
        })
    }

    /// For a step further in.
    pub(crate) fn at(&self, inner: &str) -> Cx {
        Cx {
            place: format!("{}/{inner}", self.place),
            ..self.clone()
        }
    }

    /// For steps within one turn of a repeat.
    pub(crate) fn turn(&self, var: &str, turn: u64) -> Cx {
        Cx {
            scope: self.scope.with(var, turn),
            ..self.clone()
        }
    }

    /// Looks at the state, or changes it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        self.journal.with(look)
    }
}

/// Values.
impl Cx {
    /// The value of a template, with matchers and absent members as they stand.
    pub(crate) fn pattern(&self, template: &Template) -> Result<Value, Stop> {
        let resolved = self.with(|state| state.pattern(&template.0, &self.scope));
        resolved.map_err(Stop::misuse)
    }

    /// The value of a template, to be sent.
    pub(crate) fn value(&self, template: &Value) -> Result<Value, Stop> {
        let resolved = self.with(|state| state.value(template, &self.scope));
        resolved.map_err(Stop::misuse)
    }

    /// The text of a template.
    pub(crate) fn text(&self, text: &Text) -> Result<String, Stop> {
        Ok(match self.value(&Value::String(text.0.clone()))? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    /// A whole number.
    pub(crate) fn number(&self, number: &Number) -> Result<u64, Stop> {
        let value = self.value(number.value())?;
        whole(&value).ok_or_else(|| Stop::misuse(format!("{value} is not a whole number from 0")))
    }

    /// Compares a value with a pattern that is resolved, and binds what it binds.
    pub(crate) fn matches(&self, pattern: &Value, value: Option<&Value>) -> Result<(), Mismatch> {
        self.with(|state| state.matches(pattern, value, Others::Allowed))
    }

    /// Binds a name, if there is one.
    pub(crate) fn bind(&self, name: Option<&Text>, value: impl Into<Value>) -> Result<(), Stop> {
        if let Some(name) = name {
            let (name, value) = (self.text(name)?, Bound::Value(value.into()));
            self.with(|state| state.vars.bind(&name, value));
        }
        Ok(())
    }
}

/// Clients.
impl Cx {
    /// Starts a client's program, on the store of this name.
    pub(crate) async fn start(&self, client: &str) -> Result<(), Stop> {
        if self.hold(|held| held.processes.contains_key(client)) {
            return Err(Stop::misuse(format!("{client} runs already")));
        }
        // A port of its own for each run: what an earlier run has left in the queue is nobody's.
        let listener = Listener::open(&self.journal, client).await;
        let listener =
            listener.map_err(|error| Stop::Unknown(format!("no port to listen on: {error}")))?;
        let name = client.to_owned();
        self.hold(|held| held.listeners.insert(name, Arc::new(listener)));
        let process = Process::start(&self.journal, client, &self.cmd);
        let process = process
            .map_err(|error| Stop::Unknown(format!("the adapter cannot be started: {error}")))?;
        self.hold(|held| held.processes.insert(client.to_owned(), Arc::new(process)));
        Ok(())
    }

    /// The folder of a store, which is made if it is not there.
    pub(crate) fn store(&self, name: &str) -> Result<PathBuf, Stop> {
        let folder = self.stores.path().join(name);
        let made = std::fs::create_dir_all(&folder);
        made.map_err(|error| Stop::Unknown(format!("no folder for a store: {error}")))?;
        Ok(folder)
    }

    /// Asks a client's adapter; gives the id of the answer to come.
    pub(crate) async fn ask(&self, client: &str, command: &str, with: Value) -> Result<u64, Stop> {
        let process = self.process(client)?;
        let id = self.with(|state| state.next_id(client, command));
        let mut line = json!({ "id": id, "do": command });
        for (name, value) in with.as_object().into_iter().flatten() {
            line[name] = value.clone();
        }
        adapter::check_command(&line).map_err(Stop::misuse)?;
        process.ask(line.to_string()).await;
        Ok(id)
    }

    /// Asks, and awaits the answer: the entry and the line.
    pub(crate) async fn answer(
        &self,
        client: &str,
        command: &str,
        with: Value,
    ) -> Result<(usize, Value), Stop> {
        let id = self.ask(client, command, with).await?;
        let wanted = format!("the answer to {command} of {client}");
        self.until(client, None, &wanted, |state| {
            state.apps.get(client)?.replies.get(&id).cloned().map(Ok)
        })
        .await
    }

    /// Asks for what must be done; gives the answer's `ok`.
    pub(crate) async fn done(
        &self,
        client: &str,
        command: &str,
        with: Value,
    ) -> Result<Value, Stop> {
        let (at, answer) = self.answer(client, command, with).await?;
        match answer.get("ok") {
            Some(ok) => Ok(ok.clone()),
            None => Err(Stop::fail(
                format!("{client} does {command}"),
                answer["error"].to_string(),
            )
            .at([at])),
        }
    }

    /// Asks a client for what it must refuse, with an `error` that matches.
    pub(crate) async fn refused(
        &self,
        client: &str,
        command: &str,
        with: Value,
        pattern: &Value,
    ) -> Result<(), Stop> {
        let (at, answer) = self.answer(client, command, with).await?;
        self.matches(pattern, answer.get("error"))
            .map_err(|mismatch| {
                let wanted = format!("{command} of {client} is refused with {}", short(pattern));
                Stop::fail(wanted, format!("{mismatch}: {}", short(&answer))).at([at])
            })
    }

    /// A client's running program.
    pub(crate) fn process(&self, client: &str) -> Result<Arc<Process>, Stop> {
        let process = self.hold(|held| held.processes.get(client).cloned());
        process.ok_or_else(|| Stop::misuse(format!("{client} does not run")))
    }

    /// A client's program, which is then no longer held as running.
    pub(crate) fn release(&self, client: &str) -> Result<Arc<Process>, Stop> {
        let process = self.hold(|held| held.processes.remove(client));
        process.ok_or_else(|| Stop::misuse(format!("{client} does not run")))
    }

    /// Where a client connects to.
    pub(crate) fn listener(&self, client: &str) -> Result<Arc<Listener>, Stop> {
        let listener = self.hold(|held| held.listeners.get(client).cloned());
        listener.ok_or_else(|| Stop::misuse(format!("{client} was never started")))
    }

    /// Ends every program.
    pub(crate) async fn end(&self) {
        let processes = self.hold(|held| std::mem::take(&mut held.processes));
        for process in processes.into_values() {
            process.kill().await;
        }
    }
}

/// Connections.
impl Cx {
    /// The connection of this name, with its client.
    pub(crate) fn conn(&self, name: &Text) -> Result<(ConnIx, String), Stop> {
        let name = self.text(name)?;
        let found = self.with(|state| {
            let named = state.conns.iter().rposition(|conn| conn.name == name)?;
            Some((named, state.conns[named].client.clone()))
        });
        found.ok_or_else(|| Stop::misuse(format!("{name:?} is no connection")))
    }

    /// The server's end of a connection.
    pub(crate) fn socket(&self, conn: ConnIx) -> Result<Arc<Socket>, Stop> {
        let socket = self.hold(|held| held.sockets.get(&conn).cloned());
        socket.ok_or_else(|| Stop::misuse("the connection is closed"))
    }

    pub(crate) fn adopt(&self, socket: Socket) -> ConnIx {
        let conn = socket.conn();
        self.hold(|held| held.sockets.insert(conn, Arc::new(socket)));
        conn
    }

    /// Sends a frame that is the runner's own, and so must be valid.
    pub(crate) async fn say(&self, conn: ConnIx, frame: &Value) -> Result<usize, Stop> {
        let frame = crate::history::Frame::text(frame.to_string());
        Ok(self.socket(conn)?.send(frame, true).await)
    }

    fn hold<T>(&self, look: impl FnOnce(&mut Held) -> T) -> T {
        look(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
