//! History as an oracle: what a page must hold, from the log and the plainest rules.

use std::borrow::Cow;

use serde_json::Value;
use syncline_schemas::{History, HistoryOrder, Limits, Past, PastChange, Place, Sibling, author};
use syncline_server_core::{Decision, Effect, Record};

use super::EPOCH;
use super::plan::PlacePlan;
use super::world::{TABLES, World};

/// A change, as the log has it.
struct Made<'a> {
    version: u64,
    index: u64,
    at_ms: u64,
    client: &'a str,
    effect: &'a Effect,
}

/// What must be known by the end of a log: the changes, oldest first, and the version from which on all are there.
fn known<'a>(log: &'a [Record], limits: &Limits) -> (Vec<Made<'a>>, u64) {
    let (mut made, mut from) = (Vec::new(), 1);
    for (version, decided) in super::log::outcomes(log) {
        let Decision::Applied { effects, .. } = &decided.decision else {
            continue;
        };
        let at_ms = { log.iter() }.find(|record| record.version == version);
        let at_ms = at_ms.expect("a record").at_ms;
        let client = &*decided.client;
        let rows = (0..)
            .zip(effects)
            .filter(|(_, effect)| effect.document.is_none());
        let changes = rows.map(|(index, effect)| Made {
            version,
            index,
            at_ms,
            client,
            effect,
        });
        made.extend(changes);
        while !effects.is_empty() && is_over(&made, at_ms, limits) {
            from = made[0].version + 1;
            made.retain(|made| made.version >= from);
        }
    }
    (made, from)
}

/// Whether the oldest version need not be known any more (HIST-RETAINED).
fn is_over(made: &[Made<'_>], now_ms: u64, limits: &Limits) -> bool {
    let bytes = |made: &Made<'_>| {
        let value = made
            .effect
            .value
            .as_ref()
            .map_or(0, |value| value.get().len());
        (made.effect.key.len() + value) as u64
    };
    let Some(oldest) = made.first() else {
        return false;
    };
    made.len() as u64 > limits.history_changes_max.expect("offered")
        || made.iter().map(bytes).sum::<u64>() > limits.history_bytes_max.expect("offered")
        || now_ms - oldest.at_ms > limits.history_ms.expect("offered")
}

impl Made<'_> {
    fn place(&self) -> (u64, u64) {
        (self.version, self.index)
    }

    fn is_meant(&self, history: &History) -> bool {
        let end = |place: &Place, whole| (place.version, place.index.unwrap_or(whole));
        let behind = |place: &Place| self.place() > end(place, u64::MAX);
        let in_front = |place: &Place| self.place() < end(place, 0);
        *self.effect.table == *history.table
            && { history.key.as_ref() }.is_none_or(|key| *self.effect.key == **key)
            && history.after.as_ref().is_none_or(behind)
            && history.before.as_ref().is_none_or(in_front)
    }

    fn is_told_by(&self, told: &PastChange) -> bool {
        let (key, author_told, at, value, siblings) = match told {
            PastChange::Set(set) => (
                &set.key,
                &set.author,
                set.at,
                Some(&set.value),
                set.siblings.as_deref(),
            ),
            PastChange::Delete(delete) => (&delete.key, &delete.author, delete.at, None, None),
        };
        let none: &[Sibling] = &[];
        told.table() == &*self.effect.table
            && **key == *self.effect.key
            && (told.version(), told.index()) == self.place()
            && *author_told == author(EPOCH, self.client)
            && at == self.at_ms
            && value == self.effect.value.as_ref()
            && siblings.unwrap_or(none).is_empty()
    }
}

/// A page is what the log says (HIST-CHANGES, HIST-ORDER, HIST-PAGE, HIST-FROM, HIST-RETAINED).
pub(crate) fn check(history: &History, past: &Past, log: &[Record], limits: &Limits) {
    let (made, from) = known(log, limits);
    assert_eq!(past.to, log.last().map_or(0, |record| record.version));
    assert_eq!(past.from, from, "HIST-FROM");
    let mut meant: Vec<_> = { made.iter() }
        .filter(|made| made.is_meant(history))
        .collect();
    if history.order == HistoryOrder::Newest {
        meant.reverse();
    }
    let told = past.changes.len();
    let most = history.limit.or(limits.history_page_max).expect("offered");
    assert!(told as u64 <= most, "HIST-PAGE");
    assert!(
        told > 0 || meant.is_empty(),
        "HIST-PAGE: none, though there are"
    );
    assert_eq!(past.has_more, told < meant.len(), "HIST-PAGE: {past:?}");
    for (made, told) in meant.iter().zip(&past.changes) {
        assert!(made.is_told_by(told), "HIST-CHANGES: {told:?} in {past:?}");
    }
}

impl World {
    pub(super) fn history(
        &mut self,
        session: usize,
        (table, key): (usize, Option<usize>),
        newest: bool,
        limit: Option<u64>,
        places: [PlacePlan; 2],
    ) {
        let Some(session) = self.session(session) else {
            return;
        };
        let head = self.node.engine.head();
        let [after, before] = places.map(|place| {
            place.map(|(back, index)| Place {
                version: head.saturating_sub(back),
                index,
            })
        });
        let history = History {
            table: TABLES[table % TABLES.len()].to_owned(),
            key: key.map(|key| format!("k{key}")),
            order: match newest {
                true => HistoryOrder::Newest,
                false => HistoryOrder::Oldest,
            },
            after,
            before,
            limit,
        };
        self.send(session, history.into());
    }
}

/// A frame as a server would send it that may keep no less history than it must: runs keep less, so that something is forgotten.
pub(crate) fn announced(text: &str) -> Cow<'_, str> {
    if !text.starts_with(r#"{"type":"welcome""#) {
        return text.into();
    }
    let mut welcome: Value = serde_json::from_str(text).expect("JSON");
    let limits = welcome["limits"].as_object_mut().expect("limits");
    limits.retain(|name, _| !name.starts_with("history"));
    welcome.to_string().into()
}
