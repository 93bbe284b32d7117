//! Scenarios: what is done to a server, and which requirements that checks, as data.
//!
//! A scenario is one JSON file in `conformance/scenarios/<chapter>/`, whose schema is `conformance/scenario.schema.json` and whose guide is
//! `conformance/SCENARIOS.md`. Data, because anybody can then read, replay and add one without reading this crate.

mod load;
mod names;
mod template;
mod valid;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use load::{LoadError, embedded, file, parse};
pub use template::{Number, Template, Text};
pub(crate) use valid::operators;
pub use valid::{GENERATORS, MATCHERS, problems};

use crate::steps::Step;

/// One scenario.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Scenario")]
pub struct Scenario {
    /// The file's name without `.json`: a slug that never changes and is never given to another.
    pub id: String,
    /// What must hold, in one sentence.
    pub title: String,
    /// Why it is worth checking: the bug that it is after.
    pub why: Option<String>,
    /// Where such a bug was seen, as in `socketio/socket.io#5334`.
    pub seen: Option<String>,
    /// The IDs of the requirements that it checks. They are blamed when a step fails.
    pub checks: Vec<String>,
    /// What the target must offer.
    #[serde(default)]
    pub needs: Needs,
    /// Limits that make the scenario quicker, where the target can be started with them. The verdict must not depend on it.
    #[serde(default)]
    pub prefers: Prefers,
    /// true: it uses names that others use too, and has a fresh workspace also where all share one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_workspace: bool,
    /// false: leaves the closing audit out, for scenarios that no audit can follow.
    #[serde(default = "yes")]
    pub audit: bool,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The chapter: the folder's name.
    #[serde(skip)]
    pub chapter: String,
    /// For reports: the steps, where they are not those of servers' scenarios.
    #[serde(skip)]
    pub other_steps: Vec<Value>,
}

/// What a scenario needs of its target.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Needs {
    /// Hooks that its steps use.
    pub hooks: Vec<Hook>,
    /// Capabilities that `welcome` must list.
    pub capabilities: Vec<String>,
}

/// What a scenario would like of its target.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Prefers {
    /// Limits, by their names in `limits.json`, none below its minimum there.
    pub limits: std::collections::BTreeMap<String, u64>,
    /// What is to be offered beyond the core. Without it: all that the server can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
}

impl Prefers {
    /// Whether any server will do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.capabilities.is_none()
    }
}

/// What a target can do to its server beyond a URL.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Stops the server in order and starts it again on the same data.
    Restart,
    /// Ends the server at once (as `kill -9`) and starts it again on the same data.
    Kill,
    /// Drops from the workspace's log all that the log need not retain: a cursor from before no longer reaches.
    Truncate,
    /// Backs the workspace's data up.
    Backup,
    /// Puts the workspace back to the last backup of this scenario, with a new epoch.
    Restore,
}

impl Hook {
    /// All hooks.
    pub const ALL: [Hook; 5] = [
        Hook::Restart,
        Hook::Kill,
        Hook::Truncate,
        Hook::Backup,
        Hook::Restore,
    ];

    /// The name, as scenario and target files have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Hook::Restart => "restart",
            Hook::Kill => "kill",
            Hook::Truncate => "truncate",
            Hook::Backup => "backup",
            Hook::Restore => "restore",
        }
    }

    /// Whether all of the server's connections end by it.
    #[must_use]
    pub fn ends_connections(self) -> bool {
        matches!(self, Hook::Restart | Hook::Kill | Hook::Restore)
    }
}

impl Scenario {
    /// Whether all of the server's connections end by something that is done in it.
    #[must_use]
    pub fn ends_connections(&self) -> bool {
        self.needs.hooks.iter().any(|hook| hook.ends_connections())
    }

    /// Whether something goes wrong with the network in it.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        self.steps.iter().any(Step::has_faults)
    }

    /// The steps as data, whoever they are for.
    #[must_use]
    pub fn steps_as_data(&self) -> Vec<Value> {
        let own = self.steps.iter();
        let own = own.filter_map(|step| serde_json::to_value(step).ok());
        own.chain(self.other_steps.iter().cloned()).collect()
    }

    /// The JSON Schema of a scenario file, as text.
    #[must_use]
    pub fn schema() -> String {
        let schema = schemars::schema_for!(Scenario);
        serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n"
    }
}

fn yes() -> bool {
    true
}
