//! A [`Request`]: what a frame asks of the engine, read as far as it can be without the state.
//!
//! That includes the ops of a push. An op that is at fault rejects its mutation, not the frame, and only when the mutation is
//! decided: a retry is answered with what was decided the first time, whatever its ops are. So they are read where the frame
//! arrived, which costs the workspace nothing, and the fault is kept with the mutation until its turn.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use syncline_schemas::errors::{self, ErrorDef};
use syncline_schemas::{
    ClientMessage, Digest, Hello, History, Json, Limits, OpError, Patch, Ping, Present, Subscribe,
    Unsubscribe, base64,
};

use crate::config::{DOCUMENTS, FIELDS, SEQUENCES, TABLES};
use crate::declare;
use crate::names::{self, NameFault};
use crate::record::Rejection;
use crate::tables::Declaration;

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
    /// To be present, or no more.
    Present(Present),
    /// To tell what was changed.
    History(Box<History>),
}

impl Request {
    pub(crate) fn of(message: ClientMessage, limits: &Limits, capabilities: &[String]) -> Request {
        match message {
            ClientMessage::Hello(hello) => Request::Hello(hello),
            ClientMessage::Subscribe(subscribe) => Request::Subscribe(subscribe),
            ClientMessage::Unsubscribe(unsubscribe) => Request::Unsubscribe(unsubscribe),
            ClientMessage::Push(push) => Request::Push(Push::of(push, limits, capabilities)),
            ClientMessage::Ping(ping) => Request::Ping(ping),
            ClientMessage::Digest(digest) => Request::Digest(digest),
            ClientMessage::Present(present) => Request::Present(present),
            ClientMessage::History(history) => Request::History(history.into()),
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
    /// How long ago it was made, in milliseconds.
    pub(crate) age_ms: u64,
    /// What it would do, or what is at fault with it whatever the state.
    pub(crate) ops: Verdict<Vec<Op>>,
}

/// An op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Row(RowOp),
    /// What it would do with a document.
    Document(DocumentOp),
    /// What it says of a table.
    Declare(Box<Declaration>),
    /// What it asks of a sequence.
    Sequence(SequenceOp),
}

/// What an op would do with a row, and on which condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowOp {
    pub(crate) table: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) action: Action,
    pub(crate) if_version: Option<u64>,
    /// The version of the row that its writer saw.
    pub(crate) base: Option<u64>,
    /// The version of the table's schema that its writer knew.
    pub(crate) schema_version: Option<u64>,
}

/// What an op would do with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentOp {
    pub(crate) table: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) ask: DocumentAsk,
    /// The entry's data: a JSON string.
    pub(crate) data: Json,
}

/// What can be asked of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DocumentAsk {
    /// One more entry, by a writer that knew the document at a version.
    Append { base: Option<u64> },
    /// One entry in the place of all up to a version.
    Compact { covers: u64 },
}

/// What an op asks of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SequenceOp {
    pub(crate) sequence: Arc<str>,
    pub(crate) ask: SequenceAsk,
}

/// What can be asked of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SequenceAsk {
    /// So many ids.
    Allocate(u64),
    /// That it goes on above a value.
    Observe(u64),
}

/// What is known here.
struct Known<'a> {
    ops: Vec<&'static str>,
    capabilities: &'a [String],
}

/// The capability that an op needs.
fn capability_of(op: &str) -> Option<&'static str> {
    match op {
        "patch" => Some(FIELDS),
        "allocate" | "observe" => Some(SEQUENCES),
        "declare" => Some(TABLES),
        "append" | "compact" => Some(DOCUMENTS),
        _ => None,
    }
}

/// The names of the ops that are known with these capabilities (PUSH-UNKNOWN-OP, FLD-NOT-OFFERED, SEQN-NOT-OFFERED).
fn ops_known(capabilities: &[String]) -> Vec<&'static str> {
    let offered = |needed: &str| capabilities.iter().any(|name| name == needed);
    let known =
        { syncline_schemas::Op::TAGS.iter() }.filter(|op| capability_of(op).is_none_or(offered));
    known.copied().collect()
}

