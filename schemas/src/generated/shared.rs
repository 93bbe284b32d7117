//! What several messages share: `common.json`.
//!
//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.

use super::patterns;
use crate::Json;
use crate::forms::{Any, Integer, List, Matching, Object, Text, Words, optional, required};
use crate::tagged::{self, Tagged};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess};
use serde::{Deserialize, Serialize};

/// How far a replica has followed a workspace: everything up to `version` of the history `epoch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// The history that `version` belongs to.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub epoch: String,
    /// A position in the workspace's log of outcomes; 0 is the position before the first.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
}

/// What became of one op of an applied mutation, where there is something to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum OpResult {
    /// The `allocate` was given these ids.
    Allocated(Allocated),
    /// The op changed nothing: what is there stands.
    Superseded(Superseded),
    /// Fields of the op changed nothing, others may have: what is there of them stands.
    #[serde(rename = "superseded_in_fields")]
    SupersededInFields(SupersededInFields),
    /// The resolver made another value than the one written.
    Resolved(Resolved),
}

impl OpResult {
    /// The values of `result`, in the schema's order.
    pub const TAGS: &'static [&'static str] = &[
        "allocated",
        "superseded",
        "superseded_in_fields",
        "resolved",
    ];
}

impl<'de> Tagged<'de> for OpResult {
    const TAG: &'static str = "result";

    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {
        let members = MapAccessDeserializer::new(members);
        match tag {
            "allocated" => Allocated::deserialize(members).map(Self::Allocated),
            "superseded" => Superseded::deserialize(members).map(Self::Superseded),
            "superseded_in_fields" => {
                SupersededInFields::deserialize(members).map(Self::SupersededInFields)
            }
            "resolved" => Resolved::deserialize(members).map(Self::Resolved),
            other => Err(A::Error::unknown_variant(other, Self::TAGS)),
        }
    }
}

impl<'de> Deserialize<'de> for OpResult {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        tagged::read(source)
    }
}

impl From<Allocated> for OpResult {
    fn from(arm: Allocated) -> Self {
        Self::Allocated(arm)
    }
}

impl From<Superseded> for OpResult {
    fn from(arm: Superseded) -> Self {
        Self::Superseded(arm)
    }
}

impl From<SupersededInFields> for OpResult {
    fn from(arm: SupersededInFields) -> Self {
        Self::SupersededInFields(arm)
    }
}

impl From<Resolved> for OpResult {
    fn from(arm: Resolved) -> Self {
        Self::Resolved(arm)
    }
}

impl OpResult {
    /// The arm's `result`.
    #[must_use]
    pub fn result(&self) -> &'static str {
        match self {
            Self::Allocated(_) => "allocated",
            Self::Superseded(_) => "superseded",
            Self::SupersededInFields(_) => "superseded_in_fields",
            Self::Resolved(_) => "resolved",
        }
    }

    /// Which op of the mutation, the first counted as 0.
    #[must_use]
    pub fn at(&self) -> u64 {
        match self {
            Self::Allocated(arm) => arm.at,
            Self::Superseded(arm) => arm.at,
            Self::SupersededInFields(arm) => arm.at,
            Self::Resolved(arm) => arm.at,
        }
    }
}

/// The `allocate` was given these ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allocated {
    /// Which op of the mutation, the first counted as 0.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub at: u64,
    /// The first of the ids.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub first: u64,
    /// How many ids, one after the other: as many as were asked for.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub count: u64,
}

/// The op changed nothing: what is there stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Superseded {
    /// Which op of the mutation, the first counted as 0.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub at: u64,
    /// The version of the row that stands, or of its delete, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub version: Option<u64>,
    /// The value that stands. Neither this nor `gone`: it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Any, _>")]
    pub value: Option<Json>,
    /// true: no row stands. Absent or false: one does, or it is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// Fields of the op changed nothing, others may have: what is there of them stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupersededInFields {
    /// Which op of the mutation, the first counted as 0.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub at: u64,
    /// In how many fields.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub count: u64,
    /// Which fields, in the order of their names; some or all may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<List<Object<FieldConflict>, 1>, _>")]
    pub conflicts: Option<Vec<FieldConflict>>,
}

