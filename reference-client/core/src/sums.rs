//! What the base's rows come to, table by table: kept up to date row by row, so that a check costs nothing of its own (`DIG-COMPARE`).
//!
//! A table is summed up when its sum is asked for first, from the rows that are really there, as the store gave them; from then on only what changes is added and
//! taken away. So a store that was damaged is found at the first check after it was opened, and who never checks pays nothing.

use std::collections::BTreeMap;

use syncline_schemas::{RowNumber, RowsDigest};

use crate::stored::{Row, StoreChange, StoredState, Tables};

/// The sums of the tables that were asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums(BTreeMap<String, RowsDigest>);

impl Sums {
    /// What the base's rows of some tables come to. None: a value cannot be read, and so is not the server's.
    pub(crate) fn of(&mut self, stored: &StoredState, tables: &Tables) -> Option<RowsDigest> {
        let mut all = RowsDigest::default();
        for table in tables {
            let sum = match self.0.get(table) {
                Some(sum) => *sum,
                None => scan(stored, table)?,
            };
            self.0.insert(table.clone(), sum);
            all = all.and(sum);
        }
        Some(all)
    }

    /// A row is about to change.
    pub(crate) fn follow(&mut self, stored: &StoredState, change: &StoreChange) {
        let (table, key, row) = match change {
            StoreChange::RowPut { table, key, row } => (table, key, Some(row)),
            StoreChange::RowDropped { table, key } => (table, key, None),
            _ => return,
        };
        let Some(sum) = self.0.get_mut(table) else {
            return;
        };
        let before = stored.base_row(table, key);
        let numbers = (
            before.map(|row| number(table, key, row)).transpose(),
            row.map(|row| number(table, key, row)).transpose(),
        );
        let (Ok(before), Ok(after)) = numbers else {
            // It is summed up anew when it is asked for, and then found unreadable, if it still is.
            self.0.remove(table);
            return;
        };
        before.into_iter().for_each(|number| sum.take(number));
        after.into_iter().for_each(|number| sum.add(number));
    }
}

/// What a table's rows come to, each looked at.
fn scan(stored: &StoredState, table: &str) -> Option<RowsDigest> {
    let mut digest = RowsDigest::default();
    for (key, row) in stored.base.get(table).into_iter().flatten() {
        digest.add(number(table, key, row).ok()?);
    }
    Some(digest)
}

fn number(table: &str, key: &str, row: &Row) -> Result<RowNumber, serde_json::Error> {
    RowNumber::with_siblings(table, key, row.version, &row.value, &row.siblings)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use syncline_schemas::{Json, Sibling};

    use super::*;

    /// A change of a row of few: a version, and whether it has a sibling; none: it is dropped.
    fn change() -> impl Strategy<Value = StoreChange> {
        let row = prop::option::weighted(0.7, (1..9u64, any::<i8>(), any::<bool>()));
        (0..2usize, 0..4u8, row).prop_map(|(table, key, row)| {
            let (table, key) = (["a", "b"][table].to_owned(), key.to_string());
            let Some((version, value, beside)) = row else {
                return StoreChange::RowDropped { table, key };
            };
            let json = |value: i8| Json::parse(&value.to_string()).expect("JSON");
            let sibling = Sibling {
                version: version - 1,
                value: json(value.wrapping_add(1)),
            };
            let row = Row {
                version,
                value: json(value),
                siblings: beside.then_some(sibling).into_iter().collect(),
            };
            StoreChange::RowPut { table, key, row }
        })
    }

    proptest! {
        /// Whenever a table is asked for first, and whatever changes before and after: the sum is that of a scan.
        #[test]
        fn a_sum_that_is_kept_is_that_of_a_scan(
            steps in prop::collection::vec((change(), 0..4u8), 1..60),
        ) {
            let (mut stored, mut sums) = (StoredState::default(), Sums::default());
            for (change, asks) in steps {
                sums.follow(&stored, &change);
                stored.apply_change(change);
                let names = [("a", 1), ("b", 2)].into_iter();
                let asked: Tables = names
                    .filter(|(_, bit)| asks & bit > 0)
                    .map(|(name, _)| name.to_owned())
                    .collect();
                let kept = sums.of(&stored, &asked);
                let scanned = Sums::default().of(&stored, &asked);
                prop_assert_eq!(kept, scanned);
            }
        }
    }

    /// What a store gave is summed up as it is: a value that is not JSON is found.
    #[test]
    fn a_value_that_cannot_be_read_is_never_held() {
        let unreadable: Json = serde_json::from_str(r#""\ud800""#).expect("raw");
        let tables: Tables = ["a".to_owned()].into();
        let put = |value: Json| StoreChange::RowPut {
            table: "a".to_owned(),
            key: "k".to_owned(),
            row: Row {
                version: 1,
                value,
                siblings: Vec::new(),
            },
        };
        let (mut stored, mut sums) = (StoredState::default(), Sums::default());
        assert_eq!(sums.of(&stored, &tables), Some(RowsDigest::default()));
        for (value, readable) in [(unreadable, false), (Json::parse("1").expect("JSON"), true)] {
            sums.follow(&stored, &put(value.clone()));
            stored.apply_change(put(value));
            assert_eq!(sums.of(&stored, &tables).is_some(), readable);
        }
    }
}
