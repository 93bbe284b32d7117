//! What the log holds: one [`Record`] for each position that something was decided at.
//!
//! A record carries *effects*, not intentions: whoever replays it decides nothing again, so that a node, a restart and a
//! newer version of this crate all come to the same state. Rejections and truncations are records
//! too: what a client was told, and which deletes are still known, must be the same on every node.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use syncline_schemas::{Applied, Json, OpResult, Outcome, Rejected};

use crate::conflicts::Trail;
use crate::json;
use crate::state::{row_bytes, siblings};
use crate::tables::Settings;

/// One position of the log. As JSON it has no line break, so that a file may hold one a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The position, 1 or more, greater than that of the record before (MODEL-VERSION).
    pub version: u64,
    /// When it was decided, in milliseconds since 1970. Never before the moment of the record before it.
    pub at_ms: u64,
    /// What happened.
    pub event: Event,
}

/// What happened at a position of the log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// A mutation was decided.
    Outcome(Decided),
    /// Deletes and clients were forgotten.
    Truncated(Truncated),
}

/// A mutation's outcome, and all that it did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// Whose mutation it was.
    pub client: Arc<str>,
    /// Its number within the client.
    pub seq: u64,
    /// Its name within the client.
    pub op_id: Arc<str>,
    /// Applied or rejected, once and for ever.
    pub decision: Decision,
}

/// The two outcomes of a mutation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// All ops took effect.
    Applied {
        /// The rows that changed, in the order of the ops.
        effects: Vec<Effect>,
        /// The tables that the mutation names without changing them (OP-DELETE-ABSENT): the author's shapes of them must
        /// pass the version all the same (UPD-LEVEL), on whichever node the author is.
        #[serde(default)]
        untouched: Vec<Arc<str>>,
        /// The sequences that the mutation names, in the order of the ops.
        #[serde(default)]
        raises: Vec<Raise>,
        /// The tables of which settings were declared.
        #[serde(default)]
        declares: Vec<Declared>,
        /// What its client is told of single ops, now and at each retry.
        #[serde(default)]
        told: Vec<OpResult>,
    },
    /// Nothing took effect.
    Rejected(Rejection),
}

/// Why a mutation was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// A code of the registry whose carrier is `rejected`.
    pub code: Arc<str>,
    /// For people: what was wrong.
    pub message: String,
    /// JSON Pointer, within the mutation, to the fault (PUSH-REJECT-AT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// How a mutation left one row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// The row's table.
    pub table: Arc<str>,
    /// The row's key.
    pub key: Arc<str>,
    /// The new value; `None`: the row is gone. (A value `null` is a value.)
    #[serde(default, deserialize_with = "present")]
    pub value: Option<Json>,
    /// What is kept of the row beside its value, where the table's strategy asks for it.
    #[serde(default)]
    pub trail: Option<Arc<Trail>>,
    /// What happened, if it is a document and no row.
    #[serde(default)]
    pub document: Option<DocumentEffect>,
}

/// How a mutation left a document: `value` is then the data of the entry that it has put, none if it was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DocumentEffect {
    /// One more entry.
    Append,
    /// One entry in the place of others.
    Compact {
        /// Of those up to this version.
        covers: u64,
    },
    /// All entries are gone.
    Delete,
}

impl Effect {
    fn row_bytes(&self) -> u64 {
        row_bytes(&self.key, self.value.as_ref(), siblings(&self.trail))
    }

