//! Outboxes: what clients have written and were not told the outcome of, and sending it as the specification has a client do.
//!
//! A mutation gets its `seq` and `opId` when it is written and keeps them; it is sent in order, within the window, and sent again on every new
//! session until its outcome is known. What faults and hooks do to the connections is no reason to stop: the rest stays in the outbox.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use syncline_schemas::errors::{self, Carrier};
use tokio::time::Instant;

use super::pushing::Given;
use super::{Cx, Spoken, State, Stop};
use crate::facts::{Answer, Facts};
use crate::history::{ConnIx, whole};

/// Each client's outbox, by workspace and client.
pub(crate) type Outboxes = BTreeMap<(String, String), Vec<Written>>;

/// A mutation that a client has written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// As it is sent, but for its age.
    mutation: Value,
    ages: Ages,
}

/// How old a client says that its write is.
#[derive(Clone, Debug)]
pub(crate) struct Ages {
    /// At each send, as if it were sent as soon as it is written; at later sends as at the last. None: nothing is said.
    each_ms: Vec<u64>,
    since: Instant,
}

/// What a frame can say at most.
const AGE_MS_MAX: u64 = (1 << 53) - 1;

impl Ages {
    /// Of what is written now.
    pub(crate) fn from_now(each_ms: Vec<u64>) -> Ages {
        let since = Instant::now();
        Ages { each_ms, since }
    }

    /// What is said at a send before which there were so many.
    fn at_send(&self, before: usize) -> Option<u64> {
        let said = self.each_ms.get(before).or(self.each_ms.last())?;
        let passed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(said.saturating_add(passed).min(AGE_MS_MAX))
    }
}

impl Written {
    fn seq(&self) -> u64 {
        self.mutation["seq"].as_u64().unwrap_or(0)
    }

    fn op_id(&self) -> &str {
        self.mutation["opId"].as_str().unwrap_or_default()
    }

    /// The mutation as it is sent now, after so many sends before.
    fn sent(&self, before: usize) -> Value {
        let mut mutation = self.mutation.clone();
        if let Some(age_ms) = self.ages.at_send(before) {
            mutation["ageMs"] = age_ms.into();
        }
        mutation
    }
}

/// A frame may be so much longer than the mutations in it.
const FRAME_BYTES_OTHER: u64 = 1024;

/// What a client is to do next on its connection.
enum Next {
    /// Send these mutations.
    Send(Vec<Value>),
    /// Wait for the answer to this push.
    Await(Spoken),
    /// Nothing: all is decided.
    Done,
    /// Nothing: this push was answered, and not with outcomes.
    Refused(Spoken),
}

/// How a client sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Mutations in a push at most; the limits may say fewer.
    pub(crate) per_push: u64,
    /// How often each push is sent, one right behind the other.
    pub(crate) copies: u64,
    /// Whether to wait until all is decided.
    pub(crate) wait: bool,
}

impl State {
    /// How much the client of this connection has written that is not decided.
    fn left_in_outbox(&self, conn: ConnIx) -> usize {
        self.outbox_of(conn).map_or(0, Vec::len)
    }

    fn outbox_of(&self, conn: ConnIx) -> Option<&Vec<Written>> {
        let session = &self.facts.conns[conn];
        let name = (session.workspace().to_owned(), session.client()?.to_owned());
        self.outboxes.get(&name)
    }

    /// Whether this is the gap that a mutation has before it which was pipelined behind a deferred one.
    fn is_behind(&self, conn: ConnIx, result: &Value) -> bool {
        let session = &self.facts.conns[conn];
        let (Some(client), Some(outbox)) = (session.client(), self.outbox_of(conn)) else {
            return false;
        };
        let expected = result.get("expected").and_then(whole);
        let awaited = |entry: &&Written| Some(entry.seq()) == expected;
        let deferred =
            |code: &str| errors::find(code).is_some_and(|def| def.carrier == Carrier::Deferred);
        let known = outbox.iter().find(awaited).and_then(|entry| {
            self.facts
                .ledger
                .find(session.workspace(), client, entry.seq(), entry.op_id())
        });
        let was_deferred = known.is_some_and(|known| {
            let here = known.sends.iter().filter(|send| send.conn == conn);
            { here }.any(|send| matches!(&send.answer, Answer::Not(code) if deferred(code)))
        });
        result["code"] == errors::SEQ_GAP.code && was_deferred
    }

    /// Puts a mutation with these ops, and these ages, behind all that the client has written.
    pub(crate) fn write(&mut self, workspace: &str, client: &str, mutation: (&str, Value, Ages)) {
        let (op_id, ops, ages) = mutation;
        let next = self.facts.ledger.next(workspace, client);
        let outbox = self.outbox(workspace, client);
        let last = outbox.last().map_or(0, Written::seq);
        let seq = next.max(last + 1);
        let mutation = json!({ "seq": seq, "opId": op_id, "ops": ops });
        outbox.push(Written { mutation, ages });
    }

    fn outbox(&mut self, workspace: &str, client: &str) -> &mut Vec<Written> {
        let name = (workspace.to_owned(), client.to_owned());
        self.outboxes.entry(name).or_default()
    }

