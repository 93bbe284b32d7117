//! What a filter says by keys alone: what it can never take is not looked at, and what it names is found without going through the table.

use std::collections::BTreeSet;

use syncline_schemas::Filter;

/// Whether what has this key matches, if that is so whatever its fields are.
pub(super) fn settled(filter: &Filter, key: &str) -> Option<bool> {
    let among = |filters: &[Filter], decisive: bool| {
        let mut settled = filters.iter().map(|filter| settled(filter, key));
        let all_known = settled.clone().all(|one| one == Some(!decisive));
        match settled.any(|one| one == Some(decisive)) {
            true => Some(decisive),
            false => all_known.then_some(!decisive),
        }
    };
    match filter {
        Filter::Eq { .. } | Filter::In { .. } | Filter::Range { .. } => None,
        Filter::Keys(keys) => Some(keys.iter().any(|one| one == key)),
        Filter::And(filters) => among(filters, false),
        Filter::Or(filters) => among(filters, true),
        Filter::Not(filter) => settled(filter, key).map(|settled| !settled),
    }
}

/// The keys of which one is needed to match, if the filter names them: others need not be looked for.
pub(super) fn named(filter: &Filter) -> Option<BTreeSet<&str>> {
    match filter {
        Filter::Keys(keys) => Some(keys.iter().map(String::as_str).collect()),
        // Each of them must match, so the fewest will do.
        Filter::And(filters) => { filters.iter().filter_map(named) }.min_by_key(BTreeSet::len),
        Filter::Or(filters) => {
            filters
                .iter()
                .map(named)
                .try_fold(BTreeSet::new(), |mut all, named| {
                    all.extend(named?);
                    Some(all)
                })
        }
        Filter::Eq { .. } | Filter::In { .. } | Filter::Range { .. } | Filter::Not(_) => None,
    }
}
