//! One operation of a mutation: `op.json`.
//!
//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.

use crate::Json;
use crate::forms::{Any, Integer, List, Table, Text, optional, required};
use crate::tagged::{self, Tagged};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One operation of a mutation on one row. Checked when the mutation is decided: an op that does not fit rejects its mutation, never the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub enum Op {
    /// Writes a row whole.
    Set(SetOp),
    /// Removes a row; where there is none, changes nothing.
    Delete(DeleteOp),
    /// Changes fields of a row whose value is an object, and leaves the others. Capability: fields.
    Patch(Patch),
}

impl Op {
    /// The values of `op`, in the schema's order.
    pub const TAGS: &'static [&'static str] = &["set", "delete", "patch"];
}

impl<'de> Tagged<'de> for Op {
    const TAG: &'static str = "op";

    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {
        let members = MapAccessDeserializer::new(members);
        match tag {
            "set" => SetOp::deserialize(members).map(Self::Set),
            "delete" => DeleteOp::deserialize(members).map(Self::Delete),
            "patch" => Patch::deserialize(members).map(Self::Patch),
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

impl Op {
    /// The arm's `op`.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Delete(_) => "delete",
            Self::Patch(_) => "patch",
        }
    }

    /// The name of a table. Its length in bytes is bounded by limits.tableBytesMax; see the naming rules in the model chapter.
    #[must_use]
    pub fn table(&self) -> &str {
        match self {
            Self::Set(arm) => &arm.table,
            Self::Delete(arm) => &arm.table,
            Self::Patch(arm) => &arm.table,
        }
    }

    /// The key of a row within its table. Its length in bytes is bounded by limits.keyBytesMax; may be empty.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Set(arm) => &arm.key,
            Self::Delete(arm) => &arm.key,
            Self::Patch(arm) => &arm.key,
        }
    }

    /// Applies only if the row is at this version; 0: only if there is no such row.
    #[must_use]
    pub fn if_version(&self) -> Option<u64> {
        match self {
            Self::Set(arm) => arm.if_version,
            Self::Delete(arm) => arm.if_version,
            Self::Patch(arm) => arm.if_version,
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
}
