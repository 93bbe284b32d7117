//! Random names: epochs and sessions (`SEC`: nobody can guess one).

use std::fmt::Write;

/// A name of 128 random bits.
pub(crate) fn name() -> String {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("a server cannot do without the system's random source");
    let mut name = String::with_capacity(32);
    for byte in bits {
        // Writing into a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_differ_and_are_idents() {
        let (a, b) = (super::name(), super::name());
        assert_ne!(a, b);
        assert_eq!(a.len(), 32);
        assert!(a.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
