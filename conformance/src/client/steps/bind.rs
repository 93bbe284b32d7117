//! `bind`: a name for a value.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::{Template, Text};

/// Binds names to values.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Bind {
    /// The names with their values.
    pub values: BTreeMap<String, Template>,
}

impl Bind {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        for (name, template) in &self.values {
            cx.bind(Some(&Text(name.clone())), cx.value(&template.0)?)?;
        }
        Ok(())
    }
}
