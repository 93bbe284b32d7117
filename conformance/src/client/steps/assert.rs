//! `assert`: a relation between what was learnt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::matcher::short;
use crate::scenario::Template;

/// Compares a value that was bound before.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Assert {
    /// The value.
    pub that: Template,
    /// The pattern that it must match.
    pub is: Template,
}

impl Assert {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (value, pattern) = (cx.value(&self.that.0)?, cx.pattern(&self.is)?);
        let wanted = || format!("{} is {}", short(&self.that.0), short(&pattern));
        let matched = cx.matches(&pattern, Some(&value));
        matched.map_err(|mismatch| Stop::fail(wanted(), mismatch.to_string()))
    }
}