/// What an op would do with its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Set(Json),
    Delete,
    Patch(Box<Patch>),
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
    fn of(push: syncline_schemas::Push, limits: &Limits, capabilities: &[String]) -> Push {
        let known = Known {
            ops: ops_known(capabilities),
            capabilities,
        };
        let mutations = push.mutations.into_iter().map(|mutation| Mutation {
            seq: mutation.seq,
            op_id: mutation.op_id.into(),
            age_ms: mutation.age_ms.unwrap_or(0),
            ops: read_ops(&mutation.ops, limits, &known),
        });
        Push {
            epoch: push.epoch,
            follows: push.follows,
            mutations: mutations.collect(),
        }
    }
}

/// Reads all ops; the first that is at fault, alone or against an earlier one, gives the code.
fn read_ops(ops: &[Json], limits: &Limits, known: &Known<'_>) -> Verdict<Vec<Op>> {
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
        match read_op(op, limits, known) {
            Ok(op) => read.push(op),
            Err((def, at, message)) => {
                fault = Some((def, format!("/ops/{index}{at}"), message));
                break;
            }
        }
    }
    // The fault stands behind all that was read.
    check_duplicates(&read, limits)?;
    match fault {
        None => Ok(read),
        Some((def, at, message)) => reject(def, Some(at), &message),
    }
}

