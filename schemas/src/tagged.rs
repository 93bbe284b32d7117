//! Reading a union by its tag: the member (`type`, `status`, `op`) whose constant says which arm an object is.
//!
//! Serde's `#[serde(tag = ...)]` buffers the whole object in a form of its own, which loses the text of the values
//! that [`Json`](crate::Json) keeps, and it costs time. Whoever writes a union by these schemas writes the tag first, so the arm is
//! known at once and reads the rest directly; members that stand before the tag are kept as slices of the text
//! and read after it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::vec;

use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A union that is read by its tag.
pub(crate) trait Tagged<'de>: Sized {
    /// The name of the member that says which arm it is.
    const TAG: &'static str;

    /// Reads the arm that the tag names from the object's other members.
    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error>;
}

/// Reads a union. The source must be a text (`serde_json::from_str`, `from_slice`): if the tag does not stand
/// first, the members before it are borrowed.
pub(crate) fn read<'de, T: Tagged<'de>, D: Deserializer<'de>>(source: D) -> Result<T, D::Error> {
    source.deserialize_map(Arms(PhantomData))
}

struct Arms<T>(PhantomData<T>);

impl<'de, T: Tagged<'de>> Visitor<'de> for Arms<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an object with a member `{}`", T::TAG)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<T, A::Error> {
        let mut before = Vec::new();
        while let Some(name) = members.next_key_seed(Name)? {
            if name == T::TAG {
                let tag = members.next_value_seed(Name)?;
                let members = Members {
                    before: before.into_iter(),
                    value: None,
                    rest: members,
                };
                return T::read_arm(&tag, members);
            }
            before.push((name, members.next_value::<&RawValue>()?));
        }
        Err(A::Error::missing_field(T::TAG))
    }
}

/// The members of an object without its tag: those that stood before it, then the rest.
struct Members<'de, A> {
    before: vec::IntoIter<(Cow<'de, str>, &'de RawValue)>,
    /// The value that belongs to the name given last, if that stood before the tag.
    value: Option<&'de RawValue>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.before.next() {
            Some((name, value)) => {
                self.value = Some(value);
                seed.deserialize(name.into_deserializer()).map(Some)
            }
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(A::Error::custom),
            None => self.rest.next_value_seed(seed),
        }
    }
}

/// Reads a string, borrowed from the text unless it has escapes: serde's own `Cow` always copies.
pub(crate) struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Cow<'de, str>, D::Error> {
        source.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
