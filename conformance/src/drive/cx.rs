//! [`Cx`]: what a step works with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::wait::patience;
use super::{Journal, Link, State, Stop};
use crate::history::{ConnIx, Frame, whole};
use crate::matcher::{self, Mismatch, Others};
use crate::proxy::Network;
use crate::scenario::{Number, Text};
use crate::target::Instance;
use crate::vars::{Bound, Scope, without_absent};

/// What a step works with: the server, the journal, the connections, the counters around it.
#[derive(Clone)]
pub struct Cx {
    /// Everything that is known.
    pub journal: Arc<Journal>,
    /// The server.
    pub server: Arc<dyn Instance>,
    /// How long to wait for what must come.
    pub deadline: Duration,
    /// The counters of the repeats around the step.
    pub scope: Scope,
    /// The step's place in the scenario, as a JSON Pointer.
    pub place: String,
    /// What is between the connections and the server, where the scenario has faults.
    pub(crate) network: Option<Arc<Network>>,
    links: Arc<Mutex<BTreeMap<ConnIx, Arc<Link>>>>,
}

impl Cx {
    /// For a new run.
    #[must_use]
    pub fn new(journal: Arc<Journal>, server: Arc<dyn Instance>, deadline: Duration) -> Cx {
        Cx {
            journal,
            server,
            deadline,
            scope: Scope::default(),
            place: "/steps".to_owned(),
            network: None,
            links: Arc::default(),
        }
    }

    /// With this network between the connections and the server.
    pub(crate) fn through(self, network: Option<Arc<Network>>) -> Cx {
        Cx { network, ..self }
    }

    /// For steps within one turn of a repeat.
    #[must_use]
    pub fn turn(&self, var: &str, turn: u64) -> Cx {
        Cx {
            scope: self.scope.with(var, turn),
            ..self.clone()
        }
    }

    /// For a step further in.
    #[must_use]
    pub fn at(&self, inner: &str) -> Cx {
        Cx {
            place: format!("{}/{inner}", self.place),
            ..self.clone()
        }
    }

    /// Looks at the state, or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        self.journal.with(look)
    }

    /// The value of a template, with matchers and absent members as they stand.
    pub(crate) fn pattern(&self, template: &Value) -> Result<Value, Stop> {
        let resolved = self.with(|state| state.vars.resolve(template, &self.scope, &state.facts));
        resolved.map_err(Stop::from)
    }

    /// The value of a template, to be sent.
    pub(crate) fn value(&self, template: &Value) -> Result<Value, Stop> {
        self.pattern(template).map(without_absent)
    }

    /// The text of a template.
    pub(crate) fn text(&self, text: &Text) -> Result<String, Stop> {
        self.string(&Value::String(text.0.clone()))
    }

    /// The string of a template; a number becomes its text.
    pub(crate) fn string(&self, template: &Value) -> Result<String, Stop> {
        Ok(match self.value(template)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    /// A whole number.
    pub(crate) fn number(&self, number: &Number) -> Result<u64, Stop> {
        let value = self.value(number.value())?;
        whole(&value).ok_or_else(|| Stop::misuse(format!("{value} is not a whole number from 0")))
    }

    /// A time beyond the deadline.
    pub(crate) fn patience(&self, ms: Option<&Number>) -> Result<Duration, Stop> {
        ms.map_or(Ok(Duration::ZERO), |ms| patience(self.number(ms)?))
    }

    /// Compares a value with a pattern that is resolved, and binds what the pattern binds.
    pub(crate) fn matches(
        &self,
        pattern: &Value,
        value: Option<&Value>,
        others: Others,
    ) -> Result<(), Mismatch> {
        self.with(|state| state.matches(pattern, value, others))
    }

    /// The connection of this name.
    pub(crate) fn conn(&self, name: &Text) -> Result<ConnIx, Stop> {
        let name = self.text(name)?;
        match self.with(|state| state.vars.bound(&name).cloned()) {
            Some(Bound::Conn(conn)) => Ok(conn),
            _ => Err(Stop::misuse(format!("{name:?} is no connection"))),
        }
    }

    /// The link of a connection.
    pub(crate) fn link(&self, conn: ConnIx) -> Result<Arc<Link>, Stop> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links
            .get(&conn)
            .cloned()
            .ok_or_else(|| Stop::misuse("the connection is closed"))
    }

    pub(crate) fn adopt(&self, link: Link) -> ConnIx {
        let conn = link.conn();
        self.links
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(conn, Arc::new(link));
        conn
    }

    /// Sends a message of the runner's own making; gives its number on the connection and its entry.
    pub(crate) async fn say(&self, conn: ConnIx, message: &Value) -> Result<Spoken, Stop> {
        self.say_resuming(conn, message, None).await
    }

    /// As [`Cx::say`], for a `subscribe` that goes on from an earlier subscription.
    pub(crate) async fn say_resuming(
        &self,
        conn: ConnIx,
        message: &Value,
        resumes: Option<usize>,
    ) -> Result<Spoken, Stop> {
        self.send(conn, Frame::text(message.to_string()), 1, true, resumes)
            .await
    }

    /// Sends a frame.
    pub(crate) async fn send(
        &self,
        conn: ConnIx,
        frame: Frame,
        fragments: usize,
        own: bool,
        resumes: Option<usize>,
    ) -> Result<Spoken, Stop> {
        let link = self.link(conn)?;
        let sent =
            tokio::time::timeout(self.deadline, link.send(frame, fragments, own, resumes)).await;
        let at = sent.map_err(|_| match self.with(|state| state.may_end(conn)) {
            true => Stop::Lost(format!("nothing gets through on {}", self.name(conn))),
            false => Stop::Unknown(format!(
                "the server took nothing on {} within the deadline",
                self.name(conn)
            )),
        })?;
        let ordinal = self.with(|state| {
            state.facts.conns[conn]
                .sent
                .partition_point(|sent| sent.at <= at) as u64
        });
        Ok(Spoken { at, ordinal })
    }

    /// The connection's name.
    #[must_use]
    pub fn name(&self, conn: ConnIx) -> String {
        self.with(|state| state.facts.conns[conn].name.clone())
    }

    /// Ends every connection.
    pub async fn leave_all(&self) {
        let links = std::mem::take(&mut *self.links.lock().unwrap_or_else(PoisonError::into_inner));
        for (conn, link) in links {
            if self.with(|state| state.is_open(conn)) {
                // A server that takes nothing more is left without a word.
                let _ = tokio::time::timeout(Duration::from_secs(1), link.close()).await;
            }
        }
    }
}

impl State {
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

/// A frame that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoken {
    /// The entry.
    pub(crate) at: usize,
    /// Its number on the connection.
    pub(crate) ordinal: u64,
}
