//! What becomes of a write that meets another: the chapter on conflicts, row by row.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_schemas::{Json, Limits, Sibling, Strategy};

use crate::fields::Entries;
use crate::resolver::{Conflict, Resolution, Resolvers};
use crate::table::Row;
use crate::tables::Settings;

/// What is kept of a row in a table whose strategy asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trail {
    /// The version at which its present life began; 0, if that was before the table was declared.
    pub life: u64,
    /// When it was written, or deleted, last: milliseconds since 1970 (CFL-MOMENT-KEPT).
    pub moment: u64,
    /// Its values beside the last one, in the order of their versions (CFL-SIBLINGS).
    #[serde(default, skip_serializing_if = "<[Kept]>::is_empty")]
    pub siblings: Box<[Kept]>,
    /// What is kept of its fields, where they are decided one by one; nothing: as of the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Box<Entries>>,
}

/// A value that stands beside the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The version of its write.
    pub version: u64,
    /// Whose write it was.
    pub writer: Arc<str>,
    /// The value.
    pub value: Json,
}

impl Kept {
    /// The value as it is told.
    pub(crate) fn told(&self) -> Sibling {
        Sibling {
            version: self.version,
            value: self.value.clone(),
        }
    }
}

/// A write that is to be decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write<'a> {
    pub(crate) table: &'a str,
    pub(crate) key: &'a str,
    /// What the row would become; nothing: it would be deleted.
    pub(crate) value: Option<&'a Json>,
    pub(crate) client: &'a str,
    /// The version that the mutation takes.
    pub(crate) version: u64,
    pub(crate) base: Option<u64>,
    /// Whether a lock held: then it is not concurrent, whatever its base.
    pub(crate) locked: bool,
    /// When it was made, by the server's clock.
    pub(crate) moment: u64,
    /// The version up to which deletes were forgotten.
    pub(crate) forgotten: u64,
}

/// What becomes of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stands, with this trail.
    Applies(Trail),
    /// What is there stands.
    Superseded,
    /// Another value stands; nothing: the row is deleted.
    Resolved(Option<Json>, Trail),
    /// There is no room beside the values that are there.
    TooMany,
}

impl Row {
    /// The values beside the last one.
    pub(crate) fn siblings(&self) -> &[Kept] {
        self.trail.as_deref().map_or(&[], |trail| &trail.siblings)
    }

    pub(crate) fn life(&self) -> u64 {
        self.trail.as_deref().map_or(0, |trail| trail.life)
    }

    /// When it was written, or deleted: what was there before the declaration counts as written then.
    pub(crate) fn moment(&self, settings: &Settings) -> u64 {
        self.trail
            .as_deref()
            .map_or(settings.at_ms, |trail| trail.moment)
    }
}

impl Write<'_> {
    /// Whether others have changed the row since the writer saw it (CFL-BASE, CFL-OWN).
    fn is_concurrent(&self, row: Option<&Row>) -> bool {
        let Some(row) = row.filter(|_| !self.locked) else {
            return false;
        };
        let other = match *row.writer == *self.client {
            true => row.others_version,
            false => row.position.version,
        };
        match (row.value.is_some(), self.base.unwrap_or(0)) {
            (true, 0) => other >= row.life().max(1),
            (true, base) => other > base,
            (false, 0) => self.base.is_none() && other > 0,
            (false, base) => other > base,
        }
    }

    /// What becomes of it in a table with these settings.
    pub(crate) fn fate(
        &self,
        row: Option<&Row>,
        settings: &Settings,
        resolvers: &Resolvers,
        limits: &Limits,
    ) -> Fate {
        if settings.strategy() == Strategy::KeepBoth {
            return self.beside(row, settings, limits);
        }
        let concurrent = self.is_concurrent(row);
        let loses = match settings.strategy() {
            Strategy::ServerWins => concurrent,
            Strategy::LastWriteWins => {
                concurrent && row.is_some_and(|row| self.moment < row.moment(settings))
            }
            _ => false,
        };
        match (&settings.resolver, row) {
            (Some(resolver), Some(row)) if concurrent => {
                self.resolved(row, settings, resolvers, resolver)
            }
            _ if loses => Fate::Superseded,
            _ => Fate::Applies(self.trail(row, settings, Box::default())),
        }
    }

    /// What is kept of the row once the write stands.
    pub(crate) fn trail(
        &self,
        row: Option<&Row>,
        settings: &Settings,
        siblings: Box<[Kept]>,
    ) -> Trail {
        let before = row.map_or(0, |row| row.moment(settings));
        let live = row.filter(|row| row.value.is_some());
        Trail {
            life: live.map_or(self.version, Row::life),
            moment: before.max(self.moment),
            siblings,
            fields: None,
        }
    }

    fn resolved(
        &self,
        row: &Row,
        settings: &Settings,
        resolvers: &Resolvers,
        resolver: &str,
    ) -> Fate {
        let conflict = Conflict {
            table: self.table,
            key: self.key,
            current: row.value.as_ref(),
            written: self.value,
        };
        let trail = self.trail(Some(row), settings, Box::default());
        match resolvers.resolve(resolver, &conflict) {
            Resolution::Keep => Fate::Superseded,
            Resolution::Take => Fate::Applies(trail),
            Resolution::Merge(value) if self.value == Some(&value) => Fate::Applies(trail),
            Resolution::Merge(value) => Fate::Resolved(Some(value), trail),
            Resolution::Delete if self.value.is_none() => Fate::Applies(trail),
            Resolution::Delete => Fate::Resolved(None, trail),
        }
    }

    /// In a table of `keep_both`: the values that the writer has not seen stay (CFL-SIBLINGS, CFL-SIBLINGS-DELETE, CFL-SIBLINGS-MAX).
    fn beside(&self, row: Option<&Row>, settings: &Settings, limits: &Limits) -> Fate {
        let seen = if self.locked {
            u64::MAX
        } else {
            self.base.unwrap_or(0)
        };
        let stays = |version: u64, writer: &str| version > seen && writer != self.client;
        let live = row.filter(|row| row.value.is_some());
        let mut kept: Vec<Kept> = live
            .into_iter()
            .flat_map(Row::siblings)
            .filter(|kept| stays(kept.version, &kept.writer))
            .cloned()
            .collect();
        if let Some(row) = live.filter(|row| stays(row.position.version, &row.writer)) {
            kept.push(Kept {
                version: row.position.version,
                writer: row.writer.clone(),
                value: row.value.clone().unwrap_or_default(),
            });
        }
        let Some(value) = self.value else {
            return match kept.is_empty() {
                true => Fate::Applies(self.trail(row, settings, kept.into())),
                false => Fate::Superseded,
            };
        };
        let bytes: usize = kept.iter().map(|kept| kept.value.get().len()).sum();
        let too_large = (bytes + value.get().len()) as u64 > limits.value_bytes_max;
        let too_many = kept.len() as u64 + 1 > limits.siblings_max.unwrap_or(0);
        match kept.is_empty() || !(too_large || too_many) {
            true => Fate::Applies(self.trail(row, settings, kept.into())),
            false => Fate::TooMany,
        }
    }
}
