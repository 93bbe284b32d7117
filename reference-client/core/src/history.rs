//! History: what the app asks of the past, and is told by the server alone.
//!
//! Nothing of it is stored, and nothing of it touches the base (`HIST-APART`). One request is under way at a time (`HIST-ONE-BY-ONE`); none outlives
//! its connection (`HIST-TOLD`).

use std::collections::VecDeque;
use std::fmt;

use syncline_schemas::{ClientMessage, ErrorMessage, History, Past};

use crate::env::Env;
use crate::events::{Event, Origin, Trouble};
use crate::limits::{self, Refusal};
use crate::replica::Replica;
use crate::session::Link;

/// The capability's name.
pub(crate) const HISTORY: &str = "history";

/// A page of the past, and the epoch in which its places mean something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The workspace's epoch.
    pub epoch: String,
    /// What the server said.
    pub past: Past,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoHistory {
    /// There is no connection, or not any more: it is read from the server alone.
    Offline,
    /// The server does not offer it.
    NotOffered,
    /// The workspace's history is another one by now, as after a restore from a backup: the pages do not go on. Begin anew.
    OtherEpoch,
    /// It passes a limit, or names what cannot be named.
    Refused(Refusal),
    /// The server refused, with this code.
    Failed(Trouble),
}

impl fmt::Display for NoHistory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoHistory::Offline => {
                out.write_str("history is read from the server: there is no connection")
            }
            NoHistory::NotOffered => out.write_str("the server does not offer history"),
            NoHistory::OtherEpoch => {
                out.write_str("the workspace was replaced meanwhile: begin with the first page")
            }
            NoHistory::Refused(refusal) => refusal.fmt(out),
            NoHistory::Failed(trouble) => {
                write!(out, "the server told no history: {}", trouble.message)
            }
        }
    }
}

impl std::error::Error for NoHistory {}

/// What the app has asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histories {
    made: u64,
    waiting: VecDeque<(u64, History)>,
    sent: Option<Sent>,
}

/// The request that is under way.
#[derive(Clone, Debug)]
struct Sent {
    number: u64,
    frame: u64,
}

impl Histories {
    /// Takes the request out that this frame made.
    fn take_answered(&mut self, frame: Option<u64>) -> Option<u64> {
        let sent = self.sent.take_if(|sent| Some(sent.frame) == frame)?;
        Some(sent.number)
    }
}

impl Replica {
    /// The app asks for a page of the past. Gives the request's number: [`Event::Past`] tells what became of it, once.
    ///
    /// `epoch` is that of the page which `after` or `before` is from (`HIST-SAME-EPOCH`); none: they are versions of rows as they are now.
    ///
    /// # Errors
    /// It cannot be asked: there is no session, or none that offers it, or it passes the limits (`HIST-OFFERED`, `LIMIT-KEPT`).
    pub fn history(
        &mut self,
        history: History,
        epoch: Option<&str>,
        env: Env,
    ) -> Result<u64, NoHistory> {
        let Link::Ready(session) = &self.link else {
            return Err(NoHistory::Offline);
        };
        if !session.offers_history {
            return Err(NoHistory::NotOffered);
        }
        limits::check_history(&history, &session.limits).map_err(NoHistory::Refused)?;
        if epoch.is_some() && epoch != self.durable.meta().epoch.as_deref() {
            return Err(NoHistory::OtherEpoch);
        }
        self.env = env;
        self.histories.made += 1;
        let number = self.histories.made;
        self.histories.waiting.push_back((number, history));
        self.ask_for_history();
        self.finish(Origin::Local);
        Ok(number)
    }

    /// Sends the next request, if none is under way.
    fn ask_for_history(&mut self) {
        if self.histories.sent.is_some() {
            return;
        }
        if let Some((number, history)) = self.histories.waiting.pop_front() {
            let frame = self.send(ClientMessage::History(history));
            self.histories.sent = Some(Sent { number, frame });
        }
    }

    /// The server tells a page.
    pub(crate) fn on_past(&mut self, past: Past) {
        let answered = self.histories.take_answered(Some(past.re));
        let epoch = self.durable.meta().epoch.clone();
        if let (Some(request), Some(epoch)) = (answered, epoch) {
            let page = Ok(HistoryPage { epoch, past });
            self.events.push_back(Event::Past { request, page });
            self.ask_for_history();
        }
    }

    /// The server refuses a page. Says whether that is what the error answers.
    pub(crate) fn on_history_refused(&mut self, error: &ErrorMessage) -> bool {
        let Some(request) = self.histories.take_answered(error.re) else {
            return false;
        };
        let page = Err(NoHistory::Failed(Trouble {
            code: Some(error.code.clone()),
            message: error.message.clone(),
        }));
        self.events.push_back(Event::Past { request, page });
        self.ask_for_history();
        true
    }

    /// Without a session nothing that was asked will be told.
    pub(crate) fn lose_histories(&mut self) {
        if matches!(self.link, Link::Ready(_)) {
            return;
        }
        let sent = self.histories.sent.take().map(|sent| sent.number);
        let waiting = self.histories.waiting.drain(..).map(|(number, _)| number);
        for request in sent.into_iter().chain(waiting) {
            let page = Err(NoHistory::Offline);
            self.events.push_back(Event::Past { request, page });
        }
    }
}
