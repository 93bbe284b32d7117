//! What is remembered of each client: the end of its chain, its retained outcomes, and how fast it goes.
//!
//! `lastSeq`, the outcomes and the moment of the last one are made from records alone, so that every node and every
//! restart remembers the same. The rate is this engine's own and starts full.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use syncline_schemas::{Limits, OpResult, Outcome};

use crate::rate::Bucket;
use crate::record::{Decided, Decision, Rejection, applied, rejected};

/// An outcome that a client can still be told (PUSH-RETRY-SAME).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retained {
    pub(crate) op_id: Arc<str>,
    pub(crate) version: u64,
    /// `None`: it was applied, and there is nothing more to tell.
    pub(crate) detail: Option<Box<Detail>>,
}

/// What an outcome says beside its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// It was applied: what became of single ops.
    Told(Vec<OpResult>),
    /// It was rejected.
    Rejected(Rejection),
}

impl Detail {
    fn of(decision: &Decision) -> Option<Box<Detail>> {
        match decision {
            Decision::Applied { told, .. } if told.is_empty() => None,
            Decision::Applied { told, .. } => Some(Box::new(Detail::Told(told.clone()))),
            Decision::Rejected(rejection) => Some(Box::new(Detail::Rejected(rejection.clone()))),
        }
    }
}

impl Retained {
    pub(crate) fn outcome(&self, seq: u64) -> Outcome {
        match self.detail.as_deref() {
            None => applied(seq, &self.op_id, self.version, &[]),
            Some(Detail::Told(told)) => applied(seq, &self.op_id, self.version, told),
            Some(Detail::Rejected(rejection)) => {
                rejected(seq, &self.op_id, self.version, rejection)
            }
        }
    }
}

/// One client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) last_seq: u64,
    /// The outcomes of the last mutations, the last one at the back (PUSH-WINDOW). Never empty.
    pub(crate) window: VecDeque<Retained>,
    /// When its last mutation was decided.
    pub(crate) touched_ms: u64,
    pub(crate) rate: Bucket,
}

impl Client {
    /// The `opId` that its next mutation must follow.
    pub(crate) fn last_op_id(&self) -> Option<&str> {
        self.window.back().map(|retained| &*retained.op_id)
    }

    /// The retained outcome of a mutation.
    pub(crate) fn retained(&self, seq: u64) -> Option<&Retained> {
        let from_end = usize::try_from(self.last_seq.checked_sub(seq)?).ok()?;
        self.window
            .len()
            .checked_sub(from_end + 1)
            .and_then(|index| self.window.get(index))
    }

    /// All retained outcomes above a `seq`, in order (CONN-WELCOME-RESULTS).
    pub(crate) fn outcomes_above(&self, acked: u64) -> Vec<Outcome> {
        let first = self.last_seq + 1 - self.window.len() as u64;
        let numbered = self.window.iter().zip(first..);
        numbered
            .filter(|(_, seq)| *seq > acked)
            .map(|(retained, seq)| retained.outcome(seq))
            .collect()
    }
}

/// What a client was before one more of its mutations was remembered.
#[derive(Clone, Debug)]
pub(crate) enum ClientBefore {
    Unknown,
    Known {
        touched_ms: u64,
        rate: Bucket,
        dropped: Option<Retained>,
    },
}

/// All clients of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    /// Hashed: whoever iterates sorts.
    by_id: HashMap<Arc<str>, Client>,
}

impl Clients {
    pub(crate) fn find(&self, id: &str) -> Option<&Client> {
        self.by_id.get(id)
    }

    /// The client's id as it is held here, so that its text is shared.
    pub(crate) fn id(&self, id: &str) -> Arc<str> {
        self.by_id
            .get_key_value(id)
            .map_or_else(|| Arc::from(id), |(known, _)| known.clone())
    }

    /// All clients, in the order of their ids.
    pub(crate) fn sorted(&self) -> Vec<(&Arc<str>, &Client)> {
        let mut all: Vec<_> = self.by_id.iter().collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    pub(crate) fn put(&mut self, id: Arc<str>, client: Client) {
        self.by_id.insert(id, client);
    }

    /// Notes how fast a client has gone.
    pub(crate) fn spend(&mut self, id: &str, rate: Bucket) {
        if let Some(client) = self.by_id.get_mut(id) {
            client.rate = rate;
        }
    }

    /// Remembers an outcome as the last one of its client.
    pub(crate) fn remember(
        &mut self,
        decided: &Decided,
        version: u64,
        at_ms: u64,
        limits: &Limits,
    ) -> ClientBefore {
        let retained = Retained {
            op_id: decided.op_id.clone(),
            version,
            detail: Detail::of(&decided.decision),
        };
        let Some(client) = self.by_id.get_mut(&decided.client) else {
            let rate = Bucket::full(limits);
            let window = VecDeque::from([retained]);
            self.put(
                decided.client.clone(),
                Client {
                    last_seq: decided.seq,
                    window,
                    touched_ms: at_ms,
                    rate,
                },
            );
            return ClientBefore::Unknown;
        };
        let (touched_ms, rate) = (client.touched_ms, client.rate);
        if decided.seq != client.last_seq + 1 {
            // No engine decides so; were a log to say it, the outcomes before would stand under wrong numbers.
            client.window.clear();
        }
        let full = client.window.len() as u64 >= limits.in_flight_max;
        let dropped = if full {
            client.window.pop_front()
        } else {
            None
        };
        client.window.push_back(retained);
        client.last_seq = decided.seq;
        client.touched_ms = at_ms;
        ClientBefore::Known {
            touched_ms,
            rate,
            dropped,
        }
    }

    /// Undoes the last [`Clients::remember`] of this client.
    pub(crate) fn unremember(&mut self, id: &str, before: ClientBefore) {
        match before {
            ClientBefore::Unknown => {
                self.by_id.remove(id);
            }
            ClientBefore::Known {
                touched_ms,
                rate,
                dropped,
            } => {
                let client = self
                    .by_id
                    .get_mut(id)
                    .expect("what was remembered is undone once, in reverse order");
                client.window.pop_back();
                if let Some(dropped) = dropped {
                    client.window.push_front(dropped);
                }
                client.last_seq -= 1;
                client.touched_ms = touched_ms;
                client.rate = rate;
            }
        }
    }

    /// Forgets the clients whose last mutation was decided before a moment, and gives them back.
    pub(crate) fn forget_idle(&mut self, before_ms: u64) -> Vec<(Arc<str>, Client)> {
        self.by_id
            .extract_if(|_, client| client.touched_ms < before_ms)
            .collect()
    }
}
