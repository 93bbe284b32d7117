//! An update on its way: its parts are gathered here, and nothing of them is seen before the last (`CLIENT-STAGED`).

use std::collections::BTreeMap;

use syncline_schemas::{Change, Update};

/// The parts of one update that have come so far.
#[derive(Clone, Debug)]
pub(crate) struct Staging {
    /// Whether it takes the place of all that is held of the shape.
    pub(crate) replace: bool,
    /// After which version it begins.
    pub(crate) from: u64,
    changes: Vec<Change>,
}

impl Staging {
    /// Begins with a first part.
    pub(crate) fn begin(part: &Update) -> Staging {
        Staging {
            replace: part.replace,
            from: part.from,
            changes: Vec::new(),
        }
    }

    /// Takes the changes of a part.
    pub(crate) fn extend(&mut self, changes: Vec<Change>) {
        self.changes.extend(changes);
    }

    /// The last change of each row: of several, the one of the highest version (`CLIENT-REPLACE`). And the changes of documents, in the order of their
    /// versions: each counts; a delete, of which only the server knows whether it was a row, is among both.
    pub(crate) fn into_latest(self) -> (BTreeMap<(String, String), Change>, Vec<Change>) {
        let mut latest: BTreeMap<(String, String), Change> = BTreeMap::new();
        let mut documents = Vec::new();
        for change in self.changes {
            match change {
                Change::Append(_) | Change::Compact(_) => {
                    documents.push(change);
                    continue;
                }
                Change::Delete(_) => documents.push(change.clone()),
                Change::Set(_) | Change::Remove(_) => {}
            }
            let row = (change.table().to_owned(), change.key().to_owned());
            if latest
                .get(&row)
                .is_none_or(|other| other.version() <= change.version())
            {
                latest.insert(row, change);
            }
        }
        documents.sort_by_key(Change::version);
        (latest, documents)
    }
}
