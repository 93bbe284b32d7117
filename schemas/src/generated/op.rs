//! One operation of a mutation: `op.json`.
//!
//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.

use super::patterns;
use crate::forms::{Any, Integer, List, Matching, Object, Table, Text, optional, required};
use crate::tagged::{self, Tagged};
use crate::{Json, TableSchema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One operation of a mutation: on one row, one document, one sequence, or one table's settings. Checked when the mutation is decided: an op that does not fit rejects its mutation, never the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub enum Op {
    /// Writes a row whole.
    Set(SetOp),
    /// Removes a row; where there is none, changes nothing.
    Delete(DeleteOp),
    /// Changes fields of a row whose value is an object, and leaves the others. Capability: fields.
    Patch(Patch),
    /// Takes the next ids of a sequence. Needs the capability `sequences`.
    Allocate(Allocate),
    /// Raises a sequence: ids that are allocated later are above the value. Needs the capability `sequences`.
    Observe(Observe),
    /// Says what a table's settings are. Capability: tables.
    Declare(Declare),
    /// Adds an entry to a document. Capability: documents.
    Append(AppendOp),
    /// Puts one entry in the place of all entries up to a version. Capability: documents.
    Compact(CompactOp),
}

impl Op {
    /// The values of `op`, in the schema's order.
    pub const TAGS: &'static [&'static str] = &[
        "set", "delete", "patch", "allocate", "observe", "declare", "append", "compact",
    ];
}

impl<'de> Tagged<'de> for Op {
    const TAG: &'static str = "op";

    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {
        let members = MapAccessDeserializer::new(members);
        match tag {
            "set" => SetOp::deserialize(members).map(Self::Set),
            "delete" => DeleteOp::deserialize(members).map(Self::Delete),
            "patch" => Patch::deserialize(members).map(Self::Patch),
            "allocate" => Allocate::deserialize(members).map(Self::Allocate),
            "observe" => Observe::deserialize(members).map(Self::Observe),
            "declare" => Declare::deserialize(members).map(Self::Declare),
            "append" => AppendOp::deserialize(members).map(Self::Append),
            "compact" => CompactOp::deserialize(members).map(Self::Compact),
            other => Err(A::Error::unknown_variant(other, Self::TAGS)),
        }
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        tagged::read(source)
    }
}

impl From<SetOp> for Op {
    fn from(arm: SetOp) -> Self {
        Self::Set(arm)
    }
}

impl From<DeleteOp> for Op {
    fn from(arm: DeleteOp) -> Self {
        Self::Delete(arm)
    }
}

impl From<Patch> for Op {
    fn from(arm: Patch) -> Self {
        Self::Patch(arm)
    }
}

impl From<Allocate> for Op {
    fn from(arm: Allocate) -> Self {
        Self::Allocate(arm)
    }
}

impl From<Observe> for Op {
    fn from(arm: Observe) -> Self {
        Self::Observe(arm)
    }
}

impl From<Declare> for Op {
    fn from(arm: Declare) -> Self {
        Self::Declare(arm)
    }
}

impl From<AppendOp> for Op {
    fn from(arm: AppendOp) -> Self {
        Self::Append(arm)
    }
}

impl From<CompactOp> for Op {
    fn from(arm: CompactOp) -> Self {
        Self::Compact(arm)
    }
}

impl Op {
    /// The arm's `op`.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Delete(_) => "delete",
            Self::Patch(_) => "patch",
            Self::Allocate(_) => "allocate",
            Self::Observe(_) => "observe",
            Self::Declare(_) => "declare",
            Self::Append(_) => "append",
            Self::Compact(_) => "compact",
        }
    }
}

/// Writes a row whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetOp {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// The row's new value: any JSON value, null included.
    #[serde(deserialize_with = "required::<Any, _>")]
    pub value: Json,
    /// Applies only if the row is at this version; 0: only if there is no such row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub if_version: Option<u64>,
    /// The version of the row that the writer saw; 0: it saw none. Capability: conflicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub base: Option<u64>,
    /// The version of the table's schema that the writer knew. Capability: tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1, 9007199254740991>, _>")]
    pub schema_version: Option<u64>,
}

/// Removes a row; where there is none, changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteOp {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// Applies only if the row is at this version; 0: only if there is no such row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub if_version: Option<u64>,
    /// The version of the row that the writer saw; 0: it saw none. Capability: conflicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub base: Option<u64>,
}

/// Changes fields of a row whose value is an object, and leaves the others. Capability: fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// The fields to set: by name, the new value, any JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Table<Any, 0>, _>")]
    pub fields: Option<BTreeMap<String, Json>>,
    /// The names of the fields to take out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<List<Text, 0>, _>")]
    pub remove: Option<Vec<String>>,
    /// Applies only if the row is at this version; 0: only if there is no such row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub if_version: Option<u64>,
    /// The version of the row that the writer saw; 0: it saw none. Capability: conflicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub base: Option<u64>,
    /// The version of the table's schema that the writer knew. Capability: tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1, 9007199254740991>, _>")]
    pub schema_version: Option<u64>,
}

/// Takes the next ids of a sequence. Needs the capability `sequences`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allocate {
    /// The name of a sequence: a string as for a table's name, in a name space of its own.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub sequence: String,
    /// How many ids.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub count: u64,
}

/// Raises a sequence: ids that are allocated later are above the value. Needs the capability `sequences`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observe {
    /// The name of a sequence: a string as for a table's name, in a name space of its own.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub sequence: String,
    /// The highest id that is in use, as after an import.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub value: u64,
}

/// Says what a table's settings are. Capability: tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declare {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// What becomes of a concurrent write: a word of `strategy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Matching<patterns::SettingWord>, _>")]
    pub strategy: Option<String>,
    /// Whether writes of one row are concurrent, or of one field: a word of `granularity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Matching<patterns::SettingWord>, _>")]
    pub granularity: Option<String>,
    /// What the server resolves conflicts by, where the strategy is `custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Matching<patterns::Ident>, _>")]
    pub resolver: Option<String>,
    /// Which values a table's rows may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Object<TableSchema>, _>")]
    pub schema: Option<TableSchema>,
    /// What the table holds: a word of `kind`. Capability: documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Matching<patterns::SettingWord>, _>")]
    pub kind: Option<String>,
}

/// Adds an entry to a document. Capability: documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppendOp {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// Bytes that the server never looks into, in base64 (RFC 4648, section 4) with its padding, nothing else between, and zeros for the bits that are left.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub data: String,
    /// A version of the document that the writer knew; 0 or absent: it knew none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub base: Option<u64>,
}

/// Puts one entry in the place of all entries up to a version. Capability: documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompactOp {
    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub key: String,
    /// A position in the workspace's log of outcomes; 0 is the position before the first.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub covers: u64,
    /// Bytes that the server never looks into, in base64 (RFC 4648, section 4) with its padding, nothing else between, and zeros for the bits that are left.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub data: String,
}