/// The resolver made another value than the one written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// Which op of the mutation, the first counted as 0.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub at: u64,
    /// The value that stands. Neither this nor `gone`: it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Any, _>")]
    pub value: Option<Json>,
    /// true: no row stands. Absent or false: one does, or it is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// A field in which an op was superseded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldConflict {
    /// The field's name.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub field: String,
    /// The version of its last change; where it is gone, of the last removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub version: Option<u64>,
    /// The value that stands. Neither this nor `gone`: it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Any, _>")]
    pub value: Option<Json>,
    /// true: the row has no such field. Absent or false: it has one, or it is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// What was decided of a mutation, once and for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub enum Outcome {
    /// All ops of the mutation took effect, at this version.
    Applied(Applied),
    /// Nothing of the mutation took effect. It took a version all the same and is never decided again.
    Rejected(Rejected),
}

impl Outcome {
    /// The values of `status`, in the schema's order.
    pub const TAGS: &'static [&'static str] = &["applied", "rejected"];
}

impl<'de> Tagged<'de> for Outcome {
    const TAG: &'static str = "status";

    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {
        let members = MapAccessDeserializer::new(members);
        match tag {
            "applied" => Applied::deserialize(members).map(Self::Applied),
            "rejected" => Rejected::deserialize(members).map(Self::Rejected),
            other => Err(A::Error::unknown_variant(other, Self::TAGS)),
        }
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        tagged::read(source)
    }
}

impl From<Applied> for Outcome {
    fn from(arm: Applied) -> Self {
        Self::Applied(arm)
    }
}

impl From<Rejected> for Outcome {
    fn from(arm: Rejected) -> Self {
        Self::Rejected(arm)
    }
}

impl Outcome {
    /// The arm's `status`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Applied(_) => "applied",
            Self::Rejected(_) => "rejected",
        }
    }

    /// The number of a mutation within its client: 1, 2, 3, ...
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self {
            Self::Applied(arm) => arm.seq,
            Self::Rejected(arm) => arm.seq,
        }
    }

    /// The mutation's `opId`.
    #[must_use]
    pub fn op_id(&self) -> &str {
        match self {
            Self::Applied(arm) => &arm.op_id,
            Self::Rejected(arm) => &arm.op_id,
        }
    }

    /// The position that the mutation took in the log.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Applied(arm) => arm.version,
            Self::Rejected(arm) => arm.version,
        }
    }
}

impl From<Outcome> for MutationResult {
    fn from(narrow: Outcome) -> Self {
        match narrow {
            Outcome::Applied(arm) => Self::Applied(arm),
            Outcome::Rejected(arm) => Self::Rejected(arm),
        }
    }
}

/// All ops of the mutation took effect, at this version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The number of a mutation within its client: 1, 2, 3, ...
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub seq: u64,
    /// The mutation's `opId`.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub op_id: String,
    /// The position that the mutation took in the log.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// What became of single ops, in their order. Absent where no op has anything to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<List<Object<OpResult>, 1>, _>")]
    pub ops: Option<Vec<OpResult>>,
}

/// Nothing of the mutation took effect. It took a version all the same and is never decided again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// The number of a mutation within its client: 1, 2, 3, ...
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub seq: u64,
    /// The mutation's `opId`.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub op_id: String,
    /// The position that the rejection took in the log.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// A code of the error registry (errors.json). Open: an unknown code is handled by its scope and `retryable`.
    #[serde(deserialize_with = "required::<Matching<patterns::Code>, _>")]
    pub code: String,
    /// For people: what was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Text, _>")]
    pub message: Option<String>,
    /// JSON Pointer, within the mutation, to what was wrong, as in /ops/1/key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Text, _>")]
    pub at: Option<String>,
    /// With version_conflict, where it fits: the row that was locked, as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Object<CurrentRow>, _>")]
    pub row: Option<CurrentRow>,
}

/// What became of one mutation of a push: an outcome (applied, rejected), or no outcome (deferred, refused).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub enum MutationResult {
    /// All ops of the mutation took effect, at this version.
    Applied(Applied),
    /// Nothing of the mutation took effect. It took a version all the same and is never decided again.
    Rejected(Rejected),
    /// Not decided: to be sent again later, as it is.
    Deferred(Deferred),
    /// No outcome is given: the code says why, and what would have to change.
    Refused(Refused),
}

impl MutationResult {
    /// The values of `status`, in the schema's order.
    pub const TAGS: &'static [&'static str] = &["applied", "rejected", "deferred", "refused"];
}

