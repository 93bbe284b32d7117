//! What all pages of a history told: each change the same whenever it is told.

use std::collections::BTreeMap;

use super::page::{Page, Said};
use crate::checkers::Findings;
use crate::facts::RowName;
use crate::matcher::equal;

/// Each change as it was told first, by version and row.
pub(super) struct Told<'a> {
    first: BTreeMap<(u64, RowName<'a>), (usize, Said<'a>)>,
}

impl<'a> Told<'a> {
    pub(super) fn of(pages: &[Page<'a>]) -> Told<'a> {
        let mut first = BTreeMap::new();
        for page in pages {
            for said in &page.changes {
                let named = (said.version, said.row);
                first.entry(named).or_insert((page.at, *said));
            }
        }
        Told { first }
    }

    /// The index of a change, if it was ever told.
    pub(super) fn index(&self, version: u64, row: RowName<'a>) -> Option<u64> {
        self.first.get(&(version, row)).map(|(_, said)| said.index)
    }

    /// A change that is told again is the same, moments follow the versions, and what was forgotten stays so.
    pub(super) fn judge(&self, pages: &[Page<'a>], findings: &mut Findings) {
        for page in pages {
            for said in &page.changes {
                let (at, first) = &self.first[&(said.version, said.row)];
                if *at == page.at {
                    continue;
                }
                let expected = || format!("what was told before: {}", first.json);
                let same = equal(first.json, said.json);
                findings.must("HIST-KEPT", same, [*at, page.at], expected, || {
                    said.json.to_string()
                });
            }
        }
        let mut last: Option<(usize, Said<'a>)> = None;
        for (at, said) in self.first.values() {
            if let Some((before_at, before)) = last {
                let expected =
                    || format!("not before {}, the moment of {}", before.at_ms, before.json);
                let holds = said.at_ms >= before.at_ms;
                findings.must("HIST-AT", holds, [before_at, *at], expected, || {
                    said.json.to_string()
                });
            }
            last = Some((*at, *said));
        }
        for later in pages {
            let earlier = pages.iter().filter(|earlier| earlier.at < later.asked_at);
            let Some(earlier) = earlier.max_by_key(|earlier| earlier.from) else {
                continue;
            };
            let expected = || format!("from: {} or more, as before", earlier.from);
            let at = [earlier.at, later.at];
            findings.must(
                "HIST-FROM",
                later.from >= earlier.from,
                at,
                expected,
                || format!("from: {}", later.from),
            );
        }
    }
}
