//! [`RowsDigest`]: what a set of rows comes to, in the words of the specification's chapter on digests.

use sha2::{Digest as _, Sha256};

use crate::Sibling;
use crate::json::Json;

/// How many rows a set has, and the sum of their numbers, modulo 2^128.
///
/// Rows are added and taken away in any order: a digest is kept up to date at the price of the rows that change.
///
/// ```
/// use syncline_schemas::{RowsDigest, Json, RowNumber};
///
/// let milk = RowNumber::of("notes", "1", 1, &Json::parse(r#""buy milk""#)?)?;
/// let mut digest = RowsDigest::default();
/// digest.add(milk);
/// assert_eq!((digest.count, digest.sum().as_str()), (1, "2ce5e3f871776c41b7476b71581f9397"));
/// digest.take(milk);
/// assert_eq!(digest, RowsDigest::default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsDigest {
    /// How many rows.
    pub count: u64,
    sum: u128,
}

/// The number of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowNumber(u128);

impl RowNumber {
    /// The number of a row: of SHA-256 of the canonical form (RFC 8785) of `[table, key, version, value]` the first 16 bytes.
    ///
    /// # Errors
    /// The value has no canonical form: possible only if it was deserialized from a text that nobody checked.
    pub fn of(
        table: &str,
        key: &str,
        version: u64,
        value: &Json,
    ) -> Result<RowNumber, serde_json::Error> {
        RowNumber::with_siblings(table, key, version, value, &[])
    }

    /// The number of a row that may have several values: of several it is that of `[table, key, version, value, siblings]`.
    ///
    /// # Errors
    /// A value has no canonical form: possible only if it was deserialized from a text that nobody checked.
    pub fn with_siblings(
        table: &str,
        key: &str,
        version: u64,
        value: &Json,
        siblings: &[Sibling],
    ) -> Result<RowNumber, serde_json::Error> {
        let row = (table, key, version, value.to_value()?);
        let canonical = match siblings {
            [] => serde_json_canonicalizer::to_vec(&row)?,
            siblings => {
                let siblings = serde_json::to_value(siblings)?;
                serde_json_canonicalizer::to_vec(&(row.0, row.1, row.2, row.3, siblings))?
            }
        };
        let mut first = [0; 16];
        first.copy_from_slice(&Sha256::digest(&canonical)[..16]);
        Ok(RowNumber(u128::from_be_bytes(first)))
    }
}

impl RowsDigest {
    /// Of rows of which so many are known, and their sum, as 32 hexadecimal digits. Nothing, if it is none.
    #[must_use]
    pub fn from_parts(count: u64, sum: &str) -> Option<RowsDigest> {
        let digits = sum.len() == 32 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sum = u128::from_str_radix(sum, 16).ok().filter(|_| digits)?;
        Some(RowsDigest { count, sum })
    }

    /// There is one row more.
    pub fn add(&mut self, row: RowNumber) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(row.0);
    }

    /// There is one row less: one that was added before.
    pub fn take(&mut self, row: RowNumber) {
        self.count = self.count.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(row.0);
    }

    /// These rows and others, of which none is among these.
    #[must_use]
    pub fn and(self, others: RowsDigest) -> RowsDigest {
        RowsDigest {
            count: self.count + others.count,
            sum: self.sum.wrapping_add(others.sum),
        }
    }

    /// The sum as 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn sum(&self) -> String {
        format!("{:032x}", self.sum)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        rows: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        what: String,
        table: String,
        key: String,
        version: u64,
        value: String,
        #[serde(default)]
        siblings: Option<String>,
        canonical: String,
        number: String,
        sum: String,
    }

    impl Vector {
        fn number(&self) -> RowNumber {
            let value = Json::parse(&self.value).unwrap();
            let siblings: Vec<Sibling> = match &self.siblings {
                Some(siblings) => serde_json::from_str(siblings).unwrap(),
                None => Vec::new(),
            };
            let (table, key) = (&self.table, &self.key);
            RowNumber::with_siblings(table, key, self.version, &value, &siblings).unwrap()
        }
    }

    fn vectors() -> Vec<Vector> {
        let vectors: Vectors =
            serde_json::from_str(include_str!("../v1/vectors/digests.json")).unwrap();
        assert!(vectors.rows.len() > 10);
        vectors.rows
    }

    #[test]
    fn the_vectors_hold() {
        let mut digest = RowsDigest::default();
        for (index, row) in vectors().iter().enumerate() {
            let tree = |text: &String| Json::parse(text).unwrap().to_value().unwrap();
            let mut parts = serde_json::json!([row.table, row.key, row.version, tree(&row.value)]);
            parts
                .as_array_mut()
                .unwrap()
                .extend(row.siblings.as_ref().map(tree));
            let canonical = serde_json_canonicalizer::to_string(&parts).unwrap();
            assert_eq!(canonical, row.canonical, "{}", row.what);
            assert_eq!(
                format!("{:032x}", row.number().0),
                row.number,
                "{}",
                row.what
            );
            digest.add(row.number());
            assert_eq!(
                digest,
                RowsDigest::from_parts(index as u64 + 1, &row.sum).unwrap(),
                "{}",
                row.what
            );
            assert_eq!(digest.sum(), row.sum);
        }
    }

    #[test]
    fn what_is_taken_away_was_never_there() {
        let rows = vectors();
        let mut digest = RowsDigest::default();
        rows.iter().for_each(|row| digest.add(row.number()));
        rows.iter().rev().for_each(|row| digest.take(row.number()));
        assert_eq!(digest, RowsDigest::default());
    }

    #[test]
    fn a_sum_has_32_digits() {
        for wrong in [
            "",
            "0",
            "0000000000000000000000000000000g",
            "+0000000000000000000000000000001",
        ] {
            assert_eq!(RowsDigest::from_parts(0, wrong), None, "{wrong:?}");
        }
    }
}
