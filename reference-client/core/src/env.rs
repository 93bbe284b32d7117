//! What a core may not fetch itself: the time and random bits, handed in with every input.
//!
//! Random bits come anew with each call, never from a seed kept in memory: a virtual machine that is paused and resumed twice
//! would otherwise give two different mutations one `opId`, and the server would take the second for a retry of the first.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The time and random bits of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Env {
    /// The client's clock, in milliseconds since 1970: for ages that outlive the process. It may be wrong, and may go back.
    pub wall_ms: u64,
    /// A clock that never goes back, in milliseconds since any moment: for waiting.
    pub steady_ms: u64,
    /// 128 bits of a good random source, new for each input (`SEC-RANDOM`).
    pub random: u128,
}

impl Env {
    /// A new identifier (`SEC-RANDOM`): 128 bits as 32 hexadecimal digits. One input makes at most one for each purpose.
    pub(crate) fn ident(&self, purpose: &str) -> String {
        hex_of(&self.draw(purpose))
    }

    /// A random number from 0 to `bound`.
    pub(crate) fn jitter(&self, bound: u64) -> u64 {
        let drawn = self.draw("jitter");
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&drawn[..8]);
        u64::from_le_bytes(bytes) % bound.saturating_add(1)
    }

    /// The bits for one purpose: hashed, so that the waiting time tells nothing of the secret `clientId`.
    fn draw(&self, purpose: &str) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(purpose.as_bytes());
        hash.update(self.random.to_le_bytes());
        let mut drawn = [0; 16];
        drawn.copy_from_slice(&hash.finalize()[..16]);
        drawn
    }
}

/// The bytes as lower-case hexadecimal digits.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes every write");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(random: u128) -> Env {
        Env {
            wall_ms: 0,
            steady_ms: 0,
            random,
        }
    }

    /// `SEC-RANDOM`, `CLIENT-OP-ID`: 128 bits, and of each call's randomness alone.
    #[test]
    fn identifiers_are_as_random_as_what_is_handed_in() {
        let ident = env(1).ident("opId");
        assert!(ident.len() == 32 && ident.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(ident, env(2).ident("opId"));
        assert_ne!(ident, env(1 << 127 | 1).ident("opId"));
        assert_ne!(ident, env(1).ident("clientId"));
    }

    #[test]
    fn jitter_keeps_to_its_bound() {
        let jitters: Vec<u64> = (0..200).map(|random| env(random).jitter(9)).collect();
        assert!((0..=9).all(|jitter| jitters.contains(&jitter)));
        assert!(jitters.iter().all(|jitter| *jitter <= 9));
        assert_eq!(env(5).jitter(0), 0);
    }
}
