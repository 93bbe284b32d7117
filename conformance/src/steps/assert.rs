//! `assert`: a relation between what was learnt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::matcher::{Others, short};
use crate::scenario::Template;

/// Compares a value that was bound before.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Assert {
    /// The value.
    pub that: Template,
    /// The pattern that it must match.
    pub is: Template,
    /// What it means if it does not.
    #[serde(default)]
    pub r#else: Otherwise,
}

impl Assert {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (value, pattern) = (cx.value(&self.that.0)?, cx.pattern(&self.is.0)?);
        let Err(mismatch) = cx.matches(&pattern, Some(&value), Others::Allowed) else {
            return Ok(());
        };
        match self.r#else {
            Otherwise::Fail => Err(Stop::fail(
                format!("{} is {}", short(&self.that.0), short(&pattern)),
                mismatch.to_string(),
            )),
            Otherwise::Unknown => Err(Stop::DidNotHappen(mismatch.to_string())),
        }
    }
}

/// What it means that an assertion does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// The server is wrong.
    #[default]
    Fail,
    /// The scenario is not judged: what it is about did not happen with this target, and need not.
    Unknown,
}
