//! Base64 (RFC 4648, section 4): how bytes that nobody looks into travel in JSON.
//!
//! One text for the same bytes, always: with padding, nothing between, the bits that are left zero. So two texts are
//! equal if and only if their bytes are.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes as base64.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = (at(0) << 16) | (at(1) << 8) | at(2);
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            text.push(match place <= group.len() {
                true => char::from(ALPHABET[sextet as usize]),
                false => '=',
            });
        }
    }
    text
}

/// Reads base64; nothing, if the text is not what [`encode`] writes for some bytes.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    read(text, |group| bytes.extend_from_slice(group)).then_some(bytes)
}

/// Whether [`decode`] would read the text.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    read(text, |_| {})
}

/// Reads groups of four characters as up to three bytes each. Says whether that is all there is.
fn read(text: &str, mut take: impl FnMut(&[u8])) -> bool {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return false;
    }
    let groups = text.len() / 4;
    for (index, group) in text.chunks_exact(4).enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups) {
            return false;
        }
        let mut bits = 0;
        for byte in &group[..4 - padding] {
            let Some(sextet) = sextet(*byte) else {
                return false;
            };
            bits = (bits << 6) | sextet;
        }
        bits <<= 6 * padding;
        let [_, first, second, third] = u32::to_be_bytes(bits);
        let all = [first, second, third];
        let (there, left) = all.split_at(3 - padding);
        if left.iter().any(|byte| *byte != 0) {
            return false;
        }
        take(there);
    }
    true
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], text: &str) {
        assert_eq!(encode(bytes), text);
        assert_eq!(decode(text).as_deref(), Some(bytes));
        assert!(is_valid(text));
    }

    /// The test vectors of RFC 4648, section 10, and the ends of the alphabet.
    #[test]
    fn vectors() {
        check(b"", "");
        check(b"f", "Zg==");
        check(b"fo", "Zm8=");
        check(b"foo", "Zm9v");
        check(b"foob", "Zm9vYg==");
        check(b"fooba", "Zm9vYmE=");
        check(b"foobar", "Zm9vYmFy");
        check(&[0xfb, 0xff, 0xbf], "+/+/");
        check(&[0, 0, 0, 0], "AAAAAA==");
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        for from in 0..all.len() {
            assert_eq!(decode(&encode(&all[from..])).as_deref(), Some(&all[from..]));
        }
    }

    #[test]
    fn what_is_not_written_so_is_refused() {
        for text in [
            "Zg",
            "Zg=",
            "Zg===",
            "Z===",
            "====",
            "=",
            "Zh==",
            "Zm9=",
            "Zm9v ",
            " Zm9v",
            "Zm9v\n",
            "Zm9v====",
            "Zg==Zm9v",
            "Zm-_",
            "Zm\u{e9}v",
            "Zm9\u{0}",
            "Z=9v",
        ] {
            assert_eq!(decode(text), None, "{text:?}");
            assert!(!is_valid(text), "{text:?}");
        }
    }
}
