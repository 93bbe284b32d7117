//! `canonical`: the canonical form of JSON, and the digest of rows that is made of it, against a writer that shares no code with them (`DIG-SUM`).
//!
//! The bytes are a text of JSON; of any other, every eight are a double.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use syncline_schemas::{DEPTH_CEILING, Json, RowNumber, RowsDigest, Sibling};

use crate::plain::{self, Plain};

/// Fails if the two canonical forms differ, or the numbers of a row that has the value.
pub fn check(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    match text.and_then(|text| plain::read(text, DEPTH_CEILING as usize).ok()) {
        Some(value) => of_value(text.unwrap_or_default(), &value),
        None => data.chunks_exact(8).for_each(of_double),
    }
}

fn of_double(bytes: &[u8]) {
    let mut bits = [0; 8];
    bits.copy_from_slice(bytes);
    let number = f64::from_le_bytes(bits);
    if number.is_finite() {
        let written = serde_json_canonicalizer::to_string(&number).expect("a finite number");
        assert_eq!(written, plain::ecmascript(number), "{number:?}");
        let read = written.parse::<f64>().expect("a number");
        assert!(read == number, "{number:?} comes back");
    }
}

fn of_value(text: &str, value: &Plain) {
    let json = Json::parse(text).expect("what one reader takes, the other does");
    let tree = json.to_value().expect("it was checked");
    let canonical =
        serde_json_canonicalizer::to_string(&tree).expect("a tree has a canonical form");
    assert_eq!(canonical, value.canonical(), "{text}");
    let again = plain::read(&canonical, DEPTH_CEILING as usize).expect("it is JSON");
    assert_eq!(again.canonical(), canonical, "it is its own canonical form");
    of_row(&json, value, &canonical);
}

/// The row that has this value; where it is a list, the row that has its items.
fn of_row(json: &Json, value: &Plain, canonical: &str) {
    let row = format!("[\"t\",\"k\\\"\",7,{canonical}]");
    let alone = RowNumber::of("t", "k\"", 7, json).expect("it has a canonical form");
    assert_eq!(sum_of(&[alone]), sums(&[&row]));
    let Plain::List(items) = value else { return };
    let sibling = |item: Value| Sibling {
        version: 3,
        value: item.into(),
    };
    let tree = json.to_value().expect("it was checked");
    let siblings: Vec<Sibling> = { tree.as_array().into_iter().flatten().cloned() }
        .map(sibling)
        .collect();
    let written = items
        .iter()
        .map(|item| format!("{{\"value\":{},\"version\":3}}", item.canonical()));
    let written = written.collect::<Vec<_>>().join(",");
    let row = match items.is_empty() {
        true => "[\"t\",\"\",9,null]".to_owned(),
        false => format!("[\"t\",\"\",9,null,[{written}]]"),
    };
    let several = RowNumber::with_siblings("t", "", 9, &Json::null(), &siblings);
    let several = several.expect("it has a canonical form");
    assert_eq!(sum_of(&[several]), sums(&[&row]));
    let first = format!("[\"t\",\"k\\\"\",7,{canonical}]");
    assert_eq!(sum_of(&[alone, several]), sums(&[&first, &row]));
    assert_eq!(
        sum_of(&[several, alone]),
        sums(&[&first, &row]),
        "in any order"
    );
}

/// The sum as the crate makes it, with another row that comes and goes.
fn sum_of(rows: &[RowNumber]) -> String {
    let passing = RowNumber::of("t", "passing", 1, &Json::null()).expect("null");
    let mut digest = RowsDigest::default();
    digest.add(passing);
    rows.iter().for_each(|row| digest.add(*row));
    digest.take(passing);
    assert_eq!(digest.count, rows.len() as u64);
    let parts = RowsDigest::from_parts(digest.count, &digest.sum());
    assert_eq!(parts, Some(digest), "what it says can be read");
    digest.sum()
}

/// The sum of rows in canonical form, byte by byte as the chapter says it.
fn sums(rows: &[&str]) -> String {
    let mut sum = [0_u8; 16];
    for row in rows {
        let hash = Sha256::digest(row.as_bytes());
        let mut carry = 0;
        for (own, other) in sum.iter_mut().zip(&hash[..16]).rev() {
            let both = u16::from(*own) + u16::from(*other) + carry;
            [*own, _] = both.to_le_bytes();
            carry = both >> 8;
        }
    }
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}
