//! The forms that a member of a message can have: what the generated structs read their members with.
//!
//! Serde's own readers are kinder than the schemas: they take a list for a struct, a map for a word, `null` for
//! an absent member, and refuse `1.0` as an integer. The generated types therefore name, for every member, one
//! of the forms below, and a form accepts exactly what its schema accepts: nothing is checked afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor,
};

use crate::Json;

/// A way to read one JSON value, as one schema allows it.
pub(crate) trait Form {
    /// What is read.
    type Value;

    /// Reads the value, or says why it does not fit.
    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<Self::Value, D::Error>;
}

/// Reads a member that must be there.
pub(crate) fn required<'de, F: Form, D: Deserializer<'de>>(
    source: D,
) -> Result<F::Value, D::Error> {
    F::read(source)
}

/// Reads a member that may be absent, and is present: an explicit `null` is not absence.
pub(crate) fn optional<'de, F: Form, D: Deserializer<'de>>(
    source: D,
) -> Result<Option<F::Value>, D::Error> {
    F::read(source).map(Some)
}

/// An integer from `MIN` to `MAX`, however it is written: `1`, `1.0`, `10e-1`.
pub(crate) struct Integer<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Form for Integer<MIN, MAX> {
    type Value = u64;

    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<u64, D::Error> {
        // Not deserialize_u64: a value buffered as a number keeps its own kind, and that is what must be judged.
        source.deserialize_any(Self)
    }
}

impl<const MIN: u64, const MAX: u64> Visitor<'_> for Integer<MIN, MAX> {
    type Value = u64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an integer from {MIN} to {MAX}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        if (MIN..=MAX).contains(&number) {
            Ok(number)
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(number), &self))
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        // MAX is at most 2^53 - 1, so every whole number in range converts exactly.
        if number.fract() == 0.0 && number >= 0.0 && number <= MAX as f64 {
            self.visit_u64(number as u64)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }
}

/// `true` or `false`.
pub(crate) struct Flag;

impl Form for Flag {
    type Value = bool;

    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<bool, D::Error> {
        bool::deserialize(source)
    }
}

/// Any string.
pub(crate) struct Text;

impl Form for Text {
    type Value = String;

    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
        String::deserialize(source)
    }
}

/// The rule of a string of few bytes of few kinds: what the schemas' patterns (`^[class]{m,n}$`) come down to.
pub trait Pattern {
    /// The pattern, as it stands in the schema.
    const PATTERN: &'static str;
    /// The fewest bytes that a string may have.
    const BYTES_MIN: usize;
    /// The most bytes that a string may have.
    const BYTES_MAX: usize;

    /// Whether a string may have this byte. Only ASCII bytes are ever allowed, so bytes and characters are one.
    fn allows(byte: u8) -> bool;

    /// Whether the text fits the pattern.
    fn matches(text: &str) -> bool {
        (Self::BYTES_MIN..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(Self::allows)
    }
}

/// A string that fits a pattern.
pub(crate) struct Matching<P>(PhantomData<P>);

impl<P: Pattern> Form for Matching<P> {
    type Value = String;

    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
        let text = String::deserialize(source)?;
        if P::matches(&text) {
            Ok(text)
        } else {
            Err(D::Error::custom(format_args!(
                "{text:?} does not match {}",
                P::PATTERN
            )))
        }
    }
}

/// An enumeration whose values are words.
pub(crate) trait Words: Sized + 'static {
    /// The words, in the schema's order.
    const WORDS: &'static [&'static str];

    /// The value that the word stands for.
    fn from_word(word: &str) -> Option<Self>;
}

/// One of a closed list of words.
pub(crate) struct Word<W>(PhantomData<W>);

impl<W: Words> Form for Word<W> {
    type Value = W;

    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<W, D::Error> {
        let word = String::deserialize(source)?;
        W::from_word(&word).ok_or_else(|| D::Error::unknown_variant(&word, W::WORDS))
    }
}

/// An object that is read as a struct, a union or a map; never a list, which serde would take for a struct too.
pub(crate) struct Object<T>(PhantomData<T>);

impl<T: for<'de> Deserialize<'de>> Form for Object<T> {
    type Value = T;

    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<T, D::Error> {
        source.deserialize_map(Object(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// Any value at all, `null` included, kept as its text.
pub(crate) struct Any;

impl Form for Any {
    type Value = Json;

    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<Json, D::Error> {
        Json::deserialize(source)
    }
}

/// An array of at least `MIN` items.
pub(crate) struct List<F, const MIN: usize>(PhantomData<F>);

impl<F: Form, const MIN: usize> Form for List<F, MIN> {
    type Value = Vec<F::Value>;

    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_seq(Self(PhantomData))
    }
}

impl<'de, F: Form, const MIN: usize> Visitor<'de> for List<F, MIN> {
    type Value = Vec<F::Value>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an array of at least {MIN} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Seed::<F>(PhantomData))? {
            list.push(item);
        }
        if list.len() < MIN {
            return Err(A::Error::invalid_length(list.len(), &self));
        }
        Ok(list)
    }
}

/// An object used as a table: any names, at least `MIN` of them, and values of one form.
pub(crate) struct Table<F, const MIN: usize>(PhantomData<F>);

impl<F: Form, const MIN: usize> Form for Table<F, MIN> {
    type Value = BTreeMap<String, F::Value>;

    fn read<'de, D: Deserializer<'de>>(source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_map(Self(PhantomData))
    }
}

impl<'de, F: Form, const MIN: usize> Visitor<'de> for Table<F, MIN> {
    type Value = BTreeMap<String, F::Value>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an object of at least {MIN} members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut table = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Seed::<F>(PhantomData))?;
            if table.insert(name, value).is_some() {
                return Err(A::Error::custom("a member's name stands twice"));
            }
        }
        if table.len() < MIN {
            return Err(A::Error::invalid_length(table.len(), &self));
        }
        Ok(table)
    }
}

/// A form as serde wants it for the items of lists and tables.
struct Seed<F>(PhantomData<F>);

impl<'de, F: Form> DeserializeSeed<'de> for Seed<F> {
    type Value = F::Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<F::Value, D::Error> {
        F::read(source)
    }
}
