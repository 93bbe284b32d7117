//! The procedure for `push`: which mutations are retries, which are the next links of the client's chain, and what is decided of those.

use std::sync::Arc;

use syncline_schemas::errors::{self, ErrorDef};
use syncline_schemas::mark;
use syncline_schemas::{Deferred, Json, MutationResult, OpResult, Outcome, Refused};

use crate::decide::{self, Turn};
use crate::engine::Engine;
use crate::json;
use crate::rate::Bucket;
use crate::record::{Decided, Event};
use crate::request::{Mutation, Push};

impl Engine {
    /// What becomes of a push's mutations, in order, up to the first that is no outcome (PUSH-RESULTS).
    pub(crate) fn push(
        &mut self,
        client: Option<&Arc<str>>,
        push: &Push,
        now_ms: u64,
    ) -> Vec<MutationResult> {
        let Some(first) = push.mutations.first() else {
            return Vec::new();
        };
        let Some(client) = client else {
            return vec![refused(first, &errors::CLIENT_REQUIRED)];
        };
        if push.epoch != self.epoch {
            let epoch = Some(self.epoch.clone());
            return vec![MutationResult::Refused(Refused {
                epoch,
                ..refusal(first, &errors::EPOCH_CHANGED)
            })];
        }
        let mut results = Vec::with_capacity(push.mutations.len());
        let mut previous = push.follows.as_deref();
        for mutation in &push.mutations {
            match self.link(client, previous, mutation, now_ms) {
                Ok(Link::Known(outcome)) => results.push(outcome.into()),
                Ok(Link::New(rate)) => {
                    results.push(self.decide_new(client, mutation, rate, now_ms).into())
                }
                Err(stop) => {
                    results.push(stop);
                    break;
                }
            }
            previous = Some(&mutation.op_id);
        }
        results
    }

    /// Where a mutation stands in its client's chain. The look-up comes before everything else (PUSH-LOOKUP-FIRST).
    #[expect(clippy::result_large_err, reason = "once a push")]
    fn link(
        &self,
        client: &str,
        previous: Option<&str>,
        mutation: &Mutation,
        now_ms: u64,
    ) -> Result<Link, MutationResult> {
        let known = self.state.clients.find(client);
        let last_seq = known.map_or(0, |known| known.last_seq);
        if mutation.seq <= last_seq {
            return match known.and_then(|known| known.retained(mutation.seq)) {
                None => Err(refused(mutation, &errors::SEQ_EXPIRED)),
                Some(retained) if *retained.op_id != *mutation.op_id => {
                    Err(refused(mutation, &errors::CHAIN_BROKEN))
                }
                Some(retained) => {
                    mark!("server_retry_answered");
                    Ok(Link::Known(retained.outcome(mutation.seq)))
                }
            };
        }
        if mutation.seq != last_seq + 1 {
            mark!("server_seq_gap");
            let expected = Some(last_seq + 1);
            return Err(MutationResult::Refused(Refused {
                expected,
                ..refusal(mutation, &errors::SEQ_GAP)
            }));
        }
        if previous != known.and_then(|known| known.last_op_id()) {
            return Err(refused(mutation, &errors::CHAIN_BROKEN));
        }
        // Only a push whose ops leave much more than they carry comes so far.
        if self.step.bytes >= self.config.step_bytes.saturating_mul(2) {
            return Err(deferred(mutation, &errors::SERVER_BUSY, BUSY_MS));
        }
        let limits = &self.config.limits;
        let rate = known.map_or_else(|| Bucket::full(limits), |known| known.rate);
        rate.take(now_ms, limits)
            .map(Link::New)
            .map_err(|wait_ms| deferred(mutation, &errors::RATE_LIMITED, wait_ms))
    }

    /// Decides the next link of a chain, for ever.
    fn decide_new(
        &mut self,
        client: &Arc<str>,
        mutation: &Mutation,
        rate: Bucket,
        now_ms: u64,
    ) -> Outcome {
        let at_ms = self.time.at(now_ms, self.state.at_ms);
        let turn = Turn {
            state: &self.state,
            config: &self.config,
            client,
            at_ms,
            age_ms: mutation.age_ms,
        };
        let judged = decide::decide(turn, &mutation.ops);
        let decided = Decided {
            client: client.clone(),
            seq: mutation.seq,
            op_id: mutation.op_id.clone(),
            decision: judged.decision,
        };
        let mut outcome = decided.outcome(self.state.head + 1);
        judged.fresh.add_to(&mut outcome);
        self.record(Event::Outcome(decided), now_ms);
        self.state.clients.spend(client, rate);
        outcome
    }

