//! [`Mutation`]: several ops that apply together, or not at all.

use serde::Serialize;
use syncline_schemas::{DeleteOp, Json, Op, SetOp};

use crate::Error;

/// A mutation in the making. A row may be named once.
#[derive(Debug, Default)]
pub struct Mutation {
    ops: Vec<Op>,
    fault: Option<Error>,
}

impl Mutation {
    /// The row gets this value.
    pub fn set(&mut self, table: &str, key: &str, value: impl Serialize) -> &mut Mutation {
        self.push_set(table, key, &value, None)
    }

    /// The row gets this value, if its version is this one when the mutation is decided; 0: if there is no such row. Else the whole mutation is
    /// rejected (`OP-IF-VERSION`).
    pub fn set_if(
        &mut self,
        table: &str,
        key: &str,
        value: impl Serialize,
        version: u64,
    ) -> &mut Mutation {
        self.push_set(table, key, &value, Some(version))
    }

    /// The row goes.
    pub fn delete(&mut self, table: &str, key: &str) -> &mut Mutation {
        self.push_delete(table, key, None)
    }

    /// The row goes, if its version is this one when the mutation is decided. Else the whole mutation is rejected.
    pub fn delete_if(&mut self, table: &str, key: &str, version: u64) -> &mut Mutation {
        self.push_delete(table, key, Some(version))
    }

    fn push_set(
        &mut self,
        table: &str,
        key: &str,
        value: &impl Serialize,
        if_version: Option<u64>,
    ) -> &mut Mutation {
        match json(value) {
            Ok(value) => {
                let (table, key) = (table.to_owned(), key.to_owned());
                self.ops.push(Op::Set(SetOp {
                    table,
                    key,
                    value,
                    if_version,
                }));
            }
            Err(error) => self.fault = self.fault.take().or(Some(error)),
        }
        self
    }

    fn push_delete(&mut self, table: &str, key: &str, if_version: Option<u64>) -> &mut Mutation {
        self.ops.push(Op::Delete(DeleteOp {
            table: table.to_owned(),
            key: key.to_owned(),
            if_version,
        }));
        self
    }

    /// The ops, if every value was one.
    pub(crate) fn into_ops(self) -> Result<Vec<Op>, Error> {
        match self.fault {
            Some(error) => Err(error),
            None => Ok(self.ops),
        }
    }
}

/// A value as JSON text by the rules for frames: no member twice, whatever its type's `Serialize` does.
fn json(value: &impl Serialize) -> Result<Json, Error> {
    let text = serde_json::to_string(value)?;
    Json::parse(&text)
        .map_err(serde::ser::Error::custom)
        .map_err(|error: serde_json::Error| error.into())
}
