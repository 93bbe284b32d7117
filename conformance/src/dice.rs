//! [`Dice`]: random numbers that a seed makes, the same ones every time.
//!
//! What a run does by chance (names, faults, whole histories) must be doable again: nothing here asks the system for randomness but [`seed`].

/// A generator of random numbers (splitmix64: small, fast, and near seeds give far numbers).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll().checked_rem(end).unwrap_or(0)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// Yes, so many times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).expect("below a length")]
    }
}

/// A seed that mixes a number with a text.
#[must_use]
pub fn mixed(seed: u64, text: &str) -> u64 {
    let each = |bits: u64, byte: u8| Dice::new(bits ^ u64::from(byte)).roll();
    text.bytes().fold(Dice::new(seed).roll(), each)
}

/// A seed that nobody knew before.
///
/// # Panics
/// If the system has no randomness: nothing else works without it either.
#[must_use]
pub fn seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_every_time() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            [dice.roll(), dice.below(10), dice.between(5, 7)]
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7)[0], rolls(8)[0]);
        let mut dice = Dice::new(1);
        assert!((0..100).all(|_| (5..=7).contains(&dice.between(5, 7))));
        assert_eq!(dice.below(0), 0);
        assert_ne!(mixed(1, "a"), mixed(1, "b"));
    }
}
