//! What a hostile server says: of every type of message some that fit what it has heard, and some that do not.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use serde_json::{Value, json};
use syncline_client_core::{StoredState, least_limits};
use syncline_schemas::{ClientMessage, Limits, ServerMessage};

pub(super) const KEYS: [&str; 3] = ["k0", "k1", ""];

pub(super) const SHAPES: [&[&str]; 5] = [&["a"], &["a", "b"], &["c"], &["d"], &["c", "d"]];

const CAPABILITIES: [&str; 6] = [
    "conflicts",
    "digests",
    "documents",
    "history",
    "presence",
    "sequences",
];

const CODES: [&str; 14] = [
    "seq_gap",
    "chain_broken",
    "epoch_mismatch",
    "server_busy",
    "rate_limited",
    "invalid_message",
    "shape_overlap",
    "unknown_shape",
    "digest_pending",
    "session_replaced",
    "limit_exceeded",
    "sequence_exhausted",
    "idle",
    "never_heard_of",
];

/// What a server has heard on a connection.
#[derive(Debug, Default)]
pub(super) struct Heard {
    frames: u64,
    subscribes: Vec<String>,
    /// The frames that ask something.
    asked: Vec<u64>,
}

impl Heard {
    pub(super) fn frame(&mut self, message: ClientMessage) {
        self.frames += 1;
        assert_eq!(
            self.frames == 1,
            matches!(message, ClientMessage::Hello(_)),
            "CONN-HELLO-FIRST"
        );
        match message {
            ClientMessage::Subscribe(subscribe) => self.subscribes.push(subscribe.id),
            ClientMessage::Digest(_) | ClientMessage::History(_) | ClientMessage::Push(_) => {
                self.asked.push(self.frames);
            }
            _ => {}
        }
    }
}

/// The mutations that a message says were applied.
pub(super) fn applied_in(text: &str) -> BTreeSet<String> {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let results = value.get("results").and_then(Value::as_array);
    let applied = { results.into_iter().flatten() }.filter(|result| {
        result
            .get("status")
            .is_some_and(|status| status == "applied")
    });
    let names = applied.filter_map(|result| result.get("opId")?.as_str());
    names.map(ToOwned::to_owned).collect()
}

/// A number that may mean something, or one at the edge of what there is.
pub(super) fn number(bytes: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match bytes.int_in_range(0..=40_u64)? {
        39 => (1 << 53) - 2,
        40 => (1 << 53) - 1,
        small => small / 2,
    })
}

/// What the server says next, as text.
pub(super) fn message(
    bytes: &mut Unstructured<'_>,
    heard: &Heard,
    stored: &StoredState,
) -> Result<String> {
    let teller = Teller { heard, stored };
    let value = match bytes.int_in_range(0..=14_u8)? {
        0..=2 => teller.welcome(bytes)?,
        3 | 4 => teller.subscribed(bytes)?,
        5 | 6 => teller.ack(bytes)?,
        7..=9 => teller.update(bytes)?,
        10 => teller.digested(bytes)?,
        11 => teller.error(bytes)?,
        12 => {
            json!({"type": "presence", "session": ident(bytes)?, "state": bytes.arbitrary::<u8>()?})
        }
        13 => teller.past(bytes)?,
        _ => match bytes.int_in_range(0..=3_u8)? {
            0 => {
                json!({"type": "goaway", "reason": *bytes.choose(&CODES)?, "retryAfterMs": number(bytes)?})
            }
            1 => json!({"type": "pong", "t": number(bytes)?, "serverTime": number(bytes)?}),
            2 => json!({"type": "teleport"}),
            _ => json!({"type": "ack"}),
        },
    };
    let text = value.to_string();
    if value["type"] != "ack" || value.get("results").is_some() {
        let read = ServerMessage::decode(&text, 64);
        debug_assert!(
            read.is_ok() || value["type"] == "teleport",
            "{read:?}: {text}"
        );
    }
    Ok(text)
}

struct Teller<'a> {
    heard: &'a Heard,
    stored: &'a StoredState,
}