/// A code, where in the op, and why.
pub(crate) type OpFault = (&'static ErrorDef, String, String);

fn read_op(text: &Json, limits: &Limits, known: &Known<'_>) -> Result<Op, OpFault> {
    use syncline_schemas::Op as Read;
    let op = Read::decode_among(text, &known.ops).map_err(|error| {
        let def = match error {
            OpError::UnknownOp { .. } => &errors::UNKNOWN_OP,
            OpError::Invalid { .. } => &errors::INVALID_OP,
        };
        (def, error.at().to_owned(), error.reason().to_owned())
    })?;
    if let Some((table, key)) = op.row() {
        check_names(table, key, limits)?;
    }
    let (if_version, base, schema_version) = (op.if_version(), op.base(), op.schema_version());
    let (table, key, action) = match op {
        Read::Declare(declare) => {
            let read = declare::read(text, declare, limits, known.capabilities)?;
            return Ok(Op::Declare(Box::new(read)));
        }
        Read::Set(set) => (
            set.table,
            set.key,
            Action::Set(read_value(set.value, limits)?),
        ),
        Read::Delete(delete) => (delete.table, delete.key, Action::Delete),
        Read::Patch(mut patch) => {
            let (table, key) = (
                std::mem::take(&mut patch.table),
                std::mem::take(&mut patch.key),
            );
            (table, key, Action::Patch(Box::new(read_patch(patch)?)))
        }
        Read::Append(append) => {
            let ask = DocumentAsk::Append { base: append.base };
            return document_op((append.table, append.key), ask, &append.data, limits);
        }
        Read::Compact(compact) => {
            let covers = compact.covers;
            let ask = DocumentAsk::Compact { covers };
            return document_op((compact.table, compact.key), ask, &compact.data, limits);
        }
        Read::Allocate(allocate) => {
            check_sequence(&allocate.sequence, limits)?;
            check_count(allocate.count, limits)?;
            let ask = SequenceAsk::Allocate(allocate.count);
            return Ok(sequence_op(allocate.sequence, ask));
        }
        Read::Observe(observe) => {
            check_sequence(&observe.sequence, limits)?;
            let ask = SequenceAsk::Observe(observe.value);
            return Ok(sequence_op(observe.sequence, ask));
        }
    };
    Ok(Op::Row(RowOp {
        table: table.into(),
        key: key.into(),
        action,
        if_version,
        base,
        schema_version,
    }))
}

/// An op on a document, its data checked (DOC-DATA).
fn document_op(
    (table, key): (String, String),
    ask: DocumentAsk,
    data: &str,
    limits: &Limits,
) -> Result<Op, OpFault> {
    let at = || "/data".to_owned();
    if !base64::is_valid(data) {
        let message = "it is not base64 as it has to be written".to_owned();
        return Err((&errors::INVALID_OP, at(), message));
    }
    let (bytes, most) = (data.len() as u64 + 2, limits.value_bytes_max);
    if bytes > most {
        let message = format!("{bytes} bytes, limits.valueBytesMax is {most}");
        return Err((&errors::LIMIT_EXCEEDED, at(), message));
    }
    // As this server writes it: base64 needs no escapes.
    let data = Json::parse(&format!("\"{data}\""));
    let data = data.map_err(|error| (&errors::INVALID_OP, at(), error.to_string()))?;
    let (table, key) = (table.into(), key.into());
    Ok(Op::Document(DocumentOp {
        table,
        key,
        ask,
        data,
    }))
}

fn sequence_op(sequence: String, ask: SequenceAsk) -> Op {
    Op::Sequence(SequenceOp {
        sequence: sequence.into(),
        ask,
    })
}

fn check_names(table: &str, key: &str, limits: &Limits) -> Result<(), OpFault> {
    check_each([
        ("/table", names::check_table(table, limits), "tableBytesMax"),
        ("/key", names::check_key(key, limits), "keyBytesMax"),
    ])
}

/// A sequence is named as a table is (SEQN-NAME).
fn check_sequence(name: &str, limits: &Limits) -> Result<(), OpFault> {
    let checked = names::check_sequence(name, limits);
    check_each([("/sequence", checked, "tableBytesMax")])
}

/// What no server allows comes before what this one finds too long.
pub(crate) fn check_each<const N: usize>(
    faults: [(&str, Result<(), NameFault>, &str); N],
) -> Result<(), OpFault> {
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

fn check_count(count: u64, limits: &Limits) -> Result<(), OpFault> {
    let most = limits.allocate_max.unwrap_or(0);
    if count > most {
        let message = format!("limits.allocateMax is {most}");
        return Err((&errors::LIMIT_EXCEEDED, "/count".to_owned(), message));
    }
    Ok(())
}

/// The value to be set.
fn read_value(value: Json, limits: &Limits) -> Result<Json, OpFault> {
    let text = value.get();
    let (bytes, most) = (text.len() as u64, limits.value_bytes_max);
    if bytes > most {
        let message = format!("{bytes} bytes, limits.valueBytesMax is {most}");
        return Err((&errors::LIMIT_EXCEEDED, "/value".to_owned(), message));
    }
    Ok(one_line(value))
}

/// The value on one line: a log may keep a record a line. Line breaks stand only between a value's tokens.
pub(crate) fn one_line(value: Json) -> Json {
    let text = value.get();
    if !text.bytes().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return value;
    }
    let one_line = Json::parse(&text.replace(['\n', '\r'], " "));
    one_line.unwrap_or(value)
}

/// A patch that names some field, and none twice (FLD-INVALID).
fn read_patch(mut patch: Patch) -> Result<Patch, OpFault> {
    let fields = patch.fields.take().unwrap_or_default();
    let remove = patch.remove.as_deref().unwrap_or_default();
    if fields.is_empty() && remove.is_empty() {
        let message = "a patch needs a field to set or to remove".to_owned();
        return Err((&errors::INVALID_OP, String::new(), message));
    }
    let mut named: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
    if let Some(index) = remove.iter().position(|name| !named.insert(name)) {
        let message = "the patch names this field before".to_owned();
        return Err((&errors::INVALID_OP, format!("/remove/{index}"), message));
    }
    let one_line = |(name, value): (String, Json)| (name, one_line(value));
    patch.fields = Some(fields.into_iter().map(one_line).collect());
    Ok(patch)
}

/// What an op may not be for the ops before it: no row and no sequence twice, not too many sequences.
fn check_duplicates(ops: &[Op], limits: &Limits) -> Verdict<()> {
    if ops.len() < 2 {
        return Ok(());
    }
    let mut rows = HashSet::with_capacity(ops.len());
    let (mut sequences, mut declared) = (HashSet::new(), HashSet::new());
    for (index, op) in ops.iter().enumerate() {
        let at = || Some(format!("/ops/{index}"));
        match op {
            Op::Row(RowOp { table, key, .. }) | Op::Document(DocumentOp { table, key, .. }) => {
                if !rows.insert((table, key)) {
                    let message = "an earlier op names the same row";
                    return reject(&errors::DUPLICATE_ROW, at(), message);
                }
            }
            Op::Declare(op) => {
                if !declared.insert(&op.table) {
                    let message = "an earlier op declares the same table";
                    return reject(&errors::DUPLICATE_TABLE, at(), message);
                }
            }
            Op::Sequence(op) => {
                if !sequences.insert(&op.sequence) {
                    let message = "an earlier op names the same sequence";
                    return reject(&errors::DUPLICATE_SEQUENCE, at(), message);
                }
                let most = limits.mutation_sequences_max.unwrap_or(0);
                if sequences.len() as u64 > most {
                    let message = format!("limits.mutationSequencesMax is {most}");
                    return reject(&errors::LIMIT_EXCEEDED, at(), &message);
                }
            }
        }
    }
    Ok(())
}
