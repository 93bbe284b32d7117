//! What a mutation must keep to before it is taken into the outbox (`LIMIT-KEPT`).
//!
//! A mutation that no server would decide, or that fits into no frame, would block the outbox for ever, or come back rejected after the
//! app has built upon it. So it is refused at the write, by the limits announced last; a replica that never
//! met its server goes by the least that every server must allow.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use serde_json::Value;
use syncline_schemas::errors::{self, ErrorDef};
use syncline_schemas::{History, Json, Limits, Op, Patch, base64, files};

/// The most bytes of a push beside its mutations: names of 64 characters, numbers of 16 digits.
pub(crate) const PUSH_ENVELOPE_BYTES: u64 = 192;

/// The most bytes of a mutation beside its ops.
const MUTATION_ENVELOPE_BYTES: u64 = 144;

/// The nesting of an op's value within a push: frame, mutations, mutation, ops, op.
const VALUE_DEPTH: u64 = 5;

/// Why a mutation was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code that a server would reject it with.
    pub code: &'static str,
    /// JSON Pointer, within the mutation, to what is wrong.
    pub at: String,
    /// For people: what is wrong.
    pub reason: String,
}

impl Refusal {
    pub(crate) fn new(def: &ErrorDef, at: impl Into<String>, reason: impl Into<String>) -> Refusal {
        Refusal {
            code: def.code,
            at: at.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} (at {:?})", self.code, self.reason, self.at)
    }
}

impl std::error::Error for Refusal {}

/// The least that every server allows: each `minimum` of the schema.
#[must_use]
pub fn least_limits() -> &'static Limits {
    static LEAST: LazyLock<Limits> = LazyLock::new(|| {
        let file = files::SCHEMAS
            .iter()
            .find(|file| file.path == "limits.json");
        let text = file.expect("the schemas have limits.json").text;
        let schema: Value = serde_json::from_str(text).expect("a schema is JSON");
        let properties = schema["properties"]
            .as_object()
            .expect("limits are an object")
            .iter();
        let least: Value = properties
            .map(|(name, limit)| (name.clone(), limit["minimum"].clone()))
            .collect();
        serde_json::from_value(least).expect("the minimum of a limit is within its range")
    });
    &LEAST
}

/// Whether a server with these limits may be sent these ops.
pub(crate) fn check(ops: &[Op], limits: &Limits) -> Result<(), Refusal> {
    if ops.is_empty() {
        return Err(Refusal::new(
            &errors::NO_OPS,
            "/ops",
            "a mutation needs an op",
        ));
    }
    at_most("ops", ops.len(), limits.mutation_ops_max, "/ops".to_owned())?;
    let mut rows = BTreeSet::new();
    let mut sequences = BTreeSet::new();
    for (index, op) in ops.iter().enumerate() {
        check_op(op, limits, index)?;
        let at = format!("/ops/{index}");
        if let Some((table, key)) = op.row()
            && !rows.insert((table, key))
        {
            let reason = format!("an earlier op names the row {key:?} of {table:?} too");
            return Err(Refusal::new(&errors::DUPLICATE_ROW, at, reason));
        }
        if let Some(name) = op.sequence() {
            if !sequences.insert(name) {
                let reason = format!("an earlier op names the sequence {name:?} too");
                return Err(Refusal::new(&errors::DUPLICATE_SEQUENCE, at, reason));
            }
            let most = limits.mutation_sequences_max.unwrap_or(u64::MAX);
            at_most("ops that name a sequence", sequences.len(), most, at)?;
        }
    }
    let bytes = PUSH_ENVELOPE_BYTES + mutation_bytes(ops.iter().map(|op| encode_op(op).len()));
    at_most(
        "bytes of a frame",
        bytes as usize,
        limits.frame_bytes_max,
        "/ops".to_owned(),
    )
}

