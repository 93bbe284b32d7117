//! Rows in the form that the app knows: its migrations, run over what is read, and what they made last.
//!
//! The replica holds rows as the server said them and as they were written. A row that has not changed since it was read last is not migrated again.

use std::collections::{BTreeMap, HashMap};

use syncline_client_core::Migrations;
use syncline_schemas::Json;

/// What the app's migrations make of rows.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    migrations: Migrations,
    /// By table and key: what a row was, and what was made of it.
    made: HashMap<String, HashMap<String, (Json, Json)>>,
}

impl Forms {
    pub(crate) fn new(migrations: Migrations) -> Forms {
        let made = HashMap::new();
        Forms { migrations, made }
    }

    /// A row's value as the app sees it (`TAB-CLIENT-MIGRATED`).
    pub(crate) fn row(&mut self, table: &str, key: &str, value: &Json) -> Json {
        if !self.migrations.are_for(table) {
            return value.clone();
        }
        if !self.made.contains_key(table) {
            self.made.insert(table.to_owned(), HashMap::new());
        }
        let rows = self.made.get_mut(table).expect("it was put there");
        match rows.get(key) {
            Some((of, made)) if of == value => made.clone(),
            _ => {
                let made = self.migrations.upcast(table, value);
                rows.insert(key.to_owned(), (value.clone(), made.clone()));
                made
            }
        }
    }

    /// The rows of a table as the app sees them.
    pub(crate) fn rows(&mut self, table: &str, rows: BTreeMap<&str, &Json>) -> Vec<(String, Json)> {
        let rows = rows.into_iter();
        rows.map(|(key, value)| (key.to_owned(), self.row(table, key, value)))
            .collect()
    }

    /// A row is gone: nothing of it is kept.
    pub(crate) fn forget(&mut self, table: &str, key: &str) {
        if let Some(rows) = self.made.get_mut(table) {
            rows.remove(key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde_json::json;
    use syncline_client_core::Migration;

    use super::*;

    #[test]
    fn a_row_is_migrated_once_and_again_when_it_has_changed() {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let mut migrations = Migrations::default();
        let wrap = move |value| {
            counted.fetch_add(1, Ordering::Relaxed);
            json!({ "text": value })
        };
        migrations.add("t", 2, Migration::new(wrap));
        let mut forms = Forms::new(migrations);
        let [one, two] = ["1", "2"].map(|text| Json::parse(text).unwrap());
        let mut read = |key: &str, value| forms.row("t", key, value).get().to_owned();
        for _ in 0..3 {
            assert_eq!(read("k", &one), r#"{"text":1}"#);
            assert_eq!(read("l", &two), r#"{"text":2}"#);
        }
        assert_eq!(runs.load(Ordering::Relaxed), 2);
        assert_eq!(read("k", &two), r#"{"text":2}"#);
        assert_eq!(runs.load(Ordering::Relaxed), 3);
        forms.forget("t", "k");
        let rows = [("k", &one), ("l", &two)].into();
        assert_eq!(forms.rows("t", rows).len(), 2);
        assert_eq!(runs.load(Ordering::Relaxed), 4);
        assert_eq!(forms.row("other", "k", &one).get(), "1");
    }
}