impl Teller<'_> {
    fn welcome(&self, bytes: &mut Unstructured<'_>) -> Result<Value> {
        let capabilities = bytes.arbitrary::<u8>()?;
        let offered = (0..).zip(CAPABILITIES);
        let offered = offered.filter(|(bit, _)| capabilities & (1 << bit) == 0);
        let offered: Vec<&str> = offered.map(|(_, name)| name).collect();
        let limits = Limits {
            in_flight_max: bytes.int_in_range(1..=4)?,
            push_mutations_max: bytes.int_in_range(1..=3)?,
            ..least_limits().clone()
        };
        let last_seq = match bytes.arbitrary::<bool>()? {
            true => self.stored.acked_seq(),
            false => number(bytes)?,
        };
        let server_time = match bytes.arbitrary::<bool>()? {
            true => 1_000_000,
            false => *bytes.choose(&[0_u64, 1_795_000_000_000, (1 << 53) - 1])?,
        };
        let count = bytes.int_in_range(0..=2)?;
        let results = (0..count)
            .map(|_| self.outcome(bytes))
            .collect::<Result<Vec<_>>>()?;
        Ok(json!({
            "type": "welcome", "epoch": epoch(bytes)?, "version": number(bytes)?, "lastSeq": last_seq, "results": results, "session": ident(bytes)?,
            "capabilities": offered, "limits": limits, "serverTime": server_time, "server": {"name": "hostile", "version": "0"},
        }))
    }

    fn subscribed(&self, bytes: &mut Unstructured<'_>) -> Result<Value> {
        let last = self.heard.subscribes.last().map_or("s0", String::as_str);
        let id = match bytes.arbitrary::<bool>()? {
            true => format!("s{}", bytes.int_in_range(0..=9_u8)?),
            false => last.to_owned(),
        };
        Ok(json!({"type": "subscribed", "id": id, "shape": shape(bytes)?, "tables": {"a": {}}}))
    }

    fn ack(&self, bytes: &mut Unstructured<'_>) -> Result<Value> {
        let count = bytes.int_in_range(1..=3)?;
        let results = (0..count)
            .map(|_| self.result(bytes))
            .collect::<Result<Vec<_>>>()?;
        let mut ack = json!({"type": "ack", "results": results});
        if bytes.arbitrary()? {
            ack["re"] = self.frame(bytes)?.into();
        }
        Ok(ack)
    }

    fn result(&self, bytes: &mut Unstructured<'_>) -> Result<Value> {
        if bytes.int_in_range(0..=2_u8)? < 2 {
            return self.outcome(bytes);
        }
        let (seq, op_id) = self.mutation(bytes)?;
        let code = *bytes.choose(&CODES)?;
        Ok(match bytes.arbitrary::<bool>()? {
            true => {
                json!({"status": "deferred", "seq": seq, "opId": op_id, "code": code, "retryAfterMs": number(bytes)?})
            }
            false => {
                json!({"status": "refused", "seq": seq, "opId": op_id, "code": code, "expected": number(bytes)?.max(1)})
            }
        })
    }

    fn outcome(&self, bytes: &mut Unstructured<'_>) -> Result<Value> {
        let ((seq, op_id), version) = (self.mutation(bytes)?, number(bytes)?);
        if bytes.arbitrary()? {
            let code = *bytes.choose(&CODES)?;
            return Ok(
                json!({"status": "rejected", "seq": seq, "opId": op_id, "version": version, "code": code}),
            );
        }
        let mut applied =
            json!({"status": "applied", "seq": seq, "opId": op_id, "version": version});
        let at = bytes.int_in_range(0..=3_u64)?;
        let told = match bytes.int_in_range(0..=5_u8)? {
            0 | 1 => return Ok(applied),
            2 => {
                json!({"result": "allocated", "at": at, "first": number(bytes)?.max(1), "count": number(bytes)?.max(1)})
            }
            3 => json!({"result": "superseded", "at": at, "version": version, "value": version}),
            4 => {
                json!({"result": "superseded_in_fields", "at": at, "count": number(bytes)?.max(1), "conflicts": [{"field": "f", "gone": true}]})
            }
            _ => json!({"result": "resolved", "at": at, "gone": true}),
        };
        applied["ops"] = json!([told]);
        Ok(applied)
    }

    /// A mutation of the outbox, or one that is nearly one.
    fn mutation(&self, bytes: &mut Unstructured<'_>) -> Result<(u64, String)> {
        let undecided: Vec<_> = self.stored.undecided().take(4).collect();
        let choice = bytes.int_in_range(0..=7_usize)?;
        let entry = undecided
            .get(choice.saturating_sub(4))
            .or(undecided.first());
        let (seq, op_id) = entry.map_or((1, "o".to_owned()), |entry| {
            (entry.seq, entry.op_id.clone())
        });
        Ok(match choice {
            0 => (number(bytes)?.max(1), op_id),
            1 => (seq, ident(bytes)?),
            _ => (seq, op_id),
        })
    }

    fn update(&self, bytes: &mut Unstructured<'_>) -> Result<Value> {
        let cursors: Vec<u64> = self
            .stored
            .shapes
            .values()
            .flatten()
            .map(|cursor| cursor.version)
            .collect();
        let from = match cursors.is_empty() || bytes.arbitrary()? {
            true => number(bytes)?,
            false => *bytes.choose(&cursors)?,
        };
        let count = bytes.int_in_range(0..=4)?;
        let changes = (0..count)
            .map(|_| change(bytes, from))
            .collect::<Result<Vec<_>>>()?;
        let mut update =
            json!({"type": "update", "shape": shape(bytes)?, "from": from, "changes": changes});
        let part = bytes.int_in_range(0..=7_u8)?;
        if part & 1 == 0 {
            update["to"] = json!((from + bytes.int_in_range(0..=6)?).min((1 << 53) - 1));
        } else {
            update["more"] = json!(true);
        }
        if part & 2 > 0 {
            (update["replace"], update["from"]) = (json!(true), json!(0));
        }
        Ok(update)
    }

    fn digested(&self, bytes: &mut Unstructured<'_>) -> Result<Value> {
        let sum = format!("{:032x}", bytes.int_in_range(0..=1_u8)?);
        let mut digested = json!({"type": "digested", "shape": shape(bytes)?, "at": number(bytes)?, "count": number(bytes)?, "sum": sum});
        if bytes.arbitrary()? {
            digested["re"] = self.frame(bytes)?.into();
        }
        Ok(digested)
    }

    fn past(&self, bytes: &mut Unstructured<'_>) -> Result<Value> {
        let (from, to, more) = (number(bytes)?, number(bytes)?, bytes.arbitrary::<bool>()?);
        Ok(
            json!({"type": "past", "re": self.frame(bytes)?, "from": from, "to": to, "changes": [], "hasMore": more}),
        )
    }

    fn error(&self, bytes: &mut Unstructured<'_>) -> Result<Value> {
        let scope = *bytes.choose(&["request", "subscription", "connection"])?;
        let (code, retryable) = (*bytes.choose(&CODES)?, bytes.arbitrary::<bool>()?);
        let mut error = json!({"type": "error", "code": code, "scope": scope, "retryable": retryable, "message": "m"});
        if bytes.arbitrary()? {
            error["re"] = self.frame(bytes)?.into();
        }
        if bytes.arbitrary()? {
            error["retryAfterMs"] = number(bytes)?.into();
        }
        if bytes.arbitrary()? {
            error["shape"] = shape(bytes)?.into();
        }
        Ok(error)
    }

    /// A frame that the replica has sent, or none that it has.
    fn frame(&self, bytes: &mut Unstructured<'_>) -> Result<u64> {
        let choice = bytes.int_in_range(0..=4_usize)?;
        Ok(match self.heard.asked.iter().rev().nth(choice) {
            Some(frame) => *frame,
            None => number(bytes)?.max(1),
        })
    }
}

