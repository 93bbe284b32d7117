//! The writes of the outbox to one row, and what they make of it.
//!
//! A row that is edited all day without a connection has a pile of thousands of patches, and each that is decided is taken out from below, each update comes in under
//! all of them. To work every patch out again for that would be quadratic. So the pile knows, by field, which of its patches set it and which take it out: what the row becomes
//! is then told by the last of each, in one step (`FLD-OVERLAY`), text for text what one patch after the other would make.

use std::collections::{BTreeMap, BTreeSet};

use syncline_schemas::{Json, Op, Patch};

/// What one op does with a row.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// The row has this value, or is gone, whatever it was.
    Whole(Option<Json>),
    Patch(Patch),
}

impl Write {
    /// Nothing, for an op that does nothing with rows.
    pub(crate) fn of(op: &Op) -> Option<Write> {
        match op {
            Op::Set(op) => Some(Write::Whole(Some(op.value.clone()))),
            Op::Delete(_) => Some(Write::Whole(None)),
            Op::Patch(op) => Some(Write::Patch(op.clone())),
            Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => None,
            // A document is no row: what is appended to it is not piled up.
            Op::Append(_) | Op::Compact(_) => None,
        }
    }

    /// What the row becomes. A patch of what is no object, which the server will reject, shows its fields.
    fn over(&self, below: Option<&Json>) -> Option<Json> {
        match self {
            Write::Whole(value) => value.clone(),
            Write::Patch(patch) => patch.applied_to(below).or_else(|| patch.applied_to(None)),
        }
    }
}

/// The patches of one field, by the ordinals of their entries.
#[derive(Clone, Debug, Default)]
struct Field {
    set: BTreeMap<u64, Json>,
    removed: BTreeSet<u64>,
}

impl Field {
    /// What the patches from an ordinal on leave of the field.
    fn since(&self, from: u64) -> Since<'_> {
        let removed = self.removed.range(from..).next_back().copied();
        let mut left = self.set.range(removed.unwrap_or(from)..);
        let first = left.next().map(|(ordinal, _)| *ordinal);
        let last = { self.set.range(from..).next_back() }.map(|(_, value)| value);
        Since {
            is_removed: removed.is_some(),
            set: first.zip(last),
        }
    }
}

/// What patches leave of a field.
struct Since<'p> {
    /// Whether it has been taken out, perhaps to be set again: then it does not keep its place.
    is_removed: bool,
    /// Which entry has set it first since then, and what the last has set it to.
    set: Option<(u64, &'p Json)>,
}

/// The writes to one row, by the ordinals of their entries (a mutation names a row at most once), and what they make of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pile {
    writes: BTreeMap<u64, Write>,
    /// Those that do not look below themselves.
    wholes: BTreeSet<u64>,
    /// The fields that patches name.
    fields: BTreeMap<String, Field>,
    top: Option<Json>,
    /// How many writes and fields were looked at so far.
    #[cfg(test)]
    steps: u64,
}

impl Pile {
    /// Whether there is no write.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// What the writes make of the row.
    pub(crate) fn top(&self) -> Option<&Json> {
        self.top.as_ref()
    }

    /// The ordinal of the first write's entry.
    pub(crate) fn first(&self) -> Option<u64> {
        self.writes.first_key_value().map(|(ordinal, _)| *ordinal)
    }

    /// Puts a write in its place, over this base. Says whether what the writes make of the row has to be worked out anew.
    #[must_use]
    pub(crate) fn add(&mut self, ordinal: u64, write: Write, base: Option<&Json>) -> bool {
        let below = if self.is_empty() {
            base
        } else {
            self.top.as_ref()
        };
        let top = write.over(below);
        let is_last = { self.writes.last_key_value() }.is_none_or(|(last, _)| *last < ordinal);
        match &write {
            Write::Whole(_) => drop(self.wholes.insert(ordinal)),
            Write::Patch(patch) => self.note(ordinal, patch),
        }
        self.writes.insert(ordinal, write);
        if is_last {
            self.top = top;
        }
        !is_last
    }

    fn note(&mut self, ordinal: u64, patch: &Patch) {
        for (name, value) in patch.fields.iter().flatten() {
            let field = self.fields.entry(name.clone()).or_default();
            field.set.insert(ordinal, value.clone());
        }
        for name in patch.remove.iter().flatten() {
            let field = self.fields.entry(name.clone()).or_default();
            field.removed.insert(ordinal);
        }
    }

    /// Takes the write of an entry out.
    pub(crate) fn remove(&mut self, ordinal: u64) {
        self.wholes.remove(&ordinal);
        let Some(Write::Patch(patch)) = self.writes.remove(&ordinal) else {
            return;
        };
        let set = patch.fields.iter().flatten().map(|(name, _)| name);
        for name in set.chain(patch.remove.iter().flatten()) {
            let Some(field) = self.fields.get_mut(name) else {
                continue;
            };
            field.set.remove(&ordinal);
            field.removed.remove(&ordinal);
            if field.set.is_empty() && field.removed.is_empty() {
                self.fields.remove(name);
            }
        }
    }

    /// Works out what the writes make of the row: from the last on that does not look below itself.
    pub(crate) fn refold(&mut self, base: Option<&Json>) {
        let whole = self.wholes.last().copied();
        let below = match whole.and_then(|ordinal| self.writes.get(&ordinal)) {
            Some(Write::Whole(value)) => value.as_ref(),
            _ => base,
        };
        let from = whole.unwrap_or(0);
        let is_patched = { self.writes.last_key_value() }
            .is_some_and(|(last, write)| *last >= from && matches!(write, Write::Patch(_)));
        self.top = if is_patched {
            self.patched(from, below)
        } else {
            below.cloned()
        };
        #[cfg(test)]
        {
            self.steps += 1 + self.fields.len() as u64;
        }
    }

