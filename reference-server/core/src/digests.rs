//! Digests: what a shape's rows come to, told in the order of the stream.
//!
//! A table sums up its rows when it is asked the first time, a piece a pump, and from then on only what has changed: who never asks pays nothing.
//! What is known is the sum at the head, so a digest is told when the subscription is there, behind the update that brought it there (DIG-ANSWER).
//! A table that is filtered is summed up in one go, each time it is asked for: a sum for each filter would make each write dearer.

use syncline_schemas::errors;
use syncline_schemas::{Digest, Digested};

use crate::connection::error;
use crate::engine::Engine;
use crate::io::SessionKey;
use crate::sessions::Subscription;
use crate::shapes::ShapeId;

/// Bytes of rows that one pump sums up, about: some milliseconds.
const BYTES_A_PUMP: usize = 1024 * 1024;

/// The digests of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests {
    /// Whether each replacement ends with one (DIG-REPLACEMENT).
    pub(crate) after_replacements: bool,
    /// Those that it waits for.
    pub(crate) asked: Vec<Asked>,
}

impl Digests {
    /// A replacement of a shape has ended. Says whether its digest is to be told; of several that wait, one does for all.
    pub(crate) fn owe(&mut self, shape: ShapeId) -> bool {
        let owed = Asked { shape, re: None };
        if self.after_replacements && !self.asked.contains(&owed) {
            self.asked.push(owed);
        }
        self.after_replacements
    }
}

/// A digest that is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) shape: ShapeId,
    /// The frame that asked; none, where a replacement has ended.
    pub(crate) re: Option<u64>,
}

/// Why there is no sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsummed {
    /// It takes more than is left of the budget.
    Yet,
    /// Nobody gets it: it would take too much at once (FLT-DIGEST).
    TooLarge,
}

impl Engine {
    /// A client asks. It is answered by a pump.
    pub(crate) fn ask_digest(&mut self, session: SessionKey, re: u64, digest: &Digest) {
        let named = self.shape_named(session, &digest.shape);
        let Some(known) = self.sessions.find_mut(session) else {
            return;
        };
        let refused = match named {
            None => error(
                &errors::UNKNOWN_SHAPE,
                "no such shape is subscribed on this connection",
            ),
            Some(shape)
                if known
                    .digests
                    .asked
                    .iter()
                    .any(|asked| asked.shape == shape && asked.re.is_some()) =>
            {
                error(
                    &errors::DIGEST_PENDING,
                    "the digest of this shape was asked for and comes",
                )
            }
            Some(shape) => {
                known.digests.asked.push(Asked {
                    shape,
                    re: Some(re),
                });
                self.sessions.digesting.insert(session);
                return;
            }
        };
        self.answer_error(session, re, refused);
    }

    /// A subscription is over: what it still owes is never told (DIG-UNKNOWN-SHAPE).
    pub(crate) fn refuse_digests(&mut self, session: SessionKey, shape: ShapeId) {
        let Some(known) = self.sessions.find_mut(session) else {
            return;
        };
        let owed: Vec<Asked> = known
            .digests
            .asked
            .extract_if(.., |asked| asked.shape == shape)
            .collect();
        for re in owed.into_iter().filter_map(|asked| asked.re) {
            let refused = error(&errors::UNKNOWN_SHAPE, "the subscription has ended");
            self.answer_error(session, re, refused);
        }
    }

    /// Tells the digests that can be told. Says whether more could be, with more work.
    pub(crate) fn answer_digests(&mut self) -> bool {
        let mut budget = BYTES_A_PUMP;
        let mut more = false;
        for session in self.sessions.digesting.clone() {
            let asked = self
                .sessions
                .find_mut(session)
                .map(|known| std::mem::take(&mut known.digests.asked));
            let mut left = Vec::new();
            for asked in asked.unwrap_or_default() {
                let Some(at) = self.live_at(session, asked.shape) else {
                    left.push(asked);
                    continue;
                };
                if !self.tell_digest(session, asked, at, &mut budget) {
                    more = true;
                    left.push(asked);
                }
            }
            if left.is_empty() {
                self.sessions.digesting.remove(&session);
            } else if let Some(known) = self.sessions.find_mut(session) {
                known.digests.asked = left;
            }
        }
        more
    }

    /// The `to` of the last complete update of a subscription, if all that the log has was in it, or before.
    fn live_at(&self, session: SessionKey, id: ShapeId) -> Option<u64> {
        let known = self.sessions.find(session)?;
        match known.shapes.get(&id)? {
            Subscription::Live { at } => Some(self.shapes.find(id)?.at.max(*at)),
            Subscription::Staging(_) => None,
        }
    }

    /// Tells one, unless the sum takes more than is left of the budget.
    fn tell_digest(
        &mut self,
        session: SessionKey,
        asked: Asked,
        at: u64,
        budget: &mut usize,
    ) -> bool {
        let Some(shape) = self.shapes.find(asked.shape) else {
            return true;
        };
        let summed = match &shape.filters {
            None => self
                .state
                .digest(&shape.tables, budget)
                .ok_or(Unsummed::Yet),
            Some(filters) => {
                let most = self.config.limits.digest_scan_rows_max.unwrap_or(0);
                self.state
                    .filtered_digest(&shape.tables, filters, most, budget)
            }
        };
        let digest = match summed {
            Ok(digest) => digest,
            Err(Unsummed::Yet) => return false,
            Err(Unsummed::TooLarge) => {
                if let Some(re) = asked.re {
                    let most = "more rows than limits.digestScanRowsMax";
                    self.answer_error(session, re, error(&errors::DIGEST_TOO_LARGE, most));
                }
                return true;
            }
        };
        let digested = Digested {
            re: asked.re,
            shape: shape.name.clone(),
            at,
            count: digest.count,
            sum: digest.sum(),
        };
        self.outbox.message(session, digested);
        true
    }
}
