//! Filters: a shape of some of the rows only, and changing which.
//!
//! A cursor says how far the replica has followed its filter, and the server does not know under which one it was got. So a change of filter lets go of the cursor, in
//! the same transaction: what has none is asked for whole, on this session or any later one (`FLT-CLIENT-CURSOR`). The rows stay until the replacement is there, and
//! those that it has as well are never touched (`FLT-CLIENT-CHANGE`).

use std::collections::BTreeMap;

use syncline_schemas::{Filter, Json, JsonObject, Limits, errors};

use crate::env::Env;
use crate::events::{Event, Origin, Trouble};
use crate::limits::{Refusal, depth_of, least_limits};
use crate::replica::Replica;
use crate::session::{LiveShape, Stage};
use crate::stored::{Filters, StoreChange, Tables};

/// The nesting of a filter within a `subscribe`: frame, tables, table.
const FILTER_DEPTH: u64 = 3;

/// Filters as they are kept, if a server with these limits may be sent them.
pub(crate) fn checked(
    tables: &Tables,
    filters: &BTreeMap<String, Filter>,
    limits: &Limits,
) -> Result<Filters, Refusal> {
    let refuse = |at: String, reason: &str| Refusal::new(&errors::INVALID_FILTER, at, reason);
    if let Some(table) = filters.keys().find(|table| !tables.contains(*table)) {
        let reason = format!("the shape has no table {table:?}");
        return Err(refuse("/tables".to_owned(), &reason));
    }
    let mut kept = Filters::new();
    for (table, filter) in filters {
        // A number that JSON cannot say leaves no filter.
        let text = Json::parse(&filter.canonical()).ok();
        let again = { text.as_ref() }.and_then(|text| Filter::read(&text.to_value().ok()?).ok());
        let (Some(text), Some(_)) = (text, again) else {
            let step = table.replace('~', "~0").replace('/', "~1");
            return Err(refuse(format!("/tables/{step}/where"), "it is no filter"));
        };
        kept.insert(table.clone(), text);
    }
    check(&kept, limits)?;
    Ok(kept)
}

/// Whether filters pass these limits, or where none are announced, those that every server allows that has filters (`LIMIT-KEPT`).
fn check(filters: &Filters, limits: &Limits) -> Result<(), Refusal> {
    let least = least_limits();
    let nodes_max = limits.filter_nodes_max.or(least.filter_nodes_max);
    let bytes_max = limits.filter_bytes_max.or(least.filter_bytes_max);
    let (mut nodes, mut bytes, mut depth) = (0, 0, 0);
    for text in filters.values() {
        let filter = text.to_value().ok();
        let filter = filter.and_then(|value| Filter::read(&value).ok());
        nodes += filter.map_or(0, |filter| filter.nodes());
        bytes += text.get().len() as u64;
        depth = depth.max(depth_of(text.get()) + FILTER_DEPTH);
    }
    let checked = [
        (nodes, "nodes", nodes_max),
        (bytes, "bytes", bytes_max),
        (depth, "levels of nesting", Some(limits.depth_max)),
    ];
    for (amount, what, most) in checked {
        let most = most.unwrap_or(0);
        if amount > most {
            let reason = format!("filters of {amount} {what}; the limit is {most}");
            return Err(Refusal::new(&errors::INVALID_FILTER, "/tables", reason));
        }
    }
    Ok(())
}

impl Replica {
    /// The app wants other filters for a shape that it has, if they are others.
    pub(crate) fn change_filters(&mut self, tables: Tables, filters: Filters, env: Env) {
        let now = self.durable.filters.get(&tables);
        if now.is_none_or(Filters::is_empty) && filters.is_empty() || now == Some(&filters) {
            return;
        }
        self.env = env;
        self.durable
            .record(StoreChange::ShapeFiltered(tables.clone(), filters));
        self.durable
            .record(StoreChange::ShapePut(tables.clone(), None));
        // Where the session has the shape, it begins anew there. Where it has not, it is asked for when that is due.
        let begun = self
            .session()
            .is_some_and(|session| session.shapes.contains_key(&tables));
        if begun {
            self.ask_for(tables, false);
        }
        self.finish(Origin::Local);
    }

    /// The settings of a table of a shape, as they are asked for.
    pub(crate) fn settings_of(&self, tables: &Tables, table: &str) -> JsonObject {
        let filters = self.durable.filters.get(tables);
        let filter = filters.and_then(|filters| filters.get(table)?.to_value().ok());
        filter
            .map(|filter| ("where".to_owned(), filter))
            .into_iter()
            .collect()
    }

    /// Whether a shape's filters pass this session's limits no more: then it is not asked for, and the app is told.
    pub(crate) fn refuse_filters(&mut self, tables: &Tables) -> bool {
        let Some(filters) = self.durable.filters.get(tables) else {
            return false;
        };
        let Err(refusal) = check(filters, self.limits()) else {
            return false;
        };
        let trouble = Trouble {
            code: Some(refusal.code.to_owned()),
            message: refusal.reason,
        };
        let verified_ms = self.env.steady_ms;
        let refused = LiveShape {
            stage: Stage::Refused,
            verified_ms,
            staging: None,
            levelled: false,
            gapped: false,
            again: false,
        };
        if let Some(session) = self.session() {
            session.shapes.insert(tables.clone(), refused);
        }
        let tables = tables.clone();
        self.events
            .push_back(Event::ShapeRefused { tables, trouble });
        true
    }
}
