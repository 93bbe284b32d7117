//! Ops as the runner writes them, put into mutations.

use serde::Deserialize;
use serde_json::Value;
use syncline_client::{Fields, Mutation, Strategy, TableSettings};
use syncline_schemas::base64;

use crate::Refused;

/// A change of one row. Without a value: a delete.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Op {
    table: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: Value,
    if_version: Option<u64>,
    fields: Option<serde_json::Map<String, Value>>,
    remove: Option<Vec<String>>,
    strategy: Option<Strategy>,
    granularity: Option<String>,
    resolver: Option<String>,
    kind: Option<String>,
    data: Option<String>,
}

impl Op {
    pub(crate) fn set(&self, mutation: &mut Mutation) {
        match self.if_version {
            Some(version) => mutation.set_if(&self.table, &self.key, &self.value, version),
            None => mutation.set(&self.table, &self.key, &self.value),
        };
    }

    fn patch(&self, mutation: &mut Mutation) {
        let mut fields = Fields::default().set_all(self.fields.clone().unwrap_or_default());
        for name in self.remove.iter().flatten() {
            fields = fields.remove(name);
        }
        if let Some(version) = self.if_version {
            fields = fields.if_version(version);
        }
        mutation.patch_with(&self.table, &self.key, fields);
    }

    fn append(&self, mutation: &mut Mutation) {
        let data = base64::decode(self.data.as_deref().unwrap_or_default());
        mutation.append(&self.table, &self.key, data.unwrap_or_default());
    }

    fn declare(&self, mutation: &mut Mutation) {
        if self.kind.as_deref() == Some("document") {
            mutation.declare(&self.table, TableSettings::documents());
            return;
        }
        let settings = TableSettings::default();
        let settings = match (self.strategy, &self.resolver) {
            (_, Some(resolver)) => settings.resolver(resolver),
            (Some(strategy), None) => settings.strategy(strategy),
            (None, None) => settings,
        };
        let settings = match self.granularity.as_deref() {
            Some("field") => settings.by_field(),
            _ => settings,
        };
        mutation.declare(&self.table, settings);
    }

    pub(crate) fn delete(&self, mutation: &mut Mutation) {
        match self.if_version {
            Some(version) => mutation.delete_if(&self.table, &self.key, version),
            None => mutation.delete(&self.table, &self.key),
        };
    }
}

/// Puts an op into a mutation.
pub(crate) type Put = Box<dyn Fn(&mut Mutation) + Send + Sync>;

/// An op as in `op.json`.
pub(crate) fn read_op(op: &Value) -> Result<Put, Refused> {
    let number = |name: &str| {
        let number = op[name].as_u64();
        number.ok_or_else(|| Refused::of(format!("{op} has no whole number {name:?}")))
    };
    let sequence = op["sequence"].as_str().unwrap_or_default().to_owned();
    Ok(match op["op"].as_str() {
        Some("allocate") => {
            let count = number("count")?;
            Box::new(move |mutation| {
                mutation.allocate(&sequence, count);
            })
        }
        Some("observe") => {
            let value = number("value")?;
            Box::new(move |mutation| {
                mutation.observe(&sequence, value);
            })
        }
        kind => {
            let kind = kind.map(ToOwned::to_owned);
            let op = Op::deserialize(op).map_err(Refused::of)?;
            Box::new(move |mutation| match kind.as_deref() {
                Some("set") => op.set(mutation),
                Some("patch") => op.patch(mutation),
                Some("declare") => op.declare(mutation),
                Some("append") => op.append(mutation),
                _ => op.delete(mutation),
            })
        }
    })
}
