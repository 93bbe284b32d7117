//! The procedures for `subscribe` and `unsubscribe`: how a subscription begins, resumes and ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_schemas::errors::{self, ErrorDef};
use syncline_schemas::mark;
use syncline_schemas::{Cursor, ErrorMessage, JsonObject, Subscribe, Subscribed, Unsubscribe};

use crate::config::FILTERS;
use crate::connection::error;
use crate::engine::Engine;
use crate::filters::{Filters, ShapeFilters, WHERE};
use crate::io::SessionKey;
use crate::names;
use crate::sessions::{Session, Staging};
use crate::shapes::{ShapeId, ShapeKey, TableSet};

impl Engine {
    /// Begins a subscription, or says why not (SUB-ERROR-LOCAL). `head` is the head in this subscribe's turn.
    pub(crate) fn subscribe(
        &mut self,
        session: SessionKey,
        re: u64,
        subscribe: &Subscribe,
        head: u64,
    ) {
        let tables: TableSet = subscribe
            .tables
            .keys()
            .map(|name| Arc::from(name.as_str()))
            .collect();
        let Some(known) = self.sessions.find(session) else {
            return;
        };
        let (same, filters) = match self.check_shape(known, &subscribe.tables) {
            Err(refused) => return self.answer_error(session, re, *refused),
            Ok(checked) => checked,
        };
        // What a cursor under other filters says is of no use (FLT-CHANGE).
        let other = |id| {
            self.shapes
                .find(id)
                .is_some_and(|shape| shape.filters != filters)
        };
        let cursor = { subscribe.cursor.as_ref() }.filter(|_| !same.is_some_and(other));
        let staging = self.first_update(cursor, head);
        if let Some(same) = same {
            // It begins anew (SUB-SAME-AGAIN).
            self.end_subscription(session, same);
        }
        let key = ShapeKey {
            tables: tables.clone(),
            filters: filters.clone(),
        };
        let id = self.shapes.join(key, self.state.head);
        if let Some(known) = self.sessions.find_mut(session) {
            known
                .tables
                .extend(tables.iter().map(|table| (table.clone(), id)));
        }
        self.sessions.stage(session, id, staging);
        let shape = self
            .shapes
            .find(id)
            .map_or_else(String::new, |shape| shape.name.clone());
        let told = self.settings_of(&subscribe.tables, filters.as_deref());
        let (id, tables) = (subscribe.id.clone(), told);
        self.outbox
            .message(session, Subscribed { id, shape, tables });
    }

    /// The tables of a shape, each with the settings that are in force (TAB-TOLD) and its filter (FLT-TOLD).
    fn settings_of(
        &self,
        tables: &BTreeMap<String, JsonObject>,
        filters: Option<&Filters>,
    ) -> BTreeMap<String, JsonObject> {
        let settings = |(name, _): (&String, &JsonObject)| {
            let declared = self.state.declared.get(name.as_str());
            let mut told = declared.map_or_else(JsonObject::new, |settings| settings.told());
            let filter = filters.and_then(|filters| filters.told(name));
            told.extend(filter.map(|filter| (WHERE.to_owned(), filter)));
            (name.clone(), told)
        };
        tables.iter().map(settings).collect()
    }

    /// What is sent first: from the cursor on if everything after it is known, else a replacement (SUB-CURSOR-EPOCH, SUB-CURSOR-AHEAD,
    /// SUB-CURSOR-TRUNCATED, SUB-NO-CURSOR).
    fn first_update(&self, cursor: Option<&Cursor>, head: u64) -> Staging {
        let known = self.state.truncated_to..=head;
        match cursor {
            Some(cursor) if cursor.epoch == self.epoch && known.contains(&cursor.version) => {
                Staging::catch_up(cursor.version, 0)
            }
            _ => {
                self.mark_replacement(cursor);
                Staging::replacement(self.state.head)
            }
        }
    }

    /// Why a cursor was of no use.
    fn mark_replacement(&self, cursor: Option<&Cursor>) {
        match cursor {
            Some(cursor) if cursor.epoch != self.epoch => mark!("server_cursor_of_other_epoch"),
            Some(cursor) if cursor.version < self.state.truncated_to => {
                mark!("server_cursor_truncated");
            }
            _ => {}
        }
    }

