//! Who may subscribe to documents: sessions that said that they can read them (DOC-NEEDED).

use std::sync::Arc;

use syncline_schemas::{ErrorMessage, TableKind, errors};

use crate::connection::error;
use crate::engine::Engine;
use crate::io::SessionKey;
use crate::names;
use crate::record::Declared;
use crate::sessions::Session;

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
