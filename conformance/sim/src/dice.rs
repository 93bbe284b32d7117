//! Random numbers that a seed makes. (The runner's own dice are the runner's: this crate stands below it.)

/// A generator of random numbers (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The numbers of this seed.
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The numbers of one part of what a seed makes: what happens in other parts does not change them, so that a smaller plan stays like the
    /// larger.
    pub(crate) fn of(seed: u64, part: u64, number: u64) -> Dice {
        let mut dice = Dice::new(seed ^ part.wrapping_mul(0x9e37_79b9_97f4_a7c1));
        let mixed = dice.roll() ^ number;
        Dice::new(mixed)
    }

    /// Any number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll().checked_rem(end).unwrap_or(0)
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// Yes, so many times of a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these, of which there is at least one.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// 128 bits for an input of a core.
    pub(crate) fn bits(&mut self) -> u128 {
        u128::from(self.roll()) << 64 | u128::from(self.roll())
    }
}
