//! What a superseded op is told of the row that stands (CFL-SUPERSEDED): whatever is told must be true, and an answer to a first push has room for it up
//! to half a frame.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::facts::{Facts, Fate, Mutation, Outcome, says_what_stands};
use crate::history::whole;
use crate::matcher::equal;

use super::super::Findings;

/// How many bytes each answer would be larger, had it left nothing out; none, if nobody can say.
#[derive(Debug, Default)]
pub(super) struct LeftOut(BTreeMap<usize, Option<usize>>);

impl LeftOut {
    /// Counts what the answer to a mutation does not show.
    pub(super) fn count(&mut self, outcome: &Outcome, fate: &Fate<'_>) {
        let more = match (&fate.stands, says_what_stands(entry(outcome, fate))) {
            (_, true) => Some(0),
            (Some(stands), false) => {
                { stands.value.as_ref() }.map_or(Some(0), |value| Some(value.to_string().len()))
            }
            (None, false) => None,
        };
        let sum = self.0.entry(outcome.at).or_insert(Some(0));
        *sum = sum.zip(more).map(|(sum, more)| sum + more);
    }

    /// Nobody can say what the answer with this outcome leaves out.
    pub(super) fn unknown(&mut self, outcome: &Outcome) {
        self.0.insert(outcome.at, None);
    }

    /// Whether the answer would surely have had room for all.
    fn has_room(&self, facts: &Facts, outcome: &Outcome) -> bool {
        let most = facts.limit(outcome.conn, "frameBytesMax");
        let frame = facts.frame(outcome.at);
        let left_out = self.0.get(&outcome.at).copied().flatten();
        match (most, frame, left_out) {
            (Some(most), Some(frame), Some(left_out)) => {
                let others = { frame.member("results") }.and_then(Value::as_array);
                let unsaid = |result: &Value| {
                    result["code"] == "version_conflict" && result.get("row").is_none()
                };
                let rows = others.into_iter().flatten().any(unsaid);
                !rows && (frame.to_string().len() + left_out) as u64 <= most / 2
            }
            _ => false,
        }
    }
}

/// What this answer tells of the op.
fn entry<'a>(outcome: &'a Outcome, fate: &Fate<'_>) -> &'a Value {
    let told = outcome.told.as_ref().and_then(Value::as_array);
    let mut told = told.into_iter().flatten();
    told.find(|told| told.get("at").and_then(whole) == Some(fate.at))
        .unwrap_or(&Value::Null)
}

/// Judges what is told of what stands.
pub(super) fn judge(
    facts: &Facts,
    mutation: &Mutation,
    outcome: &Outcome,
    fate: &Fate<'_>,
    left_out: &LeftOut,
    findings: &mut Findings,
) {
    let Some((stands, told)) = fate.stands.as_ref().zip(fate.told) else {
        return;
    };
    let value = match (told.get("value"), stands.value.as_ref()) {
        (Some(told), Some(value)) => equal(told, value),
        (Some(_), None) => false,
        (None, Some(_)) => told["gone"] != true,
        (None, None) => true,
    };
    let version = told.get("version").and_then(whole);
    let holds = value && version.is_none_or(|version| version == stands.version);
    let label = || format!("op {} of {}", fate.at, mutation.label());
    let expected = || {
        let what = { stands.value.as_ref() }.map_or("no row".to_owned(), Value::to_string);
        format!(
            "{} is told what stands: {what}, of version {}",
            label(),
            stands.version
        )
    };
    findings.must("CFL-SUPERSEDED", holds, [outcome.at], expected, || {
        told.to_string()
    });
    if is_first_answer(facts, mutation, outcome) && left_out.has_room(facts, outcome) {
        let told = entry(outcome, fate);
        let said = says_what_stands(told) && told.get("version").is_some();
        findings.must("CFL-SUPERSEDED", said, [outcome.at], expected, || {
            told.to_string()
        });
    }
}

/// Whether it answers the only push that the mutation was in.
fn is_first_answer(facts: &Facts, mutation: &Mutation, outcome: &Outcome) -> bool {
    let before = { mutation.sends.iter() }.filter(|send| send.at < outcome.at);
    let answers = { facts.frame(outcome.at) }
        .is_some_and(|frame| frame.kind() == "ack" && frame.member("re").is_some());
    answers && before.count() == 1
}
