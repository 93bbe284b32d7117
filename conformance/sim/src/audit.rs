//! The auditor: once all is quiet, a fresh reader reads every table, asks for the digest, and resumes from cursors all over the log.
//!
//! What it must come to from each is for the witness to say: the runner's checkers know the log as the clients were told it.

use syncline_schemas::{
    ClientMessage, Cursor, Digest, Hello, JsonObject, Ping, ServerMessage, Subscribe,
};

use crate::Seen;
use crate::app::WORKSPACE;
use crate::wire::{Item, Who};
use crate::world::World;

/// How often the log is resumed, each time from another cursor.
const RESUMED: u64 = 3;

/// The auditor.
#[derive(Debug, Default)]
pub(crate) struct Auditor {
    conn: Option<usize>,
    dials: u64,
    /// The epoch, and the head that it was welcomed with.
    at: Option<(String, u64)>,
    asked: u64,
    done: bool,
}

impl Auditor {
    /// Whether it has read all that it wanted to.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }
}

impl World<'_> {
    /// Begins, if it has not.
    pub(crate) fn audit(&mut self) {
        if self.auditor.conn.is_none() {
            self.auditor.dials += 1;
            let conn = self.dial(Who::Auditor, self.auditor.dials);
            self.auditor.conn = Some(conn);
        }
    }

    pub(crate) fn auditor_opened(&mut self, conn: usize) {
        self.conns[conn].client_open = true;
        self.see(Seen::Opened {
            conn,
            name: "auditor",
        });
        let hello = Hello {
            workspace: WORKSPACE.to_owned(),
            client_id: None,
            acked_seq: None,
            // Without it, no table of documents is read.
            capabilities: Some(vec!["documents".to_owned()]),
        };
        self.auditor_says(conn, ClientMessage::Hello(hello));
    }

    fn auditor_says(&mut self, conn: usize, message: ClientMessage) {
        let text = message.encode();
        self.see(Seen::Sent { conn, text: &text });
        self.send_up(conn, World::frame(text));
    }

    pub(crate) fn auditor_hears(&mut self, conn: usize, item: &Item) {
        match item {
            Item::Ping => {
                self.see(Seen::Heard { conn });
                self.send_up(conn, Item::Ping);
            }
            Item::End(code) => {
                self.conns[conn].client_open = false;
                self.see(Seen::Closed { conn, code: *code });
                self.violation("the auditor is sent away".to_owned());
                self.auditor.done = true;
            }
            Item::Frame(text) => {
                self.see(Seen::Received { conn, text });
                match ServerMessage::decode(text, 64) {
                    Ok(message) => self.auditor_reads(conn, &message),
                    Err(error) => self.violation(format!("the auditor reads no message: {error}")),
                }
            }
        }
    }

    fn auditor_reads(&mut self, conn: usize, message: &ServerMessage) {
        match message {
            ServerMessage::Welcome(welcome) => {
                self.auditor.at = Some((welcome.epoch.clone(), welcome.version));
                self.auditor_subscribes(conn);
            }
            ServerMessage::Update(update) if !update.more => {
                let digests = !self
                    .plan
                    .settings
                    .without
                    .iter()
                    .any(|name| name == "digests");
                if digests {
                    let shape = update.shape.clone();
                    self.auditor_says(conn, ClientMessage::Digest(Digest { shape }));
                } else {
                    self.auditor_subscribes(conn);
                }
            }
            ServerMessage::Digested(_) => self.auditor_subscribes(conn),
            ServerMessage::Pong(_) => self.auditor.done = true,
            ServerMessage::Error(error) => {
                self.violation(format!("the auditor is refused: {error:?}"));
                self.auditor.done = true;
            }
            _ => {}
        }
    }

    /// Subscribes to everything: first from nothing, then from one cursor after the other; at the end it asks for a pong.
    fn auditor_subscribes(&mut self, conn: usize) {
        let Some((epoch, head)) = self.auditor.at.clone() else {
            return;
        };
        let asked = self.auditor.asked;
        self.auditor.asked += 1;
        if asked > RESUMED.min(head) {
            return self.auditor_says(conn, ClientMessage::Ping(Ping { t: asked }));
        }
        let tables = { self.plan.settings.shapes.iter() }
            .flatten()
            .map(|table| (table.clone(), JsonObject::new()));
        let cursor = asked.checked_sub(1).map(|index| Cursor {
            epoch,
            version: head * index / RESUMED,
        });
        let subscribe = Subscribe {
            id: format!("audit-{asked}"),
            tables: tables.collect(),
            cursor,
        };
        self.auditor_says(conn, ClientMessage::Subscribe(subscribe));
    }
}