    /// Checks a shape against the rules and the session's other shapes; gives the one that has exactly these tables, and the filters.
    fn check_shape(
        &self,
        session: &Session,
        tables: &BTreeMap<String, JsonObject>,
    ) -> Result<(Option<ShapeId>, ShapeFilters), Box<ErrorMessage>> {
        let limits = &self.config.limits;
        let filters = self.config.offers(FILTERS);
        let unknown = |setting: &&String| !(filters && *setting == WHERE);
        if let Some((table, setting)) = tables
            .iter()
            .find_map(|(table, settings)| Some((table, settings.keys().find(unknown)?)))
        {
            return refuse(
                &errors::UNSUPPORTED_SETTING,
                "no such setting is known",
                &[table, setting],
            );
        }
        if tables.is_empty() || tables.len() as u64 > limits.shape_tables_max {
            let message = format!(
                "{} tables, limits.shapeTablesMax is {}",
                tables.len(),
                limits.shape_tables_max
            );
            return refuse(&errors::INVALID_SHAPE, &message, &[]);
        }
        if let Some(table) = tables
            .keys()
            .find(|table| names::check_table(table, limits).is_err())
        {
            return refuse(
                &errors::INVALID_SHAPE,
                "no table may have this name",
                &[table],
            );
        }
        let filters = Filters::read(tables, limits)?;
        if let Some(refused) = self.refuse_documents(session, tables.keys()) {
            return Err(Box::new(refused));
        }
        let shared = tables
            .keys()
            .find_map(|table| Some((table, *session.tables.get(table.as_str())?)));
        if let Some((table, id)) = shared {
            let same = |shape: &crate::shapes::Shape| {
                shape.tables.iter().map(|name| &**name).eq(tables.keys())
            };
            if self.shapes.find(id).is_some_and(same) {
                return Ok((Some(id), filters));
            }
            return refuse(
                &errors::SHAPE_OVERLAP,
                "another shape of this connection has the table",
                &[table],
            );
        }
        if session.shapes.len() as u64 >= limits.shapes_max {
            return refuse(
                &errors::TOO_MANY_SHAPES,
                &format!("limits.shapesMax is {}", limits.shapes_max),
                &[],
            );
        }
        Ok((None, filters))
    }

    /// Ends a subscription (SUB-UNSUBSCRIBE).
    pub(crate) fn unsubscribe(&mut self, session: SessionKey, re: u64, unsubscribe: &Unsubscribe) {
        match self.shape_named(session, &unsubscribe.shape) {
            Some(id) => self.end_subscription(session, id),
            None => {
                let refused = error(
                    &errors::UNKNOWN_SHAPE,
                    "no such shape is subscribed on this connection",
                );
                self.answer_error(session, re, refused);
            }
        }
    }

    /// The shape of this name that a session subscribes to.
    pub(crate) fn shape_named(&self, session: SessionKey, name: &str) -> Option<ShapeId> {
        let named = |id: &&ShapeId| {
            self.shapes
                .find(**id)
                .is_some_and(|shape| shape.name == name)
        };
        let known = self.sessions.find(session)?;
        known.shapes.keys().find(named).copied()
    }

    pub(crate) fn end_subscription(&mut self, session: SessionKey, id: ShapeId) {
        if let Some(known) = self.sessions.find_mut(session) {
            known.shapes.remove(&id);
            known.tables.retain(|_, shape| *shape != id);
            known.turns.retain(|shape| *shape != id);
        }
        self.refuse_digests(session, id);
        self.shapes.leave(id, session);
    }
}

/// Refuses a shape; the fault is at this member of `tables`, if any.
pub(crate) fn refuse<T>(
    def: &ErrorDef,
    message: &str,
    way: &[&String],
) -> Result<T, Box<ErrorMessage>> {
    let steps = way.iter().map_while(|name| names::pointer_step(name));
    let at = steps.fold("/tables".to_owned(), |pointer, step| pointer + &step);
    Err(Box::new(ErrorMessage {
        at: Some(at),
        ..error(def, message)
    }))
}
