//! Ops of tables whose granularity is `field`, where the row is there and is an object.

use serde_json::Value;

use super::{Held, Replay, Write};
use crate::facts::fields::{Entry, FIELDS_MAX, FieldWrite, Fields, FieldsFate};
use crate::facts::log::{Effect, Patched};

impl<'a> Replay<'a> {
    /// Whether writes of a table meet field by field, if its strategy asks.
    pub(super) fn is_by_field(&self, table: &str) -> bool {
        let granularity = self.tables.get(table).and_then(|known| known.granularity);
        granularity == Some("field")
    }

    /// What an op does that is decided field by field; nothing, if it is decided whole.
    pub(super) fn by_field(
        &self,
        write: &Write<'a>,
        live: Option<&Held<'a>>,
        strategy: &'a str,
        fates: &mut Vec<FieldsFate<'a>>,
    ) -> Option<Option<Option<Effect<'a>>>> {
        let whole = || FieldsFate {
            at: write.at,
            row: write.row,
            strategy,
            is_set: write.op["op"] == "set",
            fields: None,
            told: write.told,
        };
        let object = live.and_then(|held| Some((held, held.value.as_deref()?.as_object()?)));
        let Some((live, held)) = object else {
            fates.push(whole());
            return None;
        };
        let of_row = || Fields::of_row(self.entry_of(write.row.0, live), held);
        let before = live.fields.clone().unwrap_or_else(of_row);
        let by_field = FieldWrite {
            op: write.op,
            at: write.at,
            row: write.row,
            client: write.client,
            version: write.version,
            moment: write.moment,
            strategy,
            held,
            life: live.life,
            is_sure: live.life_known && !self.has_truncated(),
            told: write.told,
        };
        let fate = by_field.fate(&before);
        let Some(fields) = fate.fields.clone() else {
            fates.push(whole());
            return None;
        };
        fates.push(fate);
        let made = by_field.made(&before, &fields);
        Some(made.map(|made| {
            made.map(|(value, kept)| Effect {
                patched: (write.op["op"] == "patch").then_some(Patched::Row),
                fields: kept,
                ..Effect::plain(write.row, Some(value))
            })
        }))
    }

    /// What is kept of the fields of a row that a write makes.
    pub(super) fn of_new(
        &self,
        write: &Write<'a>,
        deleted: Option<&Held<'a>>,
        value: Option<&Value>,
    ) -> Option<Fields<'a>> {
        let removals = deleted.map_or_else(Entry::unknown, |held| self.entry_of(write.row.0, held));
        let (client, version) = (write.client, write.version);
        let made = value?.as_object().filter(|made| made.len() <= FIELDS_MAX)?;
        Some(Fields::of_new(
            removals,
            made,
            client,
            version,
            write.moment,
        ))
    }

    /// What is known of a row, as of each of its fields.
    fn entry_of(&self, table: &str, held: &Held<'a>) -> Entry<'a> {
        Entry {
            version: held.version,
            writer: held.writer,
            others: held.others,
            moment: self.stood(table, held),
        }
    }
}
