//! The first pass over a frame: is this text one JSON value within the rules that hold for every frame?
//!
//! JSON leaves open what its readers then do differently: which of two members of one name counts, how deep is too
//! deep, what becomes of `1e400` or of half a surrogate pair. Two programs that answer differently see different
//! messages in one frame, so all of that is refused here, for the whole text, unknown members included, before
//! anything is read from it.
//!
//! Nothing is allocated but one list of names, shared by all objects on the way down.

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::tagged::Name;
use crate::violation::Violation;

/// The deepest nesting that this crate reads, whatever a limit allows: the pass is recursive, and so are the
/// readers of free JSON after it.
pub const DEPTH_CEILING: u64 = 512;

/// Checks that the text is one JSON value, nested at most `depth_max` (and [`DEPTH_CEILING`]) deep.
pub(crate) fn check(text: &str, depth_max: u64) -> Result<(), Violation> {
    let mut scan = Scan {
        names: Vec::new(),
        depth_left: depth_max.min(DEPTH_CEILING),
        failed_at: Vec::new(),
    };
    let mut source = serde_json::Deserializer::from_str(text);
    source.disable_recursion_limit();
    Element(&mut scan)
        .deserialize(&mut source)
        .and_then(|()| source.end())
        .map_err(|error| Violation::new(scan.pointer(), error.to_string()))
}

struct Scan<'de> {
    /// The names of the members read so far, of every object that is still open, the outermost first.
    names: Vec<Cow<'de, str>>,
    depth_left: u64,
    /// The way to what was refused, the innermost step first: filled while the failure travels up.
    failed_at: Vec<Step<'de>>,
}

enum Step<'de> {
    Name(Cow<'de, str>),
    Index(usize),
}

impl<'de> Scan<'de> {
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth_left = self
            .depth_left
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deep"))?;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth_left += 1;
    }

    /// Closes the object whose names begin at `start`: no two of them may be equal. Sorting keeps a hostile object of
    /// a hundred thousand members from costing their square.
    fn close_object<E: Error>(&mut self, start: usize) -> Result<(), E> {
        self.names[start..].sort_unstable();
        let twice = self.names[start..]
            .windows(2)
            .find(|pair| pair[0] == pair[1])
            .map(|pair| pair[0].clone());
        if let Some(name) = twice {
            self.failed_at.push(Step::Name(name));
            return Err(E::custom("a member of this name stands twice"));
        }
        self.names.truncate(start);
        Ok(())
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in self.failed_at.iter().rev() {
            pointer.push('/');
            match step {
                Step::Name(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => {
                    write!(pointer, "{index}").expect("a String takes every write")
                }
            }
        }
        pointer
    }
}

/// Reads one value and keeps nothing of it.
struct Element<'scan, 'de>(&'scan mut Scan<'de>);

impl<'de> DeserializeSeed<'de> for Element<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        // "Any" makes serde_json look at every escape and every number, which skipping a value does not.
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_, 'de> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Element(scan) = self;
        scan.enter()?;
        let mut index = 0;
        loop {
            match items.next_element_seed(Element(scan)) {
                Ok(Some(())) => index += 1,
                Ok(None) => break,
                Err(error) => {
                    scan.failed_at.push(Step::Index(index));
                    return Err(error);
                }
            }
        }
        scan.leave();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Element(scan) = self;
        scan.enter()?;
        let start = scan.names.len();
        while let Some(name) = members.next_key_seed(Name)? {
            let own = scan.names.len();
            scan.names.push(name);
            if let Err(error) = members.next_value_seed(Element(scan)) {
                // What failed may have left names of its own behind it.
                let name = scan.names.swap_remove(own);
                scan.failed_at.push(Step::Name(name));
                return Err(error);
            }
        }
        scan.close_object(start)?;
        scan.leave();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<(String, String)> {
        check(text, u64::MAX)
            .err()
            .map(|violation| (violation.at, violation.reason))
    }

    /// The reader is recursive: this thread's stack (2 MiB, as of every test and of every tokio worker) must do.
    #[test]
    fn the_ceiling_of_depth_fits_into_a_stack() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let ceiling = DEPTH_CEILING as usize;
        assert_eq!(refusal(&nested(ceiling)), None);
        let (at, reason) = refusal(&nested(ceiling + 1)).expect("one too deep");
        assert!(at.starts_with("/0/0/0") && at.len() < 500, "{at}");
        assert!(reason.starts_with("nested too deep"), "{reason}");
        assert!(refusal(&"[".repeat(1_000_000)).is_some());
    }

    #[test]
    fn names_are_compared_within_their_object_alone() {
        assert_eq!(
            refusal(r#"{"a":{"a":[{"a":0},{"a":0}]},"b":{"a":0}}"#),
            None
        );
        assert!(refusal(r#"{"b":0,"a":{"c":0,"d":{}},"c":0,"a":0}"#).is_some());
    }

    #[test]
    fn a_large_object_is_read_once() {
        let members = |last: &str| {
            (0..50_000)
                .map(|n| format!("\"{n}\":0,"))
                .collect::<String>()
                + last
        };
        assert_eq!(refusal(&format!("{{{}}}", members("\"x\":0"))), None);
        let (at, _) = refusal(&format!("{{{}}}", members("\"777\":0"))).expect("a duplicate");
        assert_eq!(at, "/777");
    }

    #[test]
    fn a_failure_names_its_own_way_after_others_have_left_names_behind() {
        let (at, _) = refusal(r#"{"a":0,"b":{"c":1,"d":[0,{"e":1,"f":{"g":0,"g":0}}]}}"#)
            .expect("a duplicate");
        assert_eq!(at, "/b/d/1/f/g");
        let (at, _) = refusal(r#"{"a":0,"b":{"c":1,"d":[0,{"e":1,"f":tru}]}}"#).expect("no JSON");
        assert_eq!(at, "/b/d/1/f");
    }
}
