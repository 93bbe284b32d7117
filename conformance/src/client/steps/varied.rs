//! `varied`: numbers that look drawn at random.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::Template;

/// Numbers must not be all alike: the largest is above the smallest by a twentieth of their mean at least. Eight numbers that are drawn from a range worth the name are
/// that far apart, but for one run in millions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Varied {
    /// The numbers: a list.
    pub numbers: Template,
}

impl Varied {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let numbers = cx.value(&self.numbers.0)?;
        let numbers: Vec<u64> = numbers
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect();
        let spread = numbers
            .iter()
            .max()
            .zip(numbers.iter().min())
            .map_or(0, |(most, least)| most - least);
        if numbers.len() >= 8 && spread * 20 * numbers.len() as u64 >= numbers.iter().sum() {
            return Ok(());
        }
        Err(Stop::fail(
            "times that are drawn at random",
            format!("they are {numbers:?}"),
        ))
    }
}
