//! Shapes: what the app wants to hold, and how each session asks for it.

use std::collections::BTreeMap;

use syncline_schemas::{ClientMessage, Filter, Subscribe, Subscribed, Unsubscribe, errors};

use crate::env::Env;
use crate::events::Origin;
use crate::filters;
use crate::limits::{self, Refusal};
use crate::replica::Replica;
use crate::session::{Abandoned, LiveShape, Session, Stage};
use crate::stored::{StoreChange, Tables};

/// The app's inputs.
impl Replica {
    /// The app wants these tables, whole, as one shape, from now on and after every restart. A shape that it has already is left as it is; of one that has filters,
    /// they are taken away.
    ///
    /// # Errors
    /// If another shape has one of the tables, or the shape passes the limits known.
    pub fn subscribe(&mut self, tables: Tables, env: Env) -> Result<(), Refusal> {
        self.subscribe_where(tables, BTreeMap::new(), env)
    }

    /// The same, of some of the tables only the rows that match a filter. Of a shape that it has with other filters, these are changed in place: rows that match
    /// before and after are seen all the while (`FLT-CLIENT-CHANGE`).
    ///
    /// # Errors
    /// If another shape has one of the tables, the shape or its filters pass the limits known, or a filter is of a table that is not among them.
    pub fn subscribe_where(
        &mut self,
        tables: Tables,
        filters: BTreeMap<String, Filter>,
        env: Env,
    ) -> Result<(), Refusal> {
        let filters = filters::checked(&tables, &filters, self.limits())?;
        if self.durable.shapes.contains_key(&tables) {
            self.change_filters(tables, filters, env);
            return Ok(());
        }
        limits::check_shape(&tables, self.durable.shapes.len(), self.limits())?;
        if let Some(table) = tables
            .iter()
            .find(|table| self.durable.shape_of(table).is_some())
        {
            let reason = format!("another shape has the table {table:?}");
            return Err(Refusal {
                code: errors::SHAPE_OVERLAP.code,
                at: "/tables".to_owned(),
                reason,
            });
        }
        self.env = env;
        self.durable
            .record(StoreChange::ShapePut(tables.clone(), None));
        if !filters.is_empty() {
            self.durable
                .record(StoreChange::ShapeFiltered(tables, filters));
        }
        self.finish(Origin::Local);
        Ok(())
    }

    /// The app does not want the shape any more: what is held of it is dropped. Says whether there was one.
    pub fn unsubscribe(&mut self, tables: &Tables, env: Env) -> bool {
        if !self.durable.shapes.contains_key(tables) {
            return false;
        }
        self.env = env;
        let held = tables
            .iter()
            .filter_map(|table| Some((table, self.durable.base.get(table)?)));
        let held =
            held.flat_map(|(table, rows)| rows.keys().map(move |key| (table.clone(), key.clone())));
        for (table, key) in held.collect::<Vec<_>>() {
            self.durable.record(StoreChange::RowDropped { table, key });
        }
        tables.iter().for_each(|table| self.drop_documents(table));
        self.durable
            .record(StoreChange::ShapeDropped(tables.clone()));
        self.release_overlay();
        self.abandon(tables);
        self.finish(Origin::Local);
        true
    }
}

impl Replica {
    /// Asks for every wanted shape that the session does not have.
    pub(crate) fn subscribe_wanted(&mut self) {
        if !self.control.mode.pulls() {
            return;
        }
        let now = self.env.steady_ms;
        let wanted: Vec<Tables> = self.durable.shapes.keys().cloned().collect();
        let Some(session) = self.session() else {
            return;
        };
        let due: Vec<Tables> = wanted
            .into_iter()
            .filter(|tables| session.is_due(tables, now))
            .collect();
        due.into_iter()
            .for_each(|tables| self.ask_for(tables, false));
    }

    /// Subscribes from where the base stands, or from nothing where that is to be replaced. For a shape that the session has already,
    /// that begins it anew (`SUB-SAME-AGAIN`).
    pub(crate) fn ask_for(&mut self, tables: Tables, gapped: bool) {
        if self.refuse_filters(&tables) {
            return;
        }
        self.subscribes += 1;
        let id = format!("s{}", self.subscribes);
        let subscribe = Subscribe {
            id: id.clone(),
            tables: tables
                .iter()
                .map(|table| (table.clone(), self.settings_of(&tables, table)))
                .collect::<BTreeMap<_, _>>(),
            cursor: self.durable.shapes.get(&tables).cloned().flatten(),
        };
        let frame = self.send(ClientMessage::Subscribe(subscribe));
        let verified_ms = self.env.steady_ms;
        if let Some(session) = self.session() {
            let shape = LiveShape {
                stage: Stage::Asked { id, frame },
                staging: None,
                levelled: false,
                gapped,
                verified_ms,
                again: false,
            };
            session.shapes.insert(tables, shape);
        }
    }

    /// A subscription is accepted: updates under its name belong to it from here on.
    pub(crate) fn on_subscribed(&mut self, subscribed: Subscribed) {
        let Some(session) = self.session() else {
            return;
        };
        let asked = |shape: &&mut LiveShape| matches!(&shape.stage, Stage::Asked { id, .. } if *id == subscribed.id);
        if let Some(shape) = session.shapes.values_mut().find(asked) {
            shape.stage = Stage::Live {
                name: subscribed.shape,
            };
        } else if let Some(index) = session
            .abandoned
            .iter()
            .position(|other| other.id == subscribed.id)
        {
            session.abandoned.remove(index);
            self.send(ClientMessage::Unsubscribe(Unsubscribe {
                shape: subscribed.shape,
            }));
        }
    }

    /// Ends all shapes on the session; what is held of them stays (`CLIENT-MODE-PUSH`).
    pub(crate) fn leave_shapes(&mut self) {
        let wanted: Vec<Tables> = self.durable.shapes.keys().cloned().collect();
        wanted.iter().for_each(|tables| self.abandon(tables));
    }

    /// Ends a shape on the session. One that is not accepted yet has no name to end it by: it is remembered until it has.
    fn abandon(&mut self, tables: &Tables) {
        let Some(session) = self.session() else {
            return;
        };
        match session.shapes.remove(tables).map(|shape| shape.stage) {
            Some(Stage::Live { name }) => {
                self.send(ClientMessage::Unsubscribe(Unsubscribe { shape: name }));
            }
            Some(Stage::Asked { id, frame }) => session.abandoned.push(Abandoned {
                id,
                frame,
                tables: tables.clone(),
            }),
            _ => {}
        }
    }

    /// Something is missing between the cursor and an update (`CLIENT-GAP`): subscribes again from the cursor. If that
    /// does not help either, another session may.
    pub(crate) fn on_gap(&mut self, tables: &Tables) {
        let again = self
            .session()
            .and_then(|session| session.shapes.get(tables))
            .is_some_and(|shape| shape.gapped);
        if again {
            self.server_misbehaved("leaves a gap in its updates");
        } else {
            self.ask_for(tables.clone(), true);
        }
    }
}

impl Session {
    /// Whether a wanted shape is to be asked for now. While an abandoned subscription that shares a table has not been answered,
    /// the server would find the two in conflict.
    fn is_due(&self, tables: &Tables, now_ms: u64) -> bool {
        if self
            .abandoned
            .iter()
            .any(|other| !other.tables.is_disjoint(tables))
        {
            return false;
        }
        match self.shapes.get(tables).map(|shape| &shape.stage) {
            None => true,
            Some(Stage::Postponed { until_ms }) => now_ms >= *until_ms,
            Some(_) => false,
        }
    }
}
