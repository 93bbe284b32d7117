//! Who may subscribe to documents: sessions that said that they can read them (DOC-NEEDED).

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_schemas::{ErrorMessage, JsonObject, TableKind, errors};

use crate::connection::error;
use crate::engine::Engine;
use crate::io::SessionKey;
use crate::names;
use crate::record::Declared;
use crate::sessions::Session;
use crate::subscriptions::refuse;

impl Engine {
    /// The refusal of a shape with a table of documents, to a session that cannot read them.
    pub(crate) fn refuse_documents<'a>(
        &self,
        session: &Session,
        mut tables: impl Iterator<Item = &'a String>,
    ) -> Option<ErrorMessage> {
        if session.reads_documents {
            return None;
        }
        let table = tables.find(|table| self.holds_documents(table))?;
        Some(needed(table))
    }

    /// Refuses a filter on a table of documents: nothing in a document could match (DOC-FILTER).
    pub(crate) fn refuse_filtered_documents(
        &self,
        tables: &BTreeMap<String, JsonObject>,
    ) -> Result<(), Box<ErrorMessage>> {
        let filtered = tables.iter().filter(|(_, settings)| !settings.is_empty());
        let mut filtered = filtered.map(|(table, _)| table);
        match filtered.find(|table| self.holds_documents(table)) {
            None => Ok(()),
            Some(table) => refuse(
                &errors::UNSUPPORTED_SETTING,
                "a table of documents has no filter",
                &[table, &"where".to_owned()],
            ),
        }
    }

    fn holds_documents(&self, table: &str) -> bool {
        let settings = self.state.declared.get(table);
        settings.is_some_and(|settings| settings.kind == Some(TableKind::Document))
    }

    /// Ends the subscriptions of those who cannot read what a table holds from now on.
    pub(crate) fn end_for_documents(&mut self, declared: &Declared) {
        if declared.settings.kind != Some(TableKind::Document) {
            return;
        }
        for session in self.sessions.unable_to_read(&declared.table) {
            self.end_unreadable(session, &declared.table);
        }
    }

    fn end_unreadable(&mut self, session: SessionKey, table: &Arc<str>) {
        let known = self.sessions.find(session);
        let Some(id) = known.and_then(|known| known.tables.get(table).copied()) else {
            return;
        };
        let shape = self.shapes.find(id).map(|shape| shape.name.clone());
        self.end_subscription(session, id);
        let ended = ErrorMessage {
            shape,
            at: None,
            ..needed(table)
        };
        self.outbox.message(session, ended);
    }
}

fn needed(table: &str) -> ErrorMessage {
    let step = names::pointer_step(table).unwrap_or_default();
    ErrorMessage {
        at: Some(format!("/tables{step}")),
        ..error(
            &errors::DOCUMENTS_NEEDED,
            "a table holds documents: name the capability documents in hello",
        )
    }
}
