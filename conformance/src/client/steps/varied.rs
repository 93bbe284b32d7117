//! `varied`: waits that look drawn at random.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::Template;

/// Waits must not be all alike: the longest is surely above the shortest by a twentieth of their mean at least. Eight that are drawn from a range worth the name
/// are that far apart, but for one run in millions. Where they are not known closely enough to say, as on a machine that stands still now and then, nothing is said.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Varied {
    /// The waits: a list of what `expect_attempt` has bound.
    pub waits: Template,
}

impl Varied {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let waits = cx.value(&self.waits.0)?;
        let waits = waits.as_array().into_iter().flatten();
        let waits: Option<Vec<(u64, u64)>> = waits
            .map(|wait| Some((wait["least"].as_u64()?, wait["most"].as_u64()?)))
            .collect();
        let waits = waits.filter(|waits| waits.len() >= WAITS_MIN);
        let waits = waits.ok_or_else(|| Stop::misuse("eight waits are needed".to_owned()))?;
        match look(&waits) {
            Look::Random => Ok(()),
            Look::Alike => Err(Stop::fail(
                "times that are drawn at random",
                format!("they are, at least and at most, {waits:?}"),
            )),
            Look::Unclear => Err(Stop::Unknown(format!(
                "the waits are not known closely enough: {waits:?}"
            ))),
        }
    }
}

/// Fewer may be near each other by chance.
const WAITS_MIN: usize = 8;

/// Waits are surely random from this share of their mean apart on, and surely alike only if they are all within that one.
const APART: u64 = 20;
const NEAR: u64 = 8;

/// What waits look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Random,
    Alike,
    Unclear,
}

/// Looks at waits of which each is known to be at least and at most so long; of one of them that may be wrong, on a machine that stood still at the wrong moment.
fn look(waits: &[(u64, u64)]) -> Look {
    let mut least: Vec<u64> = waits.iter().map(|wait| wait.0).collect();
    let mut most: Vec<u64> = waits.iter().map(|wait| wait.1).collect();
    least.sort_unstable();
    most.sort_unstable();
    let sum: u64 = most.iter().sum();
    let is_wide = |spread: u64, share: u64| spread * share * waits.len() as u64 >= sum;
    let surely = least.iter().nth_back(1).zip(most.get(1));
    let perhaps = most.last().zip(least.first());
    let spread = |ends: Option<(&u64, &u64)>| {
        ends.map_or(0, |(longest, shortest)| longest.saturating_sub(*shortest))
    };
    match () {
        () if is_wide(spread(surely), APART) => Look::Random,
        () if is_wide(spread(perhaps), NEAR) => Look::Unclear,
        () => Look::Alike,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(waits: [(u64, u64); 4]) -> Look {
        look(&[waits, waits].concat())
    }

    #[test]
    fn what_is_surely_apart_is_random() {
        assert_eq!(
            looks([(1000, 1020), (4000, 4070), (2000, 2040), (1500, 1530)]),
            Look::Random
        );
    }

    /// However coarsely it was looked at, no wait of 5000 is random.
    #[test]
    fn the_same_wait_is_never_random() {
        let one_is_wrong = [(5000, 5050), (9000, 9050), (4990, 5040), (5000, 5050)];
        assert_eq!(look(&one_is_wrong), Look::Unclear);
        assert_eq!(
            looks([(4950, 5010), (4990, 5060), (5000, 5050), (4960, 5000)]),
            Look::Alike
        );
        assert_eq!(
            looks([(3000, 5010), (4990, 9000), (5000, 5050), (4960, 5000)]),
            Look::Unclear
        );
    }
}
