//! What mutations ask of sequences, and what they are told.

use serde_json::Value;

use crate::history::whole;

/// What an op asks of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// So many ids.
    Allocate(u64),
    /// That the sequence goes on above this value.
    Observe(u64),
}

/// Ids that an op was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Which op of the mutation.
    pub at: u64,
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// The sequence that an op names, and what it asks of it.
#[must_use]
pub fn ask_of(op: &Value) -> Option<(&str, Ask)> {
    let number = |member: &str| op.get(member).and_then(whole);
    let ask = match op.get("op")?.as_str()? {
        "allocate" => Ask::Allocate(number("count")?),
        "observe" => Ask::Observe(number("value")?),
        _ => return None,
    };
    Some((op.get("sequence")?.as_str()?, ask))
}

/// The ids that a result tells of; others tell of other things.
pub fn given(told: Option<&Value>) -> impl Iterator<Item = Given> {
    let told = told.and_then(Value::as_array).into_iter().flatten();
    let allocated = told.filter(|told| told.get("result").is_some_and(|what| what == "allocated"));
    allocated.map(|told| {
        let number = |member: &str| told.get(member).and_then(whole).unwrap_or(0);
        Given {
            at: number("at"),
            first: number("first"),
            count: number("count"),
        }
    })
}
