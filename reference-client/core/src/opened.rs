//! Documents on demand: of a table that has many, those that are open, by a filter over their keys (chapter *documents*).
//!
//! What is open is the filter of the shape that has the table, and nothing else: so it is kept, resumed and changed as every filter is.

use std::collections::BTreeMap;

use syncline_schemas::{Filter, Op, errors};

use crate::documents::DocumentEntry;
use crate::env::Env;
use crate::events::Origin;
use crate::limits::Refusal;
use crate::replica::Replica;
use crate::stored::Tables;

/// How a table is wanted.
enum Wanted {
    /// Not at all.
    Not,
    /// All of it.
    Whole,
    /// What is of these keys, as one of the tables of this shape.
    Keys(Tables, Vec<String>),
    /// What another filter takes.
    Otherwise,
}

/// The app's inputs and questions.
impl Replica {
    /// The app wants to hold this document, from now on and after every restart, beside the others of the table that it has opened. They are a shape of their own, unless the
    /// table is in one by a filter over keys. Of a table that is wanted whole, there is nothing to do. To open what is open does no harm.
    ///
    /// # Errors
    /// The table has another filter, or so many open documents pass the limits known (`limits.filterNodesMax`, `limits.filterBytesMax`).
    pub fn open_document(&mut self, table: &str, key: &str, env: Env) -> Result<(), Refusal> {
        let (tables, mut keys) = match self.wanted(table) {
            Wanted::Not => ([table.to_owned()].into(), Vec::new()),
            Wanted::Whole => return Ok(()),
            Wanted::Keys(tables, keys) => (tables, keys),
            Wanted::Otherwise => {
                let reason = "the table has a filter that is not of keys alone";
                let at = "/tables".to_owned();
                return Err(Refusal::new(&errors::SHAPE_OVERLAP, at, reason));
            }
        };
        if !keys.iter().any(|open| open == key) {
            keys.push(key.to_owned());
            keys.sort_unstable();
        }
        self.want_keys(tables, table, keys, env)
    }

    /// The app does not want to hold this document any more: what is held of it goes once the server has answered, or at once with the last one that was open. What waits to be
    /// sent of it is sent. Says whether it was open.
    ///
    /// # Errors
    /// The documents that stay open pass the limits known, which have become less: nothing has changed.
    pub fn close_document(&mut self, table: &str, key: &str, env: Env) -> Result<bool, Refusal> {
        let Wanted::Keys(tables, mut keys) = self.wanted(table) else {
            return Ok(false);
        };
        let before = keys.len();
        keys.retain(|open| open != key);
        if keys.len() == before {
            return Ok(false);
        }
        if keys.is_empty() && tables.len() == 1 {
            return Ok(self.unsubscribe(&tables, env));
        }
        self.want_keys(tables, table, keys, env)?;
        Ok(true)
    }

    /// The keys of a table's documents that are open; none, if the table is not wanted by keys.
    #[must_use]
    pub fn open_documents(&self, table: &str) -> Vec<String> {
        match self.wanted(table) {
            Wanted::Keys(_, keys) => keys,
            _ => Vec::new(),
        }
    }

    /// Tells the app that own entries have left its view that are of documents which it does not hold: no change of the server's will say so.
    pub(crate) fn tell_unheld(&mut self, left: &[Op], version: u64) {
        let appends = left.iter().filter_map(|op| match op {
            Op::Append(append) => Some((append.table.as_str(), append.key.as_str())),
            _ => None,
        });
        for (table, key) in appends {
            let shape = self.durable.shape_of(table);
            let filters = shape.and_then(|(tables, _)| self.durable.filters.get(tables));
            let stands = |entry: &DocumentEntry| {
                entry.version == version || entry.covers.is_some_and(|covers| covers >= version)
            };
            let document = self.durable.document(table, key);
            let held = document.is_some_and(|document| document.values().any(stands));
            if filters.is_some_and(|filters| filters.contains_key(table)) && !held {
                self.tell_document((table, key), Origin::Server, Vec::new(), true);
            }
        }
    }

    fn wanted(&self, table: &str) -> Wanted {
        let Some((tables, _)) = self.durable.shape_of(table) else {
            return Wanted::Not;
        };
        match self.filters_of(tables).remove(table) {
            None => Wanted::Whole,
            Some(Filter::Keys(keys)) => Wanted::Keys(tables.clone(), keys),
            Some(_) => Wanted::Otherwise,
        }
    }

    fn filters_of(&self, tables: &Tables) -> BTreeMap<String, Filter> {
        let kept = self.durable.filters.get(tables).into_iter().flatten();
        let read = |text: &syncline_schemas::Json| Filter::read(&text.to_value().ok()?).ok();
        kept.filter_map(|(table, text)| Some((table.clone(), read(text)?)))
            .collect()
    }

    fn want_keys(
        &mut self,
        tables: Tables,
        table: &str,
        keys: Vec<String>,
        env: Env,
    ) -> Result<(), Refusal> {
        let mut filters = self.filters_of(&tables);
        filters.insert(table.to_owned(), Filter::Keys(keys));
        self.subscribe_where(tables, filters, env)
    }
}