impl<'de> Tagged<'de> for MutationResult {
    const TAG: &'static str = "status";

    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {
        let members = MapAccessDeserializer::new(members);
        match tag {
            "applied" => Applied::deserialize(members).map(Self::Applied),
            "rejected" => Rejected::deserialize(members).map(Self::Rejected),
            "deferred" => Deferred::deserialize(members).map(Self::Deferred),
            "refused" => Refused::deserialize(members).map(Self::Refused),
            other => Err(A::Error::unknown_variant(other, Self::TAGS)),
        }
    }
}

impl<'de> Deserialize<'de> for MutationResult {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        tagged::read(source)
    }
}

impl From<Applied> for MutationResult {
    fn from(arm: Applied) -> Self {
        Self::Applied(arm)
    }
}

impl From<Rejected> for MutationResult {
    fn from(arm: Rejected) -> Self {
        Self::Rejected(arm)
    }
}

impl From<Deferred> for MutationResult {
    fn from(arm: Deferred) -> Self {
        Self::Deferred(arm)
    }
}

impl From<Refused> for MutationResult {
    fn from(arm: Refused) -> Self {
        Self::Refused(arm)
    }
}

impl MutationResult {
    /// The arm's `status`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Applied(_) => "applied",
            Self::Rejected(_) => "rejected",
            Self::Deferred(_) => "deferred",
            Self::Refused(_) => "refused",
        }
    }

    /// The number of a mutation within its client: 1, 2, 3, ...
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self {
            Self::Applied(arm) => arm.seq,
            Self::Rejected(arm) => arm.seq,
            Self::Deferred(arm) => arm.seq,
            Self::Refused(arm) => arm.seq,
        }
    }

    /// The mutation's `opId`.
    #[must_use]
    pub fn op_id(&self) -> &str {
        match self {
            Self::Applied(arm) => &arm.op_id,
            Self::Rejected(arm) => &arm.op_id,
            Self::Deferred(arm) => &arm.op_id,
            Self::Refused(arm) => &arm.op_id,
        }
    }
}

/// Not decided: to be sent again later, as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deferred {
    /// The number of a mutation within its client: 1, 2, 3, ...
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub seq: u64,
    /// The mutation's `opId`.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub op_id: String,
    /// A code of the error registry (errors.json). Open: an unknown code is handled by its scope and `retryable`.
    #[serde(deserialize_with = "required::<Matching<patterns::Code>, _>")]
    pub code: String,
    /// How long to wait before the mutation is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub retry_after_ms: Option<u64>,
}

/// No outcome is given: the code says why, and what would have to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The number of a mutation within its client: 1, 2, 3, ...
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub seq: u64,
    /// The mutation's `opId`.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub op_id: String,
    /// A code of the error registry (errors.json). Open: an unknown code is handled by its scope and `retryable`.
    #[serde(deserialize_with = "required::<Matching<patterns::Code>, _>")]
    pub code: String,
    /// With seq_gap: the only new `seq` that the server would decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1, 9007199254740991>, _>")]
    pub expected: Option<u64>,
    /// With epoch_changed: the workspace's epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Matching<patterns::Ident>, _>")]
    pub epoch: Option<String>,
}

/// One row as one version left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub enum Change {
    /// The row has this value.
    Set(SetChange),
    /// There is no such row any more.
    Delete(DeleteChange),
    /// The row is there, and is not in the shape any more: it does not match the filter. Capability: filters.
    Remove(Remove),
    /// The document has one more entry. Capability: documents.
    Append(AppendChange),
    /// The document has this entry in the place of all entries of version `covers` and below. Capability: documents.
    Compact(CompactChange),
}

impl Change {
    /// The values of `op`, in the schema's order.
    pub const TAGS: &'static [&'static str] = &["set", "delete", "remove", "append", "compact"];
}

impl<'de> Tagged<'de> for Change {
    const TAG: &'static str = "op";

    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {
        let members = MapAccessDeserializer::new(members);
        match tag {
            "set" => SetChange::deserialize(members).map(Self::Set),
            "delete" => DeleteChange::deserialize(members).map(Self::Delete),
            "remove" => Remove::deserialize(members).map(Self::Remove),
            "append" => AppendChange::deserialize(members).map(Self::Append),
            "compact" => CompactChange::deserialize(members).map(Self::Compact),
            other => Err(A::Error::unknown_variant(other, Self::TAGS)),
        }
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        tagged::read(source)
    }
}

