//! Which names a table and a row may have (MODEL-TABLE-NAME, MODEL-KEY).

use syncline_schemas::Limits;

/// Why a name is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameFault {
    /// No server allows it.
    Forbidden(&'static str),
    /// Only its length is at fault.
    TooLong,
}

/// Checks the name of a table.
pub(crate) fn check_table(name: &str, limits: &Limits) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Forbidden("a table's name is not empty"));
    }
    if has_controls(name) {
        return Err(NameFault::Forbidden(
            "a table's name has no control characters",
        ));
    }
    check_length(name, limits.table_bytes_max)
}

/// Checks the name of a sequence: the rules of tables' names, in a name space of its own (SEQN-NAME).
pub(crate) fn check_sequence(name: &str, limits: &Limits) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Forbidden("a sequence's name is not empty"));
    }
    if has_controls(name) {
        return Err(NameFault::Forbidden(
            "a sequence's name has no control characters",
        ));
    }
    check_length(name, limits.table_bytes_max)
}

fn has_controls(name: &str) -> bool {
    name.bytes().any(|byte| byte < 0x20 || byte == 0x7f)
}

/// Checks the key of a row.
pub(crate) fn check_key(key: &str, limits: &Limits) -> Result<(), NameFault> {
    if key.contains('\0') {
        return Err(NameFault::Forbidden("a key has no U+0000"));
    }
    check_length(key, limits.key_bytes_max)
}

fn check_length(name: &str, bytes_max: u64) -> Result<(), NameFault> {
    if name.len() as u64 > bytes_max {
        Err(NameFault::TooLong)
    } else {
        Ok(())
    }
}

/// The step of a JSON Pointer that leads to a member; nothing, if the name is so long that it would swell an answer.
pub(crate) fn pointer_step(name: &str) -> Option<String> {
    (name.len() <= 1024).then(|| format!("/{}", name.replace('~', "~0").replace('/', "~1")))
}

/// The beginning of a text, for people: answers stay small whatever was sent.
pub(crate) fn clipped(text: &str) -> String {
    const BYTES_MAX: usize = 160;
    if text.len() <= BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=BYTES_MAX)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}...", &text[..end])
}