fn change(bytes: &mut Unstructured<'_>, from: u64) -> Result<Value> {
    let (table, key) = (
        *bytes.choose(&["a", "b", "c", "d", "e"])?,
        *bytes.choose(&KEYS)?,
    );
    let version = (from + bytes.int_in_range(0..=5)?).min((1 << 53) - 1);
    let mut change = json!({"table": table, "key": key, "version": version});
    match bytes.int_in_range(0..=7_u8)? {
        0..=2 => (change["op"], change["value"]) = (json!("set"), json!({"f": version % 4})),
        3 => {
            (change["op"], change["value"]) = (json!("set"), json!(version));
            change["siblings"] = json!([{"version": number(bytes)?, "value": null}]);
        }
        4 => change["op"] = json!("delete"),
        5 => change["op"] = json!("remove"),
        6 => (change["op"], change["data"]) = (json!("append"), json!("AAEC")),
        _ => {
            (change["op"], change["data"]) = (json!("compact"), json!("AAEC"));
            change["covers"] = json!(number(bytes)?);
        }
    }
    Ok(change)
}

fn epoch(bytes: &mut Unstructured<'_>) -> Result<&'static str> {
    bytes.choose(&["e1", "e1", "e2"]).copied()
}

fn shape(bytes: &mut Unstructured<'_>) -> Result<&'static str> {
    bytes.choose(&["x", "y", "z"]).copied()
}

fn ident(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(format!("i{}", bytes.int_in_range(0..=3_u8)?))
}
