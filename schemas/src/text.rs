//! Writing strings straight into a text of JSON. Nearly none has anything to escape, and serde looks at each byte by itself.

/// Writes a string as JSON.
pub fn push_string(text: &mut String, value: &str) {
    if has_escapes(value.as_bytes()) {
        let escaped = serde_json::to_string(value).expect("every string has a text");
        return text.push_str(&escaped);
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
            push_string(&mut text, value);
            assert_eq!(text, serde_json::to_string(value).expect("a string"));
        }
    }
}
