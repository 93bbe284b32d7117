//! `bind`: a name for a value.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::scenario::Template;
use crate::vars::Bound;

/// Binds names to values. For a long value that is used more than once, or one that must not change when its source does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Bind {
    /// The names with their values.
    pub values: BTreeMap<String, Template>,
}

impl Bind {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        for (name, template) in &self.values {
            let value = cx.value(&template.0)?;
            cx.with(|state| state.vars.bind(name, Bound::Value(value)));
        }
        Ok(())
    }
}
