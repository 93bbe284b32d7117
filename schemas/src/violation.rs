//! [`Violation`]: what is wrong with a text or a value, and where.

use std::fmt;

/// One way in which a value breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer to what breaks it; empty for the value itself.
    pub at: String,
    /// For people: which rule, and how.
    pub reason: String,
}

/// The longest pointer, and the longest reason, in bytes: both quote what came from outside, and go back in a frame.
const BYTES_MAX: usize = 500;

impl Violation {
    /// A violation; a pointer that is too long names what encloses its target, a reason is cut.
    pub(crate) fn new(mut at: String, mut reason: String) -> Violation {
        if at.len() > BYTES_MAX {
            let enclosing = at.as_bytes()[..BYTES_MAX]
                .iter()
                .rposition(|byte| *byte == b'/');
            at.truncate(enclosing.unwrap_or(0));
        }
        if reason.len() > BYTES_MAX {
            let whole = (0..=BYTES_MAX)
                .rev()
                .find(|end| reason.is_char_boundary(*end));
            reason.truncate(whole.unwrap_or(0));
            reason.push_str(" ...");
        }
        Violation { at, reason }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (at {:?})", self.reason, self.at)
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_bounded() {
        let long = "é".repeat(1000);
        let violation = Violation::new(format!("/rows/{long}/x"), format!("x{long}"));
        assert_eq!(violation.at, "/rows");
        assert_eq!(violation.reason, format!("x{} ...", "é".repeat(249)));
    }

    #[test]
    fn what_is_short_is_left_alone() {
        let violation = Violation::new("/a/b".to_owned(), "no".to_owned());
        assert_eq!(
            (violation.at.as_str(), violation.reason.as_str()),
            ("/a/b", "no")
        );
        assert_eq!(violation.to_string(), "no (at \"/a/b\")");
    }
}
