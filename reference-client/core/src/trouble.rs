//! Errors: each is treated by its scope and by whether trying again may help, known or not (`ERR-UNKNOWN-CODE`).

use syncline_schemas::{ErrorMessage, Scope};

use crate::events::{Event, Trouble};
use crate::replica::Replica;
use crate::session::{LiveShape, Stage};
use crate::stored::Tables;

/// How long to wait before the same is tried again, where the server does not say.
const RETRY_MS: u64 = 1_000;

impl Replica {
    /// Something went wrong.
    pub(crate) fn on_error(&mut self, error: ErrorMessage) {
        if error.scope == Scope::Request && self.take_digest(error.re) {
            // As where the shape has ended meanwhile. Nothing waits for a digest.
            return;
        }
        if error.scope == Scope::Request && self.on_history_refused(&error) {
            // Who asked is told.
            return;
        }
        self.fail(Some(&error.code), &error.message);
        if error.scope == Scope::Request && self.on_present_refused(&error) {
            return;
        }
        match error.scope {
            Scope::Connection => self.on_connection_error(&error),
            Scope::Subscription => self.on_subscription_error(error),
            Scope::Request => self.on_request_error(&error),
        }
    }

    /// The connection is over. Where the same would fail again, only the longest wait makes sense.
    fn on_connection_error(&mut self, error: &ErrorMessage) {
        if !error.retryable {
            self.backoff.give_up_hope();
        }
        self.close();
        self.wait(error.retry_after_ms.unwrap_or(0));
    }

    /// A shape was refused, or has ended. Its rows stay as they are, and the next session asks for it again.
    fn on_subscription_error(&mut self, error: ErrorMessage) {
        let until_ms = self.env.steady_ms + error.retry_after_ms.unwrap_or(RETRY_MS);
        let Some(session) = self.session() else {
            return;
        };
        if let Some((tables, shape)) = session
            .shapes
            .iter_mut()
            .find(|(_, shape)| is_meant(shape, &error))
        {
            shape.stage = if error.retryable {
                Stage::Postponed { until_ms }
            } else {
                Stage::Refused
            };
            shape.staging = None;
            shape.levelled = false;
            let trouble = Trouble {
                code: Some(error.code),
                message: error.message,
            };
            let tables: Tables = tables.clone();
            self.events
                .push_back(Event::ShapeRefused { tables, trouble });
        } else {
            // One that was abandoned before it was refused: nothing is left to end.
            session
                .abandoned
                .retain(|other| error.re != Some(other.frame));
        }
    }

    /// One frame had no effect. Only a push is tried again.
    fn on_request_error(&mut self, error: &ErrorMessage) {
        let answered = error
            .re
            .zip(self.session())
            .and_then(|(frame, session)| session.take_answered(frame));
        let Some(push) = answered else { return };
        if error.retryable {
            self.hold_pushes(push.first, error.retry_after_ms.unwrap_or(RETRY_MS));
        } else {
            self.on_push_refused(&push, &error.code);
        }
    }
}

/// Whether an error of scope subscription is about this shape.
fn is_meant(shape: &LiveShape, error: &ErrorMessage) -> bool {
    match &shape.stage {
        Stage::Asked { frame, .. } => error.re == Some(*frame),
        Stage::Live { name } => error.shape.as_ref() == Some(name),
        Stage::Postponed { .. } | Stage::Refused => false,
    }
}
