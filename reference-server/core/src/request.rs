//! A [`Request`]: what a frame asks of the engine, read as far as it can be without the state.
//!
//! That includes the ops of a push. An op that is at fault rejects its mutation, not the frame, and only when the mutation is
//! decided: a retry is answered with what was decided the first time, whatever its ops are. So they are read where the frame
//! arrived, which costs the workspace nothing, and the fault is kept with the mutation until its turn.

use std::collections::HashSet;
use std::sync::Arc;

use syncline_schemas::errors::{self, ErrorDef};
use syncline_schemas::{
    ClientMessage, Digest, Hello, Json, Limits, OpError, Ping, Subscribe, Unsubscribe,
};

use crate::names::{self, NameFault};
use crate::record::{Effect, Rejection};

/// What a frame asks. Made by [`read_frame`](crate::read_frame).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A `hello`: one too many.
    Hello(Hello),
    /// To subscribe.
    Subscribe(Subscribe),
    /// To end a subscription.
    Unsubscribe(Unsubscribe),
    /// To decide mutations.
    Push(Push),
    /// To answer.
    Ping(Ping),
    /// To sum up a shape.
    Digest(Digest),
}

impl Request {
    pub(crate) fn of(message: ClientMessage, limits: &Limits) -> Request {
        match message {
            ClientMessage::Hello(hello) => Request::Hello(hello),
            ClientMessage::Subscribe(subscribe) => Request::Subscribe(subscribe),
            ClientMessage::Unsubscribe(unsubscribe) => Request::Unsubscribe(unsubscribe),
            ClientMessage::Push(push) => Request::Push(Push::of(push, limits)),
            ClientMessage::Ping(ping) => Request::Ping(ping),
            ClientMessage::Digest(digest) => Request::Digest(digest),
        }
    }
}

/// A `push`, its ops read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub(crate) epoch: String,
    pub(crate) follows: Option<String>,
    pub(crate) mutations: Vec<Mutation>,
}

/// A mutation, its ops read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutation {
    pub(crate) seq: u64,
    pub(crate) op_id: Arc<str>,
    /// What it would do, or what is at fault with it whatever the state.
    pub(crate) ops: Verdict<Vec<Op>>,
}

/// An op: how it would leave its row, and on which condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) effect: Effect,
    pub(crate) if_version: Option<u64>,
}

/// Boxed: a rejection is rare, and larger than what is usual.
pub(crate) type Verdict<T> = Result<T, Box<Rejection>>;

pub(crate) fn reject<T>(def: &ErrorDef, at: Option<String>, message: &str) -> Verdict<T> {
    Err(Box::new(Rejection {
        code: def.code.into(),
        message: names::clipped(message),
        at,
    }))
}

impl Push {
    fn of(push: syncline_schemas::Push, limits: &Limits) -> Push {
        let mutations = push.mutations.into_iter().map(|mutation| Mutation {
            seq: mutation.seq,
            op_id: mutation.op_id.into(),
            ops: read_ops(&mutation.ops, limits),
        });
        Push {
            epoch: push.epoch,
            follows: push.follows,
            mutations: mutations.collect(),
        }
    }
}

/// Reads all ops; the first that is at fault, alone or against an earlier one, gives the code.
fn read_ops(ops: &[Json], limits: &Limits) -> Verdict<Vec<Op>> {
    if ops.is_empty() {
        return reject(&errors::NO_OPS, None, "a mutation needs ops");
    }
    if ops.len() as u64 > limits.mutation_ops_max {
        let message = format!(
            "{} ops, limits.mutationOpsMax is {}",
            ops.len(),
            limits.mutation_ops_max
        );
        return reject(&errors::LIMIT_EXCEEDED, Some("/ops".to_owned()), &message);
    }
    let mut read = Vec::with_capacity(ops.len());
    let mut fault = None;
    for (index, op) in ops.iter().enumerate() {
        match read_op(op, limits) {
            Ok(op) => read.push(op),
            Err((def, at, message)) => {
                fault = Some((def, format!("/ops/{index}{at}"), message));
                break;
            }
        }
    }
    // The fault stands behind all that was read.
    check_duplicates(&read)?;
    match fault {
        None => Ok(read),
        Some((def, at, message)) => reject(def, Some(at), &message),
    }
}

/// A code, where in the op, and why.
type OpFault = (&'static ErrorDef, String, String);

fn read_op(op: &Json, limits: &Limits) -> Result<Op, OpFault> {
    let op = syncline_schemas::Op::decode(op).map_err(|error| {
        let def = match error {
            OpError::UnknownOp { .. } => &errors::UNKNOWN_OP,
            OpError::Invalid { .. } => &errors::INVALID_OP,
        };
        (def, error.at().to_owned(), error.reason().to_owned())
    })?;
    check_names(op.table(), op.key(), limits)?;
    let if_version = op.if_version();
    let (table, key, value) = match op {
        syncline_schemas::Op::Set(set) => {
            (set.table, set.key, Some(read_value(set.value, limits)?))
        }
        syncline_schemas::Op::Delete(delete) => (delete.table, delete.key, None),
    };
    let effect = Effect {
        table: table.into(),
        key: key.into(),
        value,
    };
    Ok(Op { effect, if_version })
}

fn check_names(table: &str, key: &str, limits: &Limits) -> Result<(), OpFault> {
    let faults = [
        ("/table", names::check_table(table, limits), "tableBytesMax"),
        ("/key", names::check_key(key, limits), "keyBytesMax"),
    ];
    // What no server allows comes before what this one finds too long.
    for (at, checked, _) in faults {
        if let Err(NameFault::Forbidden(why)) = checked {
            return Err((&errors::INVALID_OP, at.to_owned(), why.to_owned()));
        }
    }
    for (at, checked, limit) in faults {
        if checked.is_err() {
            let message = format!("longer than limits.{limit}");
            return Err((&errors::LIMIT_EXCEEDED, at.to_owned(), message));
        }
    }
    Ok(())
}

/// The value to be set, on one line: a log may keep a record a line. Line breaks stand only between a value's tokens.
fn read_value(value: Json, limits: &Limits) -> Result<Json, OpFault> {
    let text = value.get();
    let (bytes, most) = (text.len() as u64, limits.value_bytes_max);
    if bytes > most {
        let message = format!("{bytes} bytes, limits.valueBytesMax is {most}");
        return Err((&errors::LIMIT_EXCEEDED, "/value".to_owned(), message));
    }
    if !text.bytes().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Ok(value);
    }
    let one_line = Json::parse(&text.replace(['\n', '\r'], " "));
    Ok(one_line.unwrap_or(value))
}

fn check_duplicates(ops: &[Op]) -> Verdict<()> {
    if ops.len() < 2 {
        return Ok(());
    }
    let mut rows = HashSet::with_capacity(ops.len());
    match ops
        .iter()
        .position(|op| !rows.insert((&op.effect.table, &op.effect.key)))
    {
        None => Ok(()),
        Some(index) => reject(
            &errors::DUPLICATE_ROW,
            Some(format!("/ops/{index}")),
            "an earlier op names the same row",
        ),
    }
}
