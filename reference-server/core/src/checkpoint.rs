//! The whole state as text, so that a start need not read the log from its beginning.
//!
//! JSON lines: a header, the clients, the rows with the deletes that are still known, each in a fixed order: equal states give
//! equal checkpoints. What another engine cannot know (sessions, rates) is left out.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_schemas::{Json, Limits};

use crate::clients::{Client, Retained};
use crate::rate::Bucket;
use crate::record::{Rejection, present};
use crate::state::{State, row_bytes};
use crate::table::{Position, Row};
use crate::truncation::Marks;

/// The state of a workspace after all records up to `version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last version that is in it.
    pub version: u64,
    /// The engine's own format.
    pub text: String,
}

/// The number of the format that is written, and the only one that is read.
const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Header(Header),
    Client(ClientLine),
    Row(RowLine),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    format: u64,
    epoch: String,
    version: u64,
    at_ms: u64,
    truncated_to: u64,
    marks: Marks,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientLine {
    client: Arc<str>,
    last_seq: u64,
    touched_ms: u64,
    outcomes: VecDeque<OutcomeEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutcomeEntry {
    op_id: Arc<str>,
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejection: Option<Box<Rejection>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowLine {
    table: Arc<str>,
    key: Arc<str>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    value: Option<Json>,
    version: u64,
    slot: u32,
    writer: Arc<str>,
    others_version: u64,
}

impl Checkpoint {
    pub(crate) fn of(state: &State, epoch: &str) -> Checkpoint {
        let mut text = Vec::new();
        let mut write = |line: &Line| {
            serde_json::to_writer(&mut text, line)
                .expect("a line has only members that JSON can say");
            text.push(b'\n');
        };
        write(&Line::Header(Header {
            format: FORMAT,
            epoch: epoch.to_owned(),
            version: state.head,
            at_ms: state.at_ms,
            truncated_to: state.truncated_to,
            marks: state.marks.clone(),
        }));
        for (id, client) in state.clients.sorted() {
            write(&Line::Client(client_line(id, client)));
        }
        for (name, table) in &state.tables {
            for (key, row) in table.rows() {
                write(&Line::Row(row_line(name, key, row)));
            }
        }
        let text = String::from_utf8(text).expect("JSON made of strings is UTF-8");
        Checkpoint {
            version: state.head,
            text,
        }
    }

    /// The same state as the beginning of another history, as when a backup is restored (MODEL-EPOCH-NEW).
    ///
    /// # Errors
    /// The checkpoint is damaged.
    pub fn under_epoch(&self, epoch: &str) -> Result<Checkpoint, String> {
        let (first, rest) = self.text.split_once('\n').unwrap_or((&self.text, ""));
        let Line::Header(header) = parse(first)? else {
            return Err("it does not begin with a header".to_owned());
        };
        let header = Line::Header(Header {
            epoch: epoch.to_owned(),
            ..header
        });
        let header = serde_json::to_string(&header).map_err(|error| error.to_string())?;
        Ok(Checkpoint {
            version: self.version,
            text: format!("{header}\n{rest}"),
        })
    }

    /// The state that was written.
    pub(crate) fn restore(&self, epoch: &str, limits: &Limits) -> Result<State, String> {
        let mut state = State::default();
        let mut lines = self.text.lines();
        match lines.next().map(parse).transpose()? {
            Some(Line::Header(header)) => restore_header(&mut state, header, epoch)?,
            _ => return Err("it does not begin with a header".to_owned()),
        }
        for line in lines {
            match parse(line)? {
                Line::Header(_) => return Err("a second header".to_owned()),
                Line::Client(client) => restore_client(&mut state, client, limits)?,
                Line::Row(row) => restore_row(&mut state, row),
            }
        }
        Ok(state)
    }
}

fn parse(line: &str) -> Result<Line, String> {
    serde_json::from_str(line).map_err(|error| error.to_string())
}

fn client_line(id: &Arc<str>, client: &Client) -> ClientLine {
    let entry = |retained: &Retained| {
        let Retained {
            op_id,
            version,
            rejection,
        } = retained.clone();
        OutcomeEntry {
            op_id,
            version,
            rejection,
        }
    };
    ClientLine {
        client: id.clone(),
        last_seq: client.last_seq,
        touched_ms: client.touched_ms,
        outcomes: client.window.iter().map(entry).collect(),
    }
}

fn row_line(table: &Arc<str>, key: &Arc<str>, row: &Row) -> RowLine {
    RowLine {
        table: table.clone(),
        key: key.clone(),
        value: row.value.clone(),
        version: row.position.version,
        slot: row.position.slot,
        writer: row.writer.clone(),
        others_version: row.others_version,
    }
}

fn restore_header(state: &mut State, header: Header, epoch: &str) -> Result<(), String> {
    if header.format != FORMAT {
        return Err(format!(
            "its format is {}, this engine reads {FORMAT}",
            header.format
        ));
    }
    if header.epoch != epoch {
        return Err(format!("it is of epoch {}, not {epoch}", header.epoch));
    }
    state.head = header.version;
    state.at_ms = header.at_ms;
    state.truncated_to = header.truncated_to;
    state.marks = header.marks;
    Ok(())
}

fn restore_client(state: &mut State, line: ClientLine, limits: &Limits) -> Result<(), String> {
    if line.outcomes.is_empty() || line.outcomes.len() as u64 > line.last_seq {
        return Err(format!(
            "{} outcomes up to seq {}",
            line.outcomes.len(),
            line.last_seq
        ));
    }
    let retained = |OutcomeEntry {
                        op_id,
                        version,
                        rejection,
                    }| Retained {
        op_id,
        version,
        rejection,
    };
    let window = line.outcomes.into_iter().map(retained).collect();
    let rate = Bucket::full(limits);
    state.clients.put(
        line.client,
        Client {
            last_seq: line.last_seq,
            window,
            touched_ms: line.touched_ms,
            rate,
        },
    );
    Ok(())
}

fn restore_row(state: &mut State, line: RowLine) {
    let row = Row {
        value: line.value,
        position: Position {
            version: line.version,
            slot: line.slot,
        },
        // Clients stand before rows: the text of an id is held once, as far as it is still a client's.
        writer: state.clients.id(&line.writer),
        others_version: line.others_version,
    };
    state.bytes += row_bytes(&line.key, &row);
    state
        .tables
        .entry(line.table)
        .or_default()
        .put(line.key, row);
}
