//! How often a part of a value can be judged: bounded, before a value is.

use super::places::{Place, Places, Within};
use crate::{DEPTH_CEILING, Violation};

/// How many schemas may judge one part of a value, each counted as often as it is reached. Two references to the same schema, each again in a schema with
/// two, and so on, make thousands of millions of few lines; so does recursion in two arms of a union, on a value that is nested deep.
pub const JUDGED_MAX: u64 = 1_000;

/// How many schemas may stand one within the other on the way to a part of a value: judging is recursive. Rules that recur may pass through five for each
/// level of the deepest value.
const LONGEST_MAX: u64 = 5 * DEPTH_CEILING;

/// How often a part of a value is judged at most.
pub(super) fn judged(places: &Places) -> Result<u64, Violation> {
    let order = order(places)?;
    let (mut above, mut most) = (Vec::new(), 0);
    for _ in 0..=DEPTH_CEILING {
        let level = level(places, &order, &above);
        let Reach { judged, longest } = level[0];
        if judged > JUDGED_MAX {
            let reason = format!("a part of a value could be judged more than {JUDGED_MAX} times");
            return Err(Violation::new(String::new(), reason));
        }
        if longest > LONGEST_MAX {
            let reason = "judging could pass through too many schemas".to_owned();
            return Err(Violation::new(String::new(), reason));
        }
        most = judged.max(most);
        if level == above {
            break;
        }
        above = level;
    }
    Ok(most)
}

/// What a schema comes to for the parts that stand so many levels within the value that it judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reach {
    /// How many schemas judge one part.
    judged: u64,
    /// How many stand on the longest way to one.
    longest: u64,
}

impl Reach {
    fn and(self, other: Reach) -> Reach {
        Reach {
            judged: self.judged.saturating_add(other.judged),
            longest: self.longest.max(other.longest),
        }
    }

    fn or(self, other: Reach) -> Reach {
        Reach {
            judged: self.judged.max(other.judged),
            longest: self.longest.max(other.longest),
        }
    }
}

/// What each schema comes to one level further within than `above`; nothing above: for the value itself.
fn level(places: &Places, order: &[usize], above: &[Reach]) -> Vec<Reach> {
    let mut level = vec![Reach::default(); places.schemas.len()];
    for index in order {
        let place = &places.schemas[*index];
        let same = { place.same.iter() }.fold(Reach::default(), |all, same| all.and(level[*same]));
        let times = if place.asks_again { 3 } else { 1 };
        let own = if above.is_empty() {
            Reach {
                judged: 1,
                longest: 0,
            }
        } else {
            within(place, above)
        };
        let all = own.and(Reach {
            judged: same.judged.saturating_mul(times),
            longest: same.longest,
        });
        level[*index] = Reach {
            longest: if all.judged == 0 { 0 } else { all.longest + 1 },
            ..all
        };
    }
    level
}

fn within(place: &Place, above: &[Reach]) -> Reach {
    let of = |within: &Within| {
        let one = { within.one_of.iter() }.fold(Reach::default(), |most, one| most.or(above[*one]));
        within
            .each
            .iter()
            .fold(one, |all, each| all.and(above[*each]))
    };
    of(&place.within[0]).or(of(&place.within[1]))
}

/// The schemas in an order in which each comes after those that it leads to for the same value.
fn order(places: &Places) -> Result<Vec<usize>, Violation> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        Begun,
        Done,
    }
    let mut seen = vec![Seen::Not; places.schemas.len()];
    let mut order = Vec::with_capacity(seen.len());
    for start in 0..seen.len() {
        let mut way = vec![(start, 0)];
        while let Some((index, next)) = way.last_mut() {
            let (place, at) = (&places.schemas[*index], *index);
            if seen[at] == Seen::Done {
                way.pop();
                continue;
            }
            seen[at] = Seen::Begun;
            let Some(same) = place.same.get(*next) else {
                seen[at] = Seen::Done;
                order.push(at);
                way.pop();
                continue;
            };
            *next += 1;
            if seen[*same] == Seen::Begun {
                let reason = "this leads to itself for one and the same value".to_owned();
                return Err(Violation::new(place.at.clone(), reason));
            }
            way.push((*same, 0));
        }
    }
    Ok(order)
}
