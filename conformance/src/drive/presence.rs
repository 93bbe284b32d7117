//! Presence: what watchers should know when all is told, and waiting for it.

use std::time::Duration;

use serde_json::Value;

use super::wait::patience;
use super::{Cx, State, Stop};
use crate::history::ConnIx;
use crate::matcher::{equal, short};

/// What a watcher does not know yet, or no longer should.
struct Amiss {
    requirement: &'static str,
    expected: String,
    actual: String,
}

impl Cx {
    /// Beyond the deadline: how long the server may take to tell a watcher.
    pub(crate) fn telling(&self, conn: ConnIx) -> Result<Duration, Stop> {
        let limit = |name| self.with(|state| state.facts.limit(conn, name).unwrap_or(0));
        patience(limit("presenceIntervalMs").saturating_add(limit("levelMs")))
    }

    /// Awaits that every watcher knows who of the scenario's sessions is present.
    pub(crate) async fn presence_settles(&self) -> Result<(), Stop> {
        let watchers = |state: &mut State| {
            let all = 0..state.looked.len();
            all.filter(|conn| {
                state.is_settled(*conn) && state.facts.watches(&state.facts.conns[*conn])
            })
            .collect::<Vec<_>>()
        };
        for watcher in self.with(watchers) {
            let wanted = "what others have presented last";
            let told = self.until(watcher, wanted, self.telling(watcher)?, |state| {
                let amiss = state.amiss(watcher).next();
                amiss.is_none().then_some(Ok(()))
            });
            match told.await {
                Err(_) if !self.with(|state| state.is_open(watcher)) => {}
                Err(Stop::Fail(failure)) => {
                    let Some(amiss) = self.with(|state| state.amiss(watcher).next()) else {
                        continue;
                    };
                    let stop = Stop::broken(amiss.requirement, amiss.expected, amiss.actual);
                    return Err(stop.at(failure.at));
                }
                other => other?,
            }
        }
        Ok(())
    }
}

impl State {
    /// Whether what is sent on a connection is heard, both ways, and it does not end by anyone's doing.
    fn is_settled(&self, conn: ConnIx) -> bool {
        let has_session = self.facts.conns[conn].welcome.is_some();
        self.is_open(conn) && self.looked[conn].hears() && !self.may_end(conn) && has_session
    }

    /// What a watcher should know and does not. Of a session that may end at any moment, or to which nothing gets through, nothing can be said.
    fn amiss(&self, watcher: ConnIx) -> impl Iterator<Item = Amiss> {
        let own = &self.facts.conns[watcher];
        let others = self.facts.conns.iter().enumerate();
        let others = others.filter(move |(conn, other)| {
            let same = other.workspace() == own.workspace() && *conn != watcher;
            let over = other.ended.is_some() && !self.looked[*conn].blocked;
            same && (over || self.is_settled(*conn))
        });
        others.filter_map(move |(_, other)| {
            let name = other.session()?;
            let told = self
                .facts
                .told(own, name)
                .and_then(|frame| frame.member("state"));
            let over = other.ended.is_some();
            let state = self.facts.state(other).filter(|_| !over);
            let same = match (told, state) {
                (Some(told), Some(state)) => equal(told, state),
                (told, state) => told.is_none() && state.is_none(),
            };
            let requirement = match state {
                Some(_) => "PRES-TOLD",
                None if over => "PRES-GONE",
                None => "PRES-WITHDRAWN",
            };
            (!same).then(|| Amiss {
                requirement,
                expected: format!(
                    "{} is told that {} is {}",
                    own.name,
                    other.name,
                    shown(state)
                ),
                actual: format!("what it was told last is that it is {}", shown(told)),
            })
        })
    }
}

fn shown(state: Option<&Value>) -> String {
    state.map_or_else(
        || "not present".to_owned(),
        |state| format!("present with {}", short(state)),
    )
}
