//! A table's schema: which values its rows may get (chapter *tables*).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_schemas::errors;
use syncline_schemas::{Json, Limits, Rules, TableSchema, Violation};

use crate::request::{Action, OpFault, RowOp, Verdict, one_line, reject};

/// The schema of a table. In the log and in checkpoints it stands as it was declared, and is compiled again when it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    /// Its version, 1 or more: a higher one takes its place.
    pub version: u64,
    /// What judges a value.
    pub rules: Rules,
}

impl Schema {
    /// Reads and compiles what a declaration says: once, whatever is written then (TAB-LIMITS, TAB-SCHEMA-INVALID).
    pub(crate) fn read(said: &TableSchema, limits: &Limits) -> Result<Arc<Schema>, OpFault> {
        let at = |rest: &str| format!("/schema/rules{rest}");
        let (bytes, most) = (
            said.rules.get().len() as u64,
            limits.schema_bytes_max.unwrap_or(0),
        );
        if bytes > most {
            let message = format!("{bytes} bytes, limits.schemaBytesMax is {most}");
            return Err((&errors::LIMIT_EXCEEDED, at(""), message));
        }
        let rules = Rules::compile(&one_line(said.rules.clone())).map_err(|violation| {
            let Violation { at: place, reason } = violation;
            (&errors::INVALID_SCHEMA, at(&place), reason)
        })?;
        let version = said.version;
        Ok(Arc::new(Schema { version, rules }))
    }

    /// Judges the value that an op, the one of this index, would leave; `made` by a resolver, if not by the op alone (TAB-SCHEMA).
    pub(crate) fn judge(&self, index: usize, op: &RowOp, value: &Json, made: bool) -> Verdict<()> {
        let Err(violation) = self.rules.check(value) else {
            return Ok(());
        };
        let within = if made {
            None
        } else {
            place(&op.action, &violation.at)
        };
        let at = Some(format!("/ops/{index}{}", within.unwrap_or_default()));
        let outdated = op.schema_version.is_some_and(|known| known < self.version);
        match outdated {
            true => reject(&errors::SCHEMA_OUTDATED, at, &violation.reason),
            false => reject(&errors::SCHEMA_VIOLATION, at, &violation.reason),
        }
    }
}

/// Where in an op what does not fit stands, if it stands there (TAB-SCHEMA-AT).
fn place(action: &Action, at: &str) -> Option<String> {
    match action {
        Action::Set(_) => Some(format!("/value{at}")),
        Action::Delete => None,
        Action::Patch(patch) => {
            let name = at.strip_prefix('/')?.split('/').next()?;
            let name = name.replace("~1", "/").replace("~0", "~");
            let set = patch.fields.as_ref()?.contains_key(&name);
            set.then(|| format!("/fields{at}"))
        }
    }
}
