//! What is kept by field, in the order of the names: few at most, and rarely more than one or two, so a list takes less room than a tree and is copied faster.

use std::sync::Arc;

/// Something for each of some names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByName<T>(Vec<(Arc<str>, T)>);

impl<T> ByName<T> {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by_key(&name, |(name, _)| name)
    }

    /// What is kept for a name.
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.find(name).ok().map(|index| &self.0[index].1)
    }

    /// Keeps something for a name, in the place of what was kept.
    pub(super) fn insert(&mut self, name: &str, kept: T) {
        match self.find(name) {
            Ok(index) => self.0[index].1 = kept,
            Err(index) => self.0.insert(index, (name.into(), kept)),
        }
    }

    /// Keeps nothing for a name.
    pub(super) fn remove(&mut self, name: &str) {
        if let Ok(index) = self.find(name) {
            self.0.remove(index);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// What is kept for each name, if it is the same.
    pub(super) fn same_of_all(&self) -> Option<&T>
    where
        T: PartialEq,
    {
        let (_, first) = self.0.first()?;
        let is_same = |(_, kept): &(Arc<str>, T)| kept == first;
        self.0.iter().all(is_same).then_some(first)
    }
}

impl<T> Default for ByName<T> {
    fn default() -> ByName<T> {
        ByName(Vec::new())
    }
}

impl<T> IntoIterator for ByName<T> {
    type Item = (Arc<str>, T);
    type IntoIter = std::vec::IntoIter<(Arc<str>, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T> FromIterator<(Arc<str>, T)> for ByName<T> {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, T)>>(kept: I) -> ByName<T> {
        let mut kept: Vec<_> = kept.into_iter().collect();
        kept.sort_by(|(one, _), (other, _)| one.cmp(other));
        kept.dedup_by(|(later, _), (first, _)| later == first);
        ByName(kept)
    }
}