    /// The value with all patches from an ordinal on. Of what is no object there is nothing but their fields.
    fn patched(&self, from: u64, below: Option<&Json>) -> Option<Json> {
        let (mut held, mut removed) = (BTreeMap::new(), BTreeSet::new());
        let mut behind: BTreeMap<(u64, &str), &Json> = BTreeMap::new();
        let names = below.map_or_else(BTreeSet::new, |value| {
            value.field_names().into_iter().collect()
        });
        for (name, field) in &self.fields {
            let since = field.since(from);
            let keeps_its_place = !since.is_removed && names.contains(name);
            match since.set {
                Some((_, value)) if keeps_its_place => {
                    held.insert(name.clone(), value.clone());
                }
                Some((first, value)) => {
                    behind.insert((first, name), value);
                }
                None => {}
            }
            if since.is_removed {
                removed.insert(name.clone());
            }
        }
        let empty = Json::empty_object();
        let object = below.filter(|value| value.is_object()).unwrap_or(&empty);
        let behind = behind.into_iter().map(|((_, name), value)| (name, value));
        object.patched(&held, &removed)?.followed_by(behind)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    fn patch(fields: &[(&str, u32)], removed: &[&str]) -> Write {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| ((*name).to_owned(), json(&value.to_string())));
        Write::Patch(Patch {
            fields: Some(fields.collect()),
            remove: Some(removed.iter().map(ToString::to_string).collect()),
            ..Patch::new("t", "k")
        })
    }

    /// What one write after the other makes of the row.
    fn one_by_one(writes: &BTreeMap<u64, Write>, base: Option<&Json>) -> Option<Json> {
        let writes = writes.values();
        writes.fold(base.cloned(), |below, write| write.over(below.as_ref()))
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u64, Vec<(usize, bool)>, u32),
        Whole(u64, Option<&'static str>),
        Remove(u64),
        Base(Option<&'static str>),
    }

    const VALUES: [&str; 4] = [
        "7",
        r#"{"c": 1, "a": {"x": 1.50}}"#,
        "{}",
        r#"{"b":0,"a":0,"d":0}"#,
    ];
    const NAMES: [&str; 4] = ["d", "a", "c", "b"];

    fn value() -> impl Strategy<Value = Option<&'static str>> {
        prop::option::of(prop::sample::select(&VALUES[..]))
    }

    fn step() -> impl Strategy<Value = Step> {
        let named = prop::collection::vec((0..4_usize, any::<bool>()), 1..4);
        prop_oneof![
            8 => (0..40_u64, named, any::<u32>()).prop_map(|(at, named, value)| Step::Add(at, named, value)),
            1 => (0..40_u64, value()).prop_map(|(at, value)| Step::Whole(at, value)),
            6 => (0..40_u64).prop_map(Step::Remove),
            2 => value().prop_map(Step::Base),
        ]
    }

    proptest! {
        /// FLD-OVERLAY, CLIENT-REJECTED: whatever is put in and taken out, and wherever, text for text.
        #[test]
        fn a_pile_is_what_one_write_after_the_other_makes(steps in prop::collection::vec(step(), 1..60)) {
            let (mut pile, mut base) = (Pile::default(), None);
            for step in steps {
                let mut stale = true;
                match step {
                    Step::Add(at, named, value) if !pile.writes.contains_key(&at) => {
                        let named: BTreeMap<&str, bool> = named.into_iter().map(|(at, set)| (NAMES[at], set)).collect();
                        let set: Vec<(&str, u32)> = { named.iter() }.filter(|(_, set)| **set).map(|(name, _)| (*name, value)).collect();
                        let gone: Vec<&str> = { named.iter() }.filter(|(_, set)| !**set).map(|(name, _)| *name).collect();
                        stale = pile.add(at, patch(&set, &gone), base.as_ref());
                    }
                    Step::Whole(at, value) if !pile.writes.contains_key(&at) => {
                        stale = pile.add(at, Write::Whole(value.map(json)), base.as_ref());
                    }
                    Step::Add(..) | Step::Whole(..) => {}
                    Step::Remove(at) => pile.remove(at),
                    Step::Base(value) => base = value.map(json),
                }
                if stale {
                    pile.refold(base.as_ref());
                }
                prop_assert_eq!(pile.top().cloned(), one_by_one(&pile.writes, base.as_ref()));
                if pile.is_empty() {
                    prop_assert!(pile.fields.is_empty() && pile.wholes.is_empty());
                }
            }
        }
    }

    /// Ten thousand patches that are decided one by one, each under an update of the row, cost each what the row has fields, not what the pile has patches.
    #[test]
    fn a_high_pile_is_not_worked_out_again_for_each_that_leaves() {
        const PATCHES: u64 = 10_000;
        let mut pile = Pile::default();
        let names = ["a", "b", "c"];
        for ordinal in 0..PATCHES {
            let name = names[ordinal as usize % names.len()];
            assert!(!pile.add(ordinal, patch(&[(name, ordinal as u32)], &[]), None));
        }
        for ordinal in 0..PATCHES - 1 {
            pile.remove(ordinal);
            let base = json(&format!(r#"{{"n":{ordinal}}}"#));
            pile.refold(Some(&base));
        }
        assert_eq!(pile.top().unwrap().get(), r#"{"n":9998,"a":9999}"#);
        assert!(
            pile.steps <= PATCHES * (1 + names.len() as u64),
            "{}",
            pile.steps
        );
    }
}
