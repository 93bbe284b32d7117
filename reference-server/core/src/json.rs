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

/// Whether JSON escapes any of these bytes: control characters, `"` and `\`. Eight bytes are looked at together.
fn has_escapes(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).any(|word| {
        const EACH: u64 = u64::from_le_bytes([1; 8]);
        let word = u64::from_le_bytes(*word);
        // The highest bit of a byte is set if it, or a lower one, is less than `n`.
        let less = |word: u64, n: u8| word.wrapping_sub(EACH * u64::from(n)) & !word;
        let equal = |byte: u8| less(word ^ (EACH * u64::from(byte)), 1);
        (less(word, 0x20) | equal(b'"') | equal(b'\\')) & (EACH << 7) != 0
    })
}

/// Writes an integer.
pub(crate) fn integer(text: &mut String, mut value: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    text.push_str(str::from_utf8(&digits[first..]).expect("digits are ASCII"));
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