fn check_op(op: &Op, limits: &Limits, index: usize) -> Result<(), Refusal> {
    match op {
        Op::Set(op) => {
            check_row(&op.table, &op.key, limits, index)?;
            let at = format!("/ops/{index}/value");
            check_value(op.value.get(), VALUE_DEPTH, limits, &at)
        }
        Op::Patch(patch) => {
            check_row(&patch.table, &patch.key, limits, index)?;
            check_patch(patch, limits, index)
        }
        Op::Delete(op) => check_row(&op.table, &op.key, limits, index),
        Op::Allocate(op) => {
            check_sequence(&op.sequence, limits, &format!("/ops/{index}/sequence"))?;
            let (most, at) = (
                limits.allocate_max.unwrap_or(ID_MAX),
                format!("/ops/{index}/count"),
            );
            check_number("ids of a block", op.count, most, at)
        }
        Op::Observe(op) => {
            check_sequence(&op.sequence, limits, &format!("/ops/{index}/sequence"))?;
            check_number("as an id", op.value, ID_MAX, format!("/ops/{index}/value"))
        }
        Op::Append(op) => {
            check_row(&op.table, &op.key, limits, index)?;
            check_data(&op.data, limits, index)
        }
        Op::Compact(op) => {
            check_row(&op.table, &op.key, limits, index)?;
            check_data(&op.data, limits, index)
        }
        Op::Declare(_) => Ok(()),
    }
}

fn check_row(table: &str, key: &str, limits: &Limits, index: usize) -> Result<(), Refusal> {
    check_table(table, limits, &format!("/ops/{index}/table"))?;
    check_key(key, limits, format!("/ops/{index}/key"))
}

fn check_key(key: &str, limits: &Limits, at: String) -> Result<(), Refusal> {
    if key.contains('\0') {
        return Err(Refusal::new(&errors::INVALID_OP, at, "a key has no U+0000"));
    }
    at_most("bytes of a key", key.len(), limits.key_bytes_max, at)
}

/// Whether the data of a document's entry passes (`DOC-DATA`).
fn check_data(data: &str, limits: &Limits, index: usize) -> Result<(), Refusal> {
    let at = format!("/ops/{index}/data");
    if !base64::is_valid(data) {
        let reason = "it is not base64 as it has to be written";
        return Err(Refusal::new(&errors::INVALID_OP, at, reason));
    }
    at_most("bytes of data", data.len() + 2, limits.value_bytes_max, at)
}

/// Whether a value passes, of which the nesting begins below so many levels of its push.
fn check_value(text: &str, depth: u64, limits: &Limits, at: &str) -> Result<(), Refusal> {
    let (bytes, levels) = (text.len(), (depth_of(text) + depth) as usize);
    at_most(
        "bytes of a value",
        bytes,
        limits.value_bytes_max,
        at.to_owned(),
    )?;
    at_most("levels of nesting", levels, limits.depth_max, at.to_owned())
}

/// Whether a patch names fields, each once (`FLD-INVALID`), and could leave a value that passes: what it sets is part of that.
fn check_patch(patch: &Patch, limits: &Limits, index: usize) -> Result<(), Refusal> {
    let mut named = BTreeSet::new();
    for (name, value) in patch.fields.iter().flatten() {
        named.insert(name);
        let at = format!(
            "/ops/{index}/fields/{}",
            name.replace('~', "~0").replace('/', "~1")
        );
        check_value(value.get(), VALUE_DEPTH + 1, limits, &at)?;
    }
    for (place, name) in patch.remove.iter().flatten().enumerate() {
        if !named.insert(name) {
            let at = format!("/ops/{index}/remove/{place}");
            let reason = "the patch names this field before";
            return Err(Refusal::new(&errors::INVALID_OP, at, reason));
        }
    }
    if named.is_empty() {
        let reason = "a patch needs a field to set or to remove";
        return Err(Refusal::new(
            &errors::INVALID_OP,
            format!("/ops/{index}"),
            reason,
        ));
    }
    let least = patch.applied_to(None).map_or(0, |value| value.get().len());
    at_most(
        "bytes of a value",
        least,
        limits.value_bytes_max,
        format!("/ops/{index}"),
    )
}

/// Whether a server with these limits may be presented this state, in an object of its own.
pub(crate) fn check_state(state: &Json, limits: &Limits) -> Result<(), Refusal> {
    let least = || least_limits().presence_bytes_max;
    let bytes_max = limits.presence_bytes_max.or_else(least).unwrap_or(0);
    let refuse = |reason| Err(Refusal::new(&errors::INVALID_MESSAGE, "/state", reason));
    let (bytes, depth) = (state.get().len() as u64, depth_of(state.get()) + 1);
    if bytes > bytes_max {
        return refuse(format!(
            "{bytes} bytes of a state; the limit is {bytes_max}"
        ));
    }
    if depth > limits.depth_max {
        let most = limits.depth_max;
        return refuse(format!("{depth} levels of nesting; the limit is {most}"));
    }
    Ok(())
}