    /// The text of an ack. Where it would be too large, messages for people and rows that stand are left out, then which ops were superseded;
    /// ids that were allocated never (FRAME-SIZE-SENT).
    pub(crate) fn encode_ack(&self, re: Option<u64>, mut results: Vec<MutationResult>) -> String {
        let most = self.config.limits.frame_bytes_max;
        let leave = |results: Vec<MutationResult>, leaves_ops| -> Vec<MutationResult> {
            let lean = |result| lean(result, leaves_ops);
            results.into_iter().map(lean).collect()
        };
        // Summed up before anything is written: the rows that stand may be many times a frame.
        let mut text = String::new();
        if results.iter().map(shown_bytes).sum::<u64>() <= most {
            text = encode_ack(re, &results);
        }
        for leaves_ops in [true, false] {
            if text.is_empty() || text.len() as u64 > most {
                results = leave(results, leaves_ops);
                text = encode_ack(re, &results);
            }
        }
        text
    }
}

/// The bytes of the rows that a result shows.
fn shown_bytes(result: &MutationResult) -> u64 {
    let bytes = |value: &Option<Json>| value.as_ref().map_or(0, |value| value.get().len() as u64);
    match result {
        MutationResult::Rejected(rejected) => {
            let row = rejected.row.as_ref();
            row.map_or(0, |row| bytes(&row.value))
        }
        MutationResult::Applied(applied) => { applied.ops.iter().flatten() }
            .map(|told| match told {
                OpResult::Superseded(told) => bytes(&told.value),
                OpResult::Resolved(told) => bytes(&told.value),
                OpResult::SupersededInFields(told) => { told.conflicts.iter().flatten() }
                    .map(|conflict| bytes(&conflict.value))
                    .sum(),
                OpResult::Allocated(_) => 0,
            })
            .sum(),
        _ => 0,
    }
}

fn lean(result: MutationResult, leaves_ops: bool) -> MutationResult {
    let mut outcome: Outcome = match result {
        MutationResult::Applied(applied) => applied.into(),
        MutationResult::Rejected(rejected) => rejected.into(),
        other => return other,
    };
    decide::lean(&mut outcome, leaves_ops);
    outcome.into()
}

fn encode_ack(re: Option<u64>, results: &[MutationResult]) -> String {
    let mut text = String::with_capacity(64 + 96 * results.len());
    text.push_str(r#"{"type":"ack""#);
    if let Some(re) = re {
        text.push_str(r#","re":"#);
        json::integer(&mut text, re);
    }
    text.push_str(r#","results":["#);
    json::list(&mut text, results, |text, result| match result {
        MutationResult::Applied(applied) => {
            text.push_str(r#"{"status":"applied","seq":"#);
            json::integer(text, applied.seq);
            text.push_str(r#","opId":"#);
            json::string(text, &applied.op_id);
            text.push_str(r#","version":"#);
            json::integer(text, applied.version);
            if let Some(ops) = &applied.ops {
                text.push_str(r#","ops":"#);
                json::other(text, ops);
            }
            text.push('}');
        }
        other => json::other(text, other),
    });
    text.push_str("]}");
    text
}

/// How long to wait, in milliseconds, for a step that is full: until the next.
const BUSY_MS: u64 = 10;

/// Where a mutation stands in its client's chain.
enum Link {
    /// It was decided before.
    Known(Outcome),
    /// It is the next one, and the client may go so fast.
    New(Bucket),
}

fn refusal(mutation: &Mutation, def: &ErrorDef) -> Refused {
    let (seq, op_id) = (mutation.seq, mutation.op_id.to_string());
    Refused {
        seq,
        op_id,
        code: def.code.to_owned(),
        expected: None,
        epoch: None,
    }
}

fn refused(mutation: &Mutation, def: &ErrorDef) -> MutationResult {
    MutationResult::Refused(refusal(mutation, def))
}

fn deferred(mutation: &Mutation, def: &ErrorDef, wait_ms: u64) -> MutationResult {
    MutationResult::Deferred(Deferred {
        seq: mutation.seq,
        op_id: mutation.op_id.to_string(),
        code: def.code.to_owned(),
        retry_after_ms: Some(wait_ms),
    })
}
