//! The announced limits as settings: their names, bounds, defaults and descriptions are those of `limits.json`, so that a limit
//! which is added there can be set here.

use serde_json::{Map, Value};
use syncline_schemas::{Limits, files};

/// One limit that can be set.
pub(super) struct Limit {
    /// Its name in `welcome`.
    pub(super) name: String,
    /// What it means.
    pub(super) about: String,
    minimum: u64,
    maximum: u64,
}

/// All limits.
pub(super) fn all() -> impl Iterator<Item = Limit> {
    schemas().into_iter().map(|(name, schema)| Limit {
        name,
        about: schema["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        minimum: schema["minimum"].as_u64().unwrap_or(0),
        maximum: schema["maximum"].as_u64().unwrap_or(u64::MAX),
    })
}

impl Limit {
    pub(super) fn show(&self, limits: &Limits) -> String {
        tree(limits)[&self.name].to_string()
    }

    /// Gives it a value that may be announced (`CONN-LIMITS`).
    ///
    /// # Errors
    /// Says what the value should have been.
    pub(super) fn set(&self, limits: &mut Limits, number: u64) -> Result<(), String> {
        if number < self.minimum {
            return Err(format!(
                "must be at least {}, which every server must allow",
                self.minimum
            ));
        }
        if number > self.maximum {
            return Err(format!("must be at most {}", self.maximum));
        }
        let mut tree = tree(limits);
        tree[&self.name] = number.into();
        *limits = serde_json::from_value(tree).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The bounds, in a sentence for the help.
    pub(super) fn bounds(&self) -> String {
        /// The greatest integer that JSON is sure to carry: no bound in earnest.
        const BOUNDLESS: u64 = (1 << 53) - 1;
        if self.maximum < BOUNDLESS {
            format!("From {} to {}.", self.minimum, self.maximum)
        } else {
            format!("At least {}.", self.minimum)
        }
    }
}

fn schemas() -> Map<String, Value> {
    let file = files::SCHEMAS
        .iter()
        .find(|file| file.path == "limits.json");
    let text = file.expect("limits.json is embedded").text;
    let mut schema: Value = serde_json::from_str(text).expect("the embedded schemas are JSON");
    match schema["properties"].take() {
        Value::Object(properties) => properties,
        _ => Map::new(),
    }
}

fn tree(limits: &Limits) -> Value {
    serde_json::to_value(limits).expect("limits are plain numbers")
}
