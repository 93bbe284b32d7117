//! Writing JSON straight into a text.
//!
//! What is written by the hundred thousand (changes, outcomes, records, rows of checkpoints) is written with these; serde, which goes through every
//! name of a member character by character, takes several times as long. The rest is left to serde.

use serde::Serialize;
pub(crate) use syncline_schemas::push_string as string;

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
}
