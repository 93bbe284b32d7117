//! Documents in random programs: in some of them one table comes to be one of documents, sooner or later, and is appended to, compacted and deleted from by everybody,
//! with what they hold as `base` and `covers`, or with what is long gone, or not yet there.

use serde_json::{Value, json};

use super::program::Maker;
use crate::dice::Dice;

/// The table of documents of a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Documents {
    table: u64,
    /// Whether anybody has said so already.
    declared: bool,
}

impl Maker {
    /// In every fourth program a table may be one of documents. It has dice of its own, so that other programs are what they were.
    pub(super) fn choose_documents(&mut self, seed: u64) {
        let mut dice = Dice::new(seed.rotate_left(32) ^ 0x646f_6373);
        if dice.chance(25) {
            let table = dice.below(self.tables);
            let declared = false;
            self.documents = Some(Documents { table, declared });
            // A table of documents has no strategy.
            if let Some(strategy) = self.strategies.get_mut(table as usize) {
                *strategy = None;
            }
        }
    }

    /// Whether it is the table of documents.
    pub(super) fn holds_documents(&self, table: u64) -> bool {
        self.documents.is_some_and(|known| known.table == table)
    }

    /// Says that the table is one of documents: first of all, mostly, and again now and then.
    pub(super) fn document_declaration(&mut self) -> Option<Value> {
        let Documents { table, declared } = self.documents?;
        if !self.dice.chance(if declared { 5 } else { 60 }) {
            return None;
        }
        self.used.extend(["tables", "documents"]);
        self.documents = Some(Documents {
            table,
            declared: true,
        });
        Some(json!({ "op": "declare", "table": format!("${{t{table}}}"), "kind": "document" }))
    }

    /// An op for a document; nothing, where it is to be one that is for rows.
    pub(super) fn document_op(
        &mut self,
        client: Option<u64>,
        table: u64,
        key: u64,
    ) -> Option<Value> {
        let (table, key) = (format!("${{t{table}}}"), format!("k{key}"));
        let held = client.map(|client| json!({ "$held": { "sub": format!("s{client}"), "table": table, "key": key } }));
        let mut op = json!({ "table": table, "key": key });
        match self.dice.below(20) {
            0 => return None,
            1 | 2 => op["op"] = "delete".into(),
            3..8 => {
                op["op"] = "compact".into();
                op["covers"] = match (held, self.dice.below(10)) {
                    (_, 0) => json!(1_000_000),
                    (Some(held), 1..7) => held,
                    _ => self.dice.between(1, 40).into(),
                };
                op["data"] = self.data();
            }
            _ => {
                op["op"] = "append".into();
                op["data"] = self.data();
                match (held, self.dice.below(10)) {
                    (Some(held), 0..5) => op["base"] = held,
                    (_, 9) => op["base"] = self.dice.between(0, 40).into(),
                    _ => {}
                }
            }
        }
        Some(op)
    }

    /// Bytes that nobody has written before, now and then many.
    fn data(&mut self) -> Value {
        let text = format!("{:012}", self.fresh());
        match self.dice.below(20) {
            0 => {
                json!({ "$repeat": { "text": text, "count": self.dice.between(10, 100) } })
            }
            _ => text.into(),
        }
    }
}

/// The settings of the table of documents: some of them, or all.
pub(super) fn filter(dice: &mut Dice) -> Value {
    match dice.below(5) {
        0 | 1 => json!({}),
        2 => json!({ "where": { "keys": ["k0", "k1"] } }),
        3 => json!({ "where": { "not": { "keys": ["k1"] } } }),
        _ => json!({ "where": { "or": [{ "keys": ["k0"] }, { "field": "a", "gte": 0 }] } }),
    }
}
