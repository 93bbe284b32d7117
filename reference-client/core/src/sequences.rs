//! Sequences: ids handed out from blocks, offline too, and the blocks refilled while there is a connection.
//!
//! An id is taken out of its block durably before it is handed out, a few at once: so a crash leaves some out, and none is handed out twice
//! (`SEQN-ONCE`), though not every id costs a commit. A block holds for one epoch and one `clientId`: with either it is dropped, in the same transaction.

use std::fmt;
use std::ops::RangeInclusive;

use syncline_schemas::{Allocate, Allocated, Applied, Op, OpResult, errors};

use crate::env::Env;
use crate::events::{Event, Origin};
use crate::limits::{self, ID_MAX, Refusal};
use crate::replica::Replica;
use crate::session::Link;
use crate::stored::{Block, Entry, Sequence, StoreChange};

/// The capability of this name.
pub(crate) const SEQUENCES: &str = "sequences";

/// Of a block's ids, one in so many are taken out durably at once.
const AHEAD_SHARE: u64 = 16;

/// Ids that are taken out durably at once, at most.
const AHEAD_MAX: u64 = 64;

/// Why there is no id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoId {
    /// The app does not use this sequence: it has to say so first.
    Unused,
    /// All ids are handed out. More come with the next connection to the server.
    NoneLeft,
    /// The server does not offer sequences.
    NotOffered,
    /// The server has rejected to allocate more, with this code; it is asked again when the app says anew that it uses the sequence.
    Refused(String),
}

impl fmt::Display for NoId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoId::Unused => out.write_str("the sequence is not used yet"),
            NoId::NoneLeft => out
                .write_str("no id is left: wait for a connection to the server, which brings more"),
            NoId::NotOffered => out.write_str("the server does not offer sequences"),
            NoId::Refused(code) => write!(out, "the server allocates no more ids: {code}"),
        }
    }
}

impl std::error::Error for NoId {}

/// What the app asks.
impl Replica {
    /// The app uses a sequence, from now on and after every restart: the replica sees to it that there are ids, in blocks of this size. Says
    /// so anew, it may change the size, and what the server has refused is asked again (`SEQN-REFUSED`).
    ///
    /// # Errors
    /// No sequence may be named so, or a block has no ids: nothing has changed.
    pub fn use_sequence(&mut self, name: &str, block_size: u64, env: Env) -> Result<(), Refusal> {
        limits::check_block(name, block_size, self.limits())?;
        self.env = env;
        let mut sequence = self
            .durable
            .sequences
            .get(name)
            .cloned()
            .unwrap_or_default();
        sequence.block_size = block_size;
        sequence.refused = None;
        self.put_sequence(name, sequence);
        self.finish(Origin::Local);
        Ok(())
    }

    /// The next id of a sequence, which nobody else has (`SEQN-OWN`, `SEQN-OFFLINE`). The app is told it once the transaction is durable (`SEQN-ONCE`).
    ///
    /// # Errors
    /// There is none: why, and what to do.
    pub fn next_id(&mut self, name: &str, env: Env) -> Result<u64, NoId> {
        self.env = env;
        if !self.reserved.contains_key(name) {
            self.reserve(name);
        }
        let Some(ids) = self.reserved.get_mut(name) else {
            return Err(self.why_none(name));
        };
        let (id, last) = ids.clone().into_inner();
        if id == last {
            self.reserved.remove(name);
        } else {
            *ids = id + 1..=last;
        }
        self.finish(Origin::Local);
        Ok(id)
    }

    /// How many ids of a sequence can be handed out without the server.
    #[must_use]
    pub fn ids_left(&self, name: &str) -> u64 {
        let reserved = self.reserved.get(name).map_or(0, count_of);
        let sequence = self.durable.sequences.get(name);
        reserved + sequence.map_or(0, Sequence::left)
    }

    fn why_none(&self, name: &str) -> NoId {
        let refused = match self.durable.sequences.get(name) {
            None => return NoId::Unused,
            Some(sequence) => sequence.refused.clone(),
        };
        match (refused, &self.link) {
            (Some(code), _) => NoId::Refused(code),
            (None, Link::Ready(session)) if !session.offers_sequences => NoId::NotOffered,
            _ => NoId::NoneLeft,
        }
    }

    /// Takes the next ids of a sequence out of its first block, durably.
    fn reserve(&mut self, name: &str) {
        let Some(mut sequence) = self.durable.sequences.get(name).cloned() else {
            return;
        };
        let ahead = (sequence.block_size / AHEAD_SHARE).clamp(1, AHEAD_MAX);
        let Some(block) = sequence.blocks.first_mut() else {
            return;
        };
        let ids = block.first..=block.last.min(block.first.saturating_add(ahead - 1));
        block.first = ids.end() + 1;
        sequence.blocks.retain(|block| block.first <= block.last);
        self.reserved.insert(name.to_owned(), ids);
        self.put_sequence(name, sequence);
    }

    fn put_sequence(&mut self, name: &str, sequence: Sequence) {
        if self.durable.sequences.get(name) != Some(&sequence) {
            let name = name.to_owned();
            self.durable
                .record(StoreChange::SequencePut { name, sequence });
        }
    }
}

