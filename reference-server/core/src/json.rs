//! Writing JSON straight into a text.
//!
//! What is written by the hundred thousand (changes, outcomes, records, rows of checkpoints) is written with these; serde, which goes through every
//! name of a member character by character, takes several times as long. The rest is left to serde.

use serde::Serialize;

/// Writes a string.
pub(crate) fn string(text: &mut String, value: &str) {
    if has_escapes(value.as_bytes()) {
        return other(text, value);
    }
    text.push('"');
    text.push_str(value);
    text.push('"');
}

/// Whether JSON escapes any of these bytes: control characters, `"` and `\`. Eight are looked at together, the last of them perhaps twice.
fn has_escapes(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else {
        return bytes
            .iter()
            .any(|byte| matches!(byte, ..0x20 | b'"' | b'\\'));
    };
    let (words, _) = bytes.as_chunks();
    words.iter().chain([last]).any(|word| {
        const EACH: u64 = u64::from_le_bytes([1; 8]);
        let word = u64::from_le_bytes(*word);
        // The highest bit of a byte is set if it, or a lower one, is less than `n`.
        let less = |word: u64, n: u8| word.wrapping_sub(EACH * u64::from(n)) & !word;
        let equal = |byte: u8| less(word ^ (EACH * u64::from(byte)), 1);
        (less(word, 0x20) | equal(b'"') | equal(b'\\')) & (EACH << 7) != 0
    })
}

/// Writes an integer.
pub(crate) fn integer(text: &mut String, value: u64) {
    if value >= 10 {
        integer(text, value / 10);
    }
    text.push(char::from(b'0' + (value % 10) as u8));
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
    fn integers_are_written_whole() {
        for value in [0, 9, 10, 1_700_000_000_000, u64::MAX] {
            let mut text = String::new();
            integer(&mut text, value);
            assert_eq!(text, value.to_string());
        }
    }

    #[test]
    fn strings_are_written_as_serde_writes_them() {
        for value in [
            "",
            "abcdefgh",
            "abcdefg\\",
            "abcdefgh\"",
            "\u{1f}bcdefghi",
            "éééé\u{ff}",
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
