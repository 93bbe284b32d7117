//! Writing JSON straight into a text.
//!
//! What is written by the hundred thousand (changes, outcomes, records, rows of checkpoints) is written with these; serde, which goes through every
//! name of a member character by character, takes several times as long. The rest is left to serde.

use std::fmt::Write;

use serde::Serialize;

/// Writes a string.
pub(crate) fn string(text: &mut String, value: &str) {
    // All bytes are looked at, whatever the first ones say: so the compiler looks at many at once.
    let escapes = |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    if value.bytes().fold(false, escapes) {
        return other(text, value);
    }
    text.push('"');
    text.push_str(value);
    text.push('"');
}

/// Writes an integer.
pub(crate) fn integer(text: &mut String, value: u64) {
    write!(text, "{value}").expect("a String takes every write");
}

/// Writes anything else.
pub(crate) fn other<T: Serialize + ?Sized>(text: &mut String, value: &T) {
    let json =
        serde_json::to_string(value).expect("what is written has only members that JSON can say");
    text.push_str(&json);
}

/// Writes values with commas between them.
pub(crate) fn list<T>(
    text: &mut String,
    values: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(text, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_written_as_serde_writes_them() {
        for value in [
            "",
            "a/é\u{2028}🦋\u{7f}",
            "\"",
            "a\\",
            "\n",
            "k\u{1}",
            "\u{1f}",
        ] {
            let mut text = String::new();
            string(&mut text, value);
            assert_eq!(text, serde_json::to_string(value).expect("a string"));
        }
    }
}