/// What comes from the server, and what becomes of it.
impl Replica {
    /// Keeps the ids that an own mutation was given (`SEQN-OWN`), and skips none but those that were observed meanwhile. Under a `clientId` that another store
    /// uses, too, none is kept (`SEQN-IDENTITY`).
    pub(crate) fn take_ids(&mut self, entry: &Entry, applied: &Applied) {
        for (at, op) in (0..).zip(&entry.ops) {
            let Op::Allocate(op) = op else { continue };
            let Some(mut sequence) = self.durable.sequences.get(&op.sequence).cloned() else {
                continue;
            };
            let told = applied.ops.iter().flatten();
            let given = { told }.find_map(|told| match told {
                OpResult::Allocated(given) if given.at == at => Some(given),
                _ => None,
            });
            let right = |given: &&Allocated| {
                given.count == op.count && given.first + given.count <= ID_MAX + 1
            };
            let given = given.filter(right);
            if sequence.asked.as_ref() == Some(&entry.op_id) {
                sequence.asked = None;
                if given.is_none() {
                    // It says that ids were given, and not which, or others. Asking on and on would not teach it.
                    sequence.refused = Some(errors::INTERNAL.code.to_owned());
                }
            }
            if let Some(given) = given.filter(|_| !self.durable.meta().replaced) {
                let (first, last) = (given.first, given.first + given.count - 1);
                sequence.blocks.push(Block { first, last });
                sequence.skip_observed();
                let name = op.sequence.clone();
                self.events.push_back(Event::Allocated { sequence: name });
            }
            self.put_sequence(&op.sequence, sequence);
        }
    }

    /// The server gives no ids for the replica's own asking: it is not asked again by itself (`SEQN-REFUSED`).
    pub(crate) fn ids_refused(&mut self, op_id: &str, code: &str) {
        self.asked_by(op_id, |sequence| sequence.refused = Some(code.to_owned()));
    }

    /// An own asking whose fate cannot be known is forgotten: at worst its ids are left out. Says whether it was one.
    pub(crate) fn forget_asking(&mut self, op_id: &str) -> bool {
        self.asked_by(op_id, |_| {})
    }

    /// Ends the replica's own asking of this name; says whether there was one.
    fn asked_by(&mut self, op_id: &str, end: impl Fn(&mut Sequence)) -> bool {
        let mut sequences = self.durable.sequences.iter();
        let found = sequences.find(|(_, sequence)| sequence.asked.as_deref() == Some(op_id));
        let Some((name, mut sequence)) = found.map(|(name, found)| (name.clone(), found.clone()))
        else {
            return false;
        };
        sequence.asked = None;
        end(&mut sequence);
        self.put_sequence(&name, sequence);
        true
    }

    /// Drops all ids: those who gave them know nothing of them any more, or another store may have them too (`SEQN-EPOCH`, `SEQN-IDENTITY`).
    pub(crate) fn drop_ids(&mut self) {
        self.reserved.clear();
        for (name, mut sequence) in self.durable.sequences.clone() {
            sequence.blocks.clear();
            self.put_sequence(&name, sequence);
        }
    }

    /// The app has written these ops: of what they observe no id is handed out from now on (`SEQN-OBSERVED`).
    pub(crate) fn skip_observed(&mut self, ops: &[Op]) {
        for op in ops {
            let Op::Observe(op) = op else { continue };
            let Some(mut sequence) = self.durable.sequences.get(&op.sequence).cloned() else {
                continue;
            };
            sequence.above = sequence.above.max(op.value);
            sequence.skip_observed();
            self.put_sequence(&op.sequence, sequence);
            if let Some(ids) = self.reserved.remove(&op.sequence) {
                let ids = (*ids.start()).max(op.value.saturating_add(1))..=*ids.end();
                if !ids.is_empty() {
                    self.reserved.insert(op.sequence.clone(), ids);
                }
            }
        }
    }

    /// Asks for a block of each sequence that has few ids left, one at a time, where the server offers them (`SEQN-REFILL`, `SEQN-UNOFFERED`).
    pub(crate) fn refill_sequences(&mut self) {
        let offered = matches!(&self.link, Link::Ready(session) if session.offers_sequences);
        if !offered || self.durable.meta().replaced {
            return;
        }
        let low = |(name, sequence): &(&String, &Sequence)| {
            let quiet = sequence.asked.is_none() && sequence.refused.is_none();
            quiet && self.ids_left(name) < sequence.block_size.div_ceil(2)
        };
        let low = self.durable.sequences.iter().filter(low);
        let low: Vec<(String, Sequence)> = low
            .filter(|(name, _)| !self.is_allocating(name))
            .map(|(name, sequence)| (name.clone(), sequence.clone()))
            .collect();
        for (name, sequence) in low {
            self.ask_for_ids(name, sequence);
        }
    }

    /// Whether an own allocation of the sequence is undecided.
    fn is_allocating(&self, name: &str) -> bool {
        let allocates = |op: &Op| matches!(op, Op::Allocate(op) if op.sequence == name);
        { self.durable.undecided() }.any(|entry| entry.ops.iter().any(allocates))
    }

    fn ask_for_ids(&mut self, name: String, sequence: Sequence) {
        let most = self.limits().allocate_max.unwrap_or(u64::MAX);
        let allocate = Allocate {
            sequence: name.clone(),
            count: sequence.block_size.min(most),
        };
        let op_id = self.env.ident(&format!("opId for {name}"));
        self.append_as(op_id.clone(), vec![Op::Allocate(allocate)]);
        let asked = Some(op_id);
        self.put_sequence(&name, Sequence { asked, ..sequence });
    }
}

fn count_of(ids: &RangeInclusive<u64>) -> u64 {
    ids.end() + 1 - ids.start()
}