impl From<SetChange> for Change {
    fn from(arm: SetChange) -> Self {
        Self::Set(arm)
    }
}

impl From<DeleteChange> for Change {
    fn from(arm: DeleteChange) -> Self {
        Self::Delete(arm)
    }
}

impl From<Remove> for Change {
    fn from(arm: Remove) -> Self {
        Self::Remove(arm)
    }
}

impl From<AppendChange> for Change {
    fn from(arm: AppendChange) -> Self {
        Self::Append(arm)
    }
}

impl From<CompactChange> for Change {
    fn from(arm: CompactChange) -> Self {
        Self::Compact(arm)
    }
}

impl Change {
    /// The arm's `op`.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Delete(_) => "delete",
            Self::Remove(_) => "remove",
            Self::Append(_) => "append",
            Self::Compact(_) => "compact",
        }
    }

    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[must_use]
    pub fn table(&self) -> &str {
        match self {
            Self::Set(arm) => &arm.table,
            Self::Delete(arm) => &arm.table,
            Self::Remove(arm) => &arm.table,
            Self::Append(arm) => &arm.table,
            Self::Compact(arm) => &arm.table,
        }
    }

    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Set(arm) => &arm.key,
            Self::Delete(arm) => &arm.key,
            Self::Remove(arm) => &arm.key,
            Self::Append(arm) => &arm.key,
            Self::Compact(arm) => &arm.key,
        }
    }

    /// The version that last changed the row.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Set(arm) => arm.version,
            Self::Delete(arm) => arm.version,
            Self::Remove(arm) => arm.version,
            Self::Append(arm) => arm.version,
            Self::Compact(arm) => arm.version,
        }
    }
}

/// The row has this value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetChange {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// The version that last changed the row.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// The row's value: any JSON value, null included.
    #[serde(deserialize_with = "required::<Any, _>")]
    pub value: Json,
    /// The row's other values, where it has several, in the order of their versions. Capability: conflicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<List<Object<Sibling>, 1>, _>")]
    pub siblings: Option<Vec<Sibling>>,
}

/// There is no such row any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteChange {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// The version that last changed the row.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
}

/// The row is there, and is not in the shape any more: it does not match the filter. Capability: filters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remove {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// The version that last changed the row.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
}

/// The document has one more entry. Capability: documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppendChange {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// The version of the mutation that appended it.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// Bytes that the server never looks into, in base64 (RFC 4648, section 4) with its padding, nothing else between, and zeros for the bits that are left.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub data: String,
}

/// The document has this entry in the place of all entries of version `covers` and below. Capability: documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompactChange {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// The version of the mutation that compacted.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// A position in the workspace's log of outcomes; 0 is the position before the first.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub covers: u64,
    /// Bytes that the server never looks into, in base64 (RFC 4648, section 4) with its padding, nothing else between, and zeros for the bits that are left.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub data: String,
}

/// A place among the changes that were made: behind those of a version, or one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The version of the change.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// Which of the version's changes, as told. Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub index: Option<u64>,
}

/// A change that was made to a row, and by whom. Capability: history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub enum PastChange {
    /// The row got this value.
    Set(SetPastChange),
    /// The row was deleted.
    Delete(DeletePastChange),
}

impl PastChange {
    /// The values of `op`, in the schema's order.
    pub const TAGS: &'static [&'static str] = &["set", "delete"];
}

impl<'de> Tagged<'de> for PastChange {
    const TAG: &'static str = "op";

    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {
        let members = MapAccessDeserializer::new(members);
        match tag {
            "set" => SetPastChange::deserialize(members).map(Self::Set),
            "delete" => DeletePastChange::deserialize(members).map(Self::Delete),
            other => Err(A::Error::unknown_variant(other, Self::TAGS)),
        }
    }
}

impl<'de> Deserialize<'de> for PastChange {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        tagged::read(source)
    }
}

impl From<SetPastChange> for PastChange {
    fn from(arm: SetPastChange) -> Self {
        Self::Set(arm)
    }
}

impl From<DeletePastChange> for PastChange {
    fn from(arm: DeletePastChange) -> Self {
        Self::Delete(arm)
    }
}

