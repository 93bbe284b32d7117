//! The digest of rows, as the specification's chapter on digests has it: made here anew, so that few faults are shared with those who are judged: the
//! library that writes the canonical form, and for that there are vectors which another program made.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::replica::{Replica, Row, Sibling};

/// How many rows there are, and the sum of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// How many.
    pub count: u64,
    /// The sum, modulo 2^128.
    pub sum: u128,
}

impl Digest {
    /// The digest of what a replica holds.
    #[must_use]
    pub fn of(replica: &Replica) -> Digest {
        let mut digest = Digest::default();
        let rows = replica.rows.iter().filter(|(_, row)| !row.document);
        for ((table, key), row) in rows {
            digest.count += 1;
            digest.sum = digest.sum.wrapping_add(number(table, key, row));
        }
        digest
    }

    /// The sum as frames have it.
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:032x}", self.sum)
    }
}

/// The number of a row.
fn number(table: &str, key: &str, row: &Row) -> u128 {
    let mut parts = json!([table, key, row.version, row.value]);
    if let (false, Some(parts)) = (row.siblings.is_empty(), parts.as_array_mut()) {
        let sibling =
            |sibling: &Sibling| json!({ "version": sibling.version, "value": sibling.value });
        parts.push(row.siblings.iter().map(sibling).collect());
    }
    let canonical =
        serde_json_canonicalizer::to_vec(&parts).expect("every JSON value has a canonical form");
    let hash = Sha256::digest(&canonical);
    hash[..16]
        .iter()
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::history::whole;

    #[test]
    fn the_vectors_hold() {
        let vectors = include_str!("../../../schemas/v1/vectors/digests.json");
        let vectors: Value = serde_json::from_str(vectors).expect("JSON");
        let rows = vectors["rows"].as_array().expect("rows");
        assert!(rows.len() > 10);
        for row in rows {
            let text = |name: &str| row[name].as_str().expect("a string").to_owned();
            let version = whole(&row["version"]).expect("a version");
            let value = serde_json::from_str(&text("value")).expect("JSON");
            let siblings = row["siblings"].as_str().map_or_else(Vec::new, |text| {
                let siblings: Value = serde_json::from_str(text).expect("JSON");
                let siblings = siblings.as_array().expect("a list").iter();
                let sibling = |sibling: &Value| Sibling {
                    version: whole(&sibling["version"]).expect("a version"),
                    value: sibling["value"].clone(),
                };
                siblings.map(sibling).collect()
            });
            let held = Row {
                value,
                version,
                siblings,
                document: false,
            };
            let number = number(&text("table"), &text("key"), &held);
            assert_eq!(format!("{number:032x}"), text("number"), "{}", row["what"]);
        }
    }
}