/// Whether a server with these limits may be asked this.
pub(crate) fn check_history(history: &History, limits: &Limits) -> Result<(), Refusal> {
    check_table(&history.table, limits, "/table")?;
    if let Some(key) = &history.key {
        check_key(key, limits, "/key".to_owned())?;
    }
    let least = || least_limits().history_page_max;
    let most = limits.history_page_max.or_else(least).unwrap_or(0);
    let limit = history.limit.unwrap_or(1);
    check_number("changes of a page", limit, most, "/limit".to_owned())
}

/// The greatest id of a sequence.
pub(crate) const ID_MAX: u64 = (1 << 53) - 1;

/// Whether a sequence may be named so, and used in blocks of this size. (That a server allows less at once is no fault.)
pub(crate) fn check_block(name: &str, size: u64, limits: &Limits) -> Result<(), Refusal> {
    check_sequence(name, limits, "/sequence")?;
    check_number("ids of a block", size, ID_MAX, "/count".to_owned())
}

/// Whether a sequence may be named so: as a table may (`SEQN-NAME`).
fn check_sequence(name: &str, limits: &Limits, at: &str) -> Result<(), Refusal> {
    check_table(name, limits, at)
}

/// Whether a number is from 1 to this.
fn check_number(what: &str, number: u64, most: u64, at: String) -> Result<(), Refusal> {
    if number == 0 || number > ID_MAX {
        let reason = format!("{number} {what}: it is from 1 to {ID_MAX}");
        return Err(Refusal::new(&errors::INVALID_OP, at, reason));
    }
    at_most(what, number as usize, most, at)
}

/// Whether a table may be named so (`MODEL-TABLE-NAME`).
pub(crate) fn check_table(table: &str, limits: &Limits, at: &str) -> Result<(), Refusal> {
    let forbidden = |c: char| c <= '\u{1f}' || c == '\u{7f}';
    if table.is_empty() || table.contains(forbidden) {
        return Err(Refusal::new(
            &errors::INVALID_OP,
            at,
            "a name is not empty and has no control characters",
        ));
    }
    at_most(
        "bytes of a name",
        table.len(),
        limits.table_bytes_max,
        at.to_owned(),
    )
}

/// Whether a shape may have these tables, beside `others` shapes.
pub(crate) fn check_shape(
    tables: &BTreeSet<String>,
    others: usize,
    limits: &Limits,
) -> Result<(), Refusal> {
    if tables.is_empty() {
        return Err(Refusal::new(
            &errors::INVALID_SHAPE,
            "/tables",
            "a shape has a table",
        ));
    }
    if tables.len() as u64 > limits.shape_tables_max {
        let reason = format!(
            "{} tables; the limit is {}",
            tables.len(),
            limits.shape_tables_max
        );
        return Err(Refusal::new(&errors::INVALID_SHAPE, "/tables", reason));
    }
    if others as u64 >= limits.shapes_max {
        let reason = format!("there are {others} shapes, which is the limit");
        return Err(Refusal::new(&errors::TOO_MANY_SHAPES, "/tables", reason));
    }
    tables
        .iter()
        .try_for_each(|table| check_table(table, limits, "/tables"))
}

/// An upper bound of the bytes of a mutation within a push.
pub(crate) fn mutation_bytes(ops_bytes: impl Iterator<Item = usize>) -> u64 {
    MUTATION_ENVELOPE_BYTES + ops_bytes.map(|bytes| bytes as u64 + 1).sum::<u64>()
}

/// An op as it stands in a push.
pub(crate) fn encode_op(op: &Op) -> String {
    serde_json::to_string(op).expect("an op has only members that JSON can say")
}

fn at_most(what: &str, have: usize, limit: u64, at: String) -> Result<(), Refusal> {
    if have as u64 <= limit {
        return Ok(());
    }
    Err(Refusal::new(
        &errors::LIMIT_EXCEEDED,
        at,
        format!("{have} {what}; the limit is {limit}"),
    ))
}