impl PastChange {
    /// The arm's `op`.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Delete(_) => "delete",
        }
    }

    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[must_use]
    pub fn table(&self) -> &str {
        match self {
            Self::Set(arm) => &arm.table,
            Self::Delete(arm) => &arm.table,
        }
    }

    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Set(arm) => &arm.key,
            Self::Delete(arm) => &arm.key,
        }
    }

    /// The version that made the change.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Set(arm) => arm.version,
            Self::Delete(arm) => arm.version,
        }
    }

    /// Which of the version's changes it is: it rises in the order of the ops.
    #[must_use]
    pub fn index(&self) -> u64 {
        match self {
            Self::Set(arm) => arm.index,
            Self::Delete(arm) => arm.index,
        }
    }

    /// Whose mutation it was: a hash of epoch and clientId.
    #[must_use]
    pub fn author(&self) -> &str {
        match self {
            Self::Set(arm) => &arm.author,
            Self::Delete(arm) => &arm.author,
        }
    }

    /// When it was decided, by the server's clock.
    #[must_use]
    pub fn at(&self) -> u64 {
        match self {
            Self::Set(arm) => arm.at,
            Self::Delete(arm) => arm.at,
        }
    }
}

/// The row got this value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetPastChange {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// The version that made the change.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// Which of the version's changes it is: it rises in the order of the ops.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub index: u64,
    /// Whose mutation it was: a hash of epoch and clientId.
    #[serde(deserialize_with = "required::<Matching<patterns::Author>, _>")]
    pub author: String,
    /// When it was decided, by the server's clock.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub at: u64,
    /// The row's value from then on: any JSON value, null included.
    #[serde(deserialize_with = "required::<Any, _>")]
    pub value: Json,
    /// The row's other values from then on, where it had several, in the order of their versions. Capability: conflicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<List<Object<Sibling>, 1>, _>")]
    pub siblings: Option<Vec<Sibling>>,
}

/// The row was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletePastChange {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// The version that made the change.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// Which of the version's changes it is: it rises in the order of the ops.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub index: u64,
    /// Whose mutation it was: a hash of epoch and clientId.
    #[serde(deserialize_with = "required::<Matching<patterns::Author>, _>")]
    pub author: String,
    /// When it was decided, by the server's clock.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub at: u64,
}

/// In which order changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryOrder {
    /// `newest`
    Newest,
    /// `oldest`
    Oldest,
}

impl Words for HistoryOrder {
    const WORDS: &'static [&'static str] = &["newest", "oldest"];

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "newest" => Some(Self::Newest),
            "oldest" => Some(Self::Oldest),
            _ => None,
        }
    }
}

/// What becomes of a concurrent write; see the chapter on conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// `client_wins`
    ClientWins,
    /// `server_wins`
    ServerWins,
    /// `last_write_wins`
    LastWriteWins,
    /// `keep_both`
    KeepBoth,
    /// `custom`
    Custom,
}

impl Words for Strategy {
    const WORDS: &'static [&'static str] = &[
        "client_wins",
        "server_wins",
        "last_write_wins",
        "keep_both",
        "custom",
    ];

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "client_wins" => Some(Self::ClientWins),
            "server_wins" => Some(Self::ServerWins),
            "last_write_wins" => Some(Self::LastWriteWins),
            "keep_both" => Some(Self::KeepBoth),
            "custom" => Some(Self::Custom),
            _ => None,
        }
    }
}

/// Whether writes of one row are concurrent, or of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// `row`
    Row,
    /// `field`
    Field,
}

impl Words for Granularity {
    const WORDS: &'static [&'static str] = &["row", "field"];

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "row" => Some(Self::Row),
            "field" => Some(Self::Field),
            _ => None,
        }
    }
}

/// Which values a table's rows may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSchema {
    /// The version of a table's schema: 1 or more.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub version: u64,
    /// A JSON Schema of draft 2020-12 for a row's value.
    #[serde(deserialize_with = "required::<Any, _>")]
    pub rules: Json,
}

/// A value beside the last one, of a row that has several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sibling {
    /// The version of the write.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// The value: any JSON value, null included.
    #[serde(deserialize_with = "required::<Any, _>")]
    pub value: Json,
}

/// The row at fault, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CurrentRow {
    /// The version that last changed it; absent where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub version: Option<u64>,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Any, _>")]
    pub value: Option<Json>,
}

/// What a table holds: rows, or documents. Capability: documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// `rows`
    Rows,
    /// `document`
    Document,
}

impl Words for TableKind {
    const WORDS: &'static [&'static str] = &["rows", "document"];

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "rows" => Some(Self::Rows),
            "document" => Some(Self::Document),
            _ => None,
        }
    }
}
