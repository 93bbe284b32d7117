//! The words of tables' settings: a `declare` says them as they are written, so that one which a server does not know yet can be told from what is no word.

use crate::forms::Words;
use crate::{Granularity, Strategy, TableKind};

macro_rules! words {
    ($($setting:ty),*) => { $(
        impl $setting {
            /// The word, as a `declare` says it.
            #[must_use]
            pub fn word(self) -> &'static str {
                // The words stand in the order of the variants.
                Self::WORDS[self as usize]
            }

            /// What a word says; nothing, if nobody knows it here.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                Self::from_word(word)
            }
        }
    )* };
}

words!(Strategy, Granularity, TableKind);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_said() {
        for word in Strategy::WORDS {
            assert_eq!(Strategy::of_word(word).map(Strategy::word), Some(*word));
        }
        assert_eq!(Granularity::of_word("field"), Some(Granularity::Field));
        assert_eq!(TableKind::Document.word(), "document");
        assert_eq!(Strategy::of_word("first_write_wins"), None);
    }
}