    fn write(&self, text: &mut String) {
        text.push_str(r#"{"table":"#);
        json::string(text, &self.table);
        text.push_str(r#","key":"#);
        json::string(text, &self.key);
        if let Some(value) = &self.value {
            text.push_str(r#","value":"#);
            text.push_str(value.get());
        }
        if let Some(trail) = &self.trail {
            text.push_str(r#","trail":"#);
            json::other(text, trail);
        }
        if let Some(document) = &self.document {
            text.push_str(r#","document":"#);
            json::other(text, document);
        }
        text.push('}');
    }
}

/// What a table's settings are, once a mutation has declared some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// The table's name.
    pub table: Arc<str>,
    /// All its settings.
    pub settings: Settings,
}

/// How a mutation left one sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raise {
    /// The sequence's name.
    pub sequence: Arc<str>,
    /// Its next id, never less than before.
    pub next: u64,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Truncated {
    /// Deletes up to this version are forgotten: an older cursor gets a replacement (SUB-CURSOR-TRUNCATED).
    pub to: u64,
    /// Clients whose last mutation was decided before this moment are forgotten.
    pub clients_idle_before_ms: u64,
}

impl Record {
    /// Bytes of the rows that it leaves: keys, values, siblings.
    pub(crate) fn row_bytes(&self) -> u64 {
        let Event::Outcome(decided) = &self.event else {
            return 0;
        };
        let Decision::Applied { effects, .. } = &decided.decision else {
            return 0;
        };
        { effects.iter() }.map(Effect::row_bytes).sum()
    }

    /// Writes the record as JSON, without a line break.
    pub fn write(&self, text: &mut String) {
        text.push_str(r#"{"version":"#);
        json::integer(text, self.version);
        text.push_str(r#","atMs":"#);
        json::integer(text, self.at_ms);
        match &self.event {
            Event::Outcome(decided) => {
                text.push_str(r#","event":{"outcome":"#);
                decided.write(text);
            }
            Event::Truncated(truncated) => {
                text.push_str(r#","event":{"truncated":"#);
                json::other(text, truncated);
            }
        }
        text.push_str("}}");
    }
}

impl Decided {
    fn write(&self, text: &mut String) {
        text.push_str(r#"{"client":"#);
        json::string(text, &self.client);
        text.push_str(r#","seq":"#);
        json::integer(text, self.seq);
        text.push_str(r#","opId":"#);
        json::string(text, &self.op_id);
        match &self.decision {
            Decision::Applied {
                effects,
                untouched,
                raises,
                declares,
                told,
            } => {
                text.push_str(r#","decision":{"applied":{"effects":["#);
                json::list(text, effects, |text, effect| effect.write(text));
                text.push(']');
                if !untouched.is_empty() {
                    text.push_str(r#","untouched":"#);
                    json::other(text, untouched);
                }
                if !raises.is_empty() {
                    text.push_str(r#","raises":"#);
                    json::other(text, raises);
                }
                if !declares.is_empty() {
                    text.push_str(r#","declares":"#);
                    json::other(text, declares);
                }
                if !told.is_empty() {
                    text.push_str(r#","told":"#);
                    json::other(text, told);
                }
                text.push('}');
            }
            Decision::Rejected(rejection) => {
                text.push_str(r#","decision":{"rejected":"#);
                json::other(text, rejection);
            }
        }
        text.push_str("}}");
    }

    /// The outcome as clients are told it, at this position.
    #[must_use]
    pub fn outcome(&self, version: u64) -> Outcome {
        match &self.decision {
            Decision::Applied { told, .. } => applied(self.seq, &self.op_id, version, told),
            Decision::Rejected(rejection) => rejected(self.seq, &self.op_id, version, rejection),
        }
    }
}

pub(crate) fn applied(seq: u64, op_id: &str, version: u64, told: &[OpResult]) -> Outcome {
    Outcome::Applied(Applied {
        seq,
        op_id: op_id.to_owned(),
        version,
        ops: (!told.is_empty()).then(|| told.to_vec()),
    })
}

pub(crate) fn rejected(seq: u64, op_id: &str, version: u64, rejection: &Rejection) -> Outcome {
    Outcome::Rejected(Rejected {
        seq,
        op_id: op_id.to_owned(),
        version,
        code: rejection.code.to_string(),
        message: Some(rejection.message.clone()),
        at: rejection.at.clone(),
        row: None,
    })
}

/// Reads a value that is there: `null` is then a value, not its absence.
pub(crate) fn present<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(source).map(Some)
}