/// How deep the arrays and objects of a JSON text nest.
pub(crate) fn depth_of(text: &str) -> u64 {
    let (mut depth, mut deepest) = (0_u64, 0);
    let mut bytes = text.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => drop(bytes.next()),
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use syncline_schemas::{DeleteOp, Json, SetOp};

    fn set(table: &str, key: &str, value: &str) -> Op {
        let value = Json::parse(value).unwrap();
        Op::Set(SetOp::new(table, key, value))
    }

    fn delete(table: &str, key: &str) -> Op {
        Op::Delete(DeleteOp::new(table, key))
    }

    #[track_caller]
    fn refused(ops: &[Op], code: &str, at: &str) {
        let refusal = check(ops, least_limits()).unwrap_err();
        assert_eq!((refusal.code, refusal.at.as_str()), (code, at), "{refusal}");
    }

    fn taken(ops: &[Op]) {
        check(ops, least_limits()).unwrap();
    }

    #[test]
    fn what_cannot_pass_is_refused_and_what_is_at_the_limit_is_not() {
        let limits = least_limits();
        let text = |bytes: u64| format!("\"{}\"", "x".repeat(bytes as usize - 2));
        let nested = |depth: u64| {
            format!(
                "{}{}",
                "[".repeat(depth as usize),
                "]".repeat(depth as usize)
            )
        };
        let many = |count: u64| {
            (0..count)
                .map(|i| delete("t", &i.to_string()))
                .collect::<Vec<_>>()
        };

        refused(&[], "no_ops", "/ops");
        taken(&many(limits.mutation_ops_max));
        refused(&many(limits.mutation_ops_max + 1), "limit_exceeded", "/ops");
        taken(&[set("t", "k", &text(limits.value_bytes_max))]);
        refused(
            &[set("t", "k", &text(limits.value_bytes_max + 1))],
            "limit_exceeded",
            "/ops/0/value",
        );
        taken(&[set("t", "k", &nested(limits.depth_max - 5))]);
        refused(
            &[set("t", "k", &nested(limits.depth_max - 4))],
            "limit_exceeded",
            "/ops/0/value",
        );
        taken(&[
            set("t", "", "1"),
            delete("t", &"é".repeat(limits.key_bytes_max as usize / 2)),
        ]);
        refused(
            &[set(
                "t",
                &"x".repeat(limits.key_bytes_max as usize + 1),
                "1",
            )],
            "limit_exceeded",
            "/ops/0/key",
        );
        refused(&[set("t", "a\0b", "1")], "invalid_op", "/ops/0/key");
        refused(&[set("", "k", "1")], "invalid_op", "/ops/0/table");
        refused(
            &[delete("t", "k"), set("a\nb", "k", "1")],
            "invalid_op",
            "/ops/1/table",
        );
        refused(
            &[delete("t", "k"), delete("u", "k"), set("t", "k", "1")],
            "duplicate_row",
            "/ops/2",
        );
    }

    fn patch(fields: &str, remove: &[&str]) -> Op {
        Op::Patch(Patch {
            fields: Some(serde_json::from_str(fields).unwrap()),
            remove: Some(remove.iter().map(ToString::to_string).collect()),
            ..Patch::new("t", "k")
        })
    }

    #[test]
    fn patches_are_held_to_what_they_could_leave() {
        let limits = least_limits();
        let field = |bytes: u64| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes as usize - 8));
        let nested = |depth: u64| {
            let depth = depth as usize;
            format!(r#"{{"a/b":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
        };
        taken(&[patch(r#"{"a":1}"#, &["b"])]);
        taken(&[patch("{}", &["b"])]);
        taken(&[patch(&field(limits.value_bytes_max), &[])]);
        taken(&[patch(&nested(limits.depth_max - 6), &[])]);
        let refused = |op: Op, code: &str, at: &str| refused(&[op], code, at);
        refused(patch("{}", &[]), "invalid_op", "/ops/0");
        refused(
            patch(r#"{"a":1}"#, &["b", "a"]),
            "invalid_op",
            "/ops/0/remove/1",
        );
        refused(patch("{}", &["a", "a"]), "invalid_op", "/ops/0/remove/1");
        refused(
            patch(&field(limits.value_bytes_max + 1), &[]),
            "limit_exceeded",
            "/ops/0",
        );
        refused(
            patch(&nested(limits.depth_max - 5), &[]),
            "limit_exceeded",
            "/ops/0/fields/a~1b",
        );
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(depth_of(r#"{"a[[":["\"[\\",{}]}"#), 3);
        assert_eq!(depth_of("1"), 0);
    }
}