    /// What the client of this connection is to do next; what is decided leaves its outbox.
    fn next_of_outbox(&mut self, conn: ConnIx, per_push: u64) -> Next {
        let session = &self.facts.conns[conn];
        let Some(client) = session.client() else {
            return Next::Done;
        };
        let (workspace, client) = (session.workspace().to_owned(), client.to_owned());
        let facts = &self.facts;
        let find = |entry: &Written| {
            { &facts.ledger }.find(&workspace, &client, entry.seq(), entry.op_id())
        };
        let outbox = self
            .outboxes
            .entry((workspace.clone(), client.clone()))
            .or_default();
        outbox.retain(|entry| find(entry).is_none_or(|known| known.outcomes.is_empty()));
        // The last time that each was sent here.
        let here: Vec<_> = outbox
            .iter()
            .map(|entry| find(entry)?.sends.iter().rfind(|send| send.conn == conn))
            .collect();
        let open = first_open_push(facts, conn);
        let refused = here
            .iter()
            .position(|send| send.is_some_and(|send| matches!(send.answer, Answer::Not(_))));
        let unsent = here.iter().position(Option::is_none);
        let from = match (refused, unsent) {
            // What was pipelined behind it is answered first.
            (Some(_), _) if open.is_some() => return open.map_or(Next::Done, Next::Await),
            (Some(refused), _) => refused,
            (None, Some(unsent)) => unsent,
            (None, None) => {
                let stuck = here.first().copied().flatten().map(|send| Spoken {
                    at: send.at,
                    ordinal: send.ordinal,
                });
                return open.map_or(stuck.map_or(Next::Done, Next::Refused), Next::Await);
            }
        };
        let limit = |name: &str| facts.limit(conn, name).unwrap_or(1);
        let window =
            limit("inFlightMax").saturating_sub(if refused.is_some() { 0 } else { from as u64 });
        let count = window.min(limit("pushMutationsMax")).min(per_push);
        let mut room = limit("frameBytesMax").saturating_sub(FRAME_BYTES_OTHER);
        let fits = |entry: &Value| {
            let bytes = entry.to_string().len() as u64;
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        let entries = outbox[from..]
            .iter()
            .take(usize::try_from(count).unwrap_or(usize::MAX));
        let entries = entries.map(|entry| {
            let before = find(entry).map_or(0, |known| known.sends.len());
            entry.sent(before)
        });
        let chunk: Vec<Value> = entries.take_while(fits).collect();
        match (chunk.is_empty(), open) {
            (false, _) => Next::Send(chunk),
            (true, Some(open)) => Next::Await(open),
            (true, None) => Next::Done,
        }
    }
}

impl Cx {
    /// Sends what the client of a connection has written and was not told the outcome of.
    pub(crate) async fn send_outbox(&self, conn: ConnIx, manner: Manner) -> Result<(), Stop> {
        let mut deadline = Instant::now() + self.deadline;
        let mut deferred = false;
        let mut left = usize::MAX;
        loop {
            let now_left = self.with(|state| state.left_in_outbox(conn));
            if now_left < left {
                // However slowly it goes, it goes on.
                left = now_left;
                deadline = Instant::now() + self.deadline;
            }
            match self.with(|state| state.next_of_outbox(conn, manner.per_push.max(1))) {
                Next::Done => return Ok(()),
                Next::Send(mutations) => {
                    for _ in 0..manner.copies.max(1) {
                        self.push(conn, &mutations, Given::default()).await?;
                    }
                }
                Next::Await(_) if !manner.wait => return Ok(()),
                Next::Await(push) => {
                    let (at, results) = self.ack(conn, push).await?;
                    let last = results.last().cloned().unwrap_or_default();
                    match last["status"].as_str() {
                        Some("deferred") => {
                            deferred = true;
                            self.defer(&last).await?;
                        }
                        Some("refused") if !self.with(|state| state.is_behind(conn, &last)) => {
                            return Err(refused(&last).at([push.at, at]));
                        }
                        _ => {}
                    }
                }
                Next::Refused(push) => {
                    let answer = self.with(|state| {
                        let sent = state.facts.conns[conn].sent.get(push.ordinal as usize - 1);
                        sent.and_then(|sent| sent.answer)
                    });
                    let stop = Stop::broken(
                        "PUSH-ONE-ACK",
                        "an ack with the outcomes of a push",
                        "something else",
                    );
                    return Err(stop.at([push.at].into_iter().chain(answer)));
                }
            }
            if deferred && Instant::now() > deadline {
                return Err(Stop::Unknown(
                    "the server deferred again and again, up to the deadline".to_owned(),
                ));
            }
        }
    }
}

/// The first push of a connection that is not answered.
fn first_open_push(facts: &Facts, conn: ConnIx) -> Option<Spoken> {
    let sent = facts.conns[conn].sent.iter().enumerate();
    let mut open = sent.filter(|(_, sent)| sent.answer.is_none());
    let is_push = |at: usize| facts.frame(at).is_some_and(|frame| frame.kind() == "push");
    let (index, push) = open.find(|(_, sent)| is_push(sent.at))?;
    Some(Spoken {
        at: push.at,
        ordinal: index as u64 + 1,
    })
}

/// The next link of a client's chain was refused.
fn refused(result: &Value) -> Stop {
    let requirement = match result["code"].as_str() {
        Some("seq_gap") => "PUSH-SEQ-GAP",
        Some("seq_expired") => "PUSH-WINDOW",
        Some("epoch_changed") => "PUSH-EPOCH",
        Some("client_required") => "PUSH-CLIENT-REQUIRED",
        _ => "PUSH-CHAIN-FOLLOWS",
    };
    let seq = result.get("seq").and_then(whole).unwrap_or(0);
    let expected =
        format!("seq {seq}, the next link of the client's chain, or one sent again, is decided");
    Stop::broken(requirement, expected, result.to_string())
}
