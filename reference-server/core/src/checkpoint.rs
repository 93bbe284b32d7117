//! The whole state as text, so that a start need not read the log from its beginning.
//!
//! JSON lines: a header, the clients, the rows with the deletes that are still known, each in a fixed order: equal states give
//! equal checkpoints. What another engine cannot know (sessions, rates) is left out.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_schemas::{Json, Limits};

use crate::clients::{Client, Retained};
use crate::json;
use crate::rate::Bucket;
use crate::record::{Rejection, present};
use crate::state::{State, row_bytes};
use crate::table::{Position, Row, Table};
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
    #[serde(skip_serializing)] // There are many: see `write_row`.
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowLine {
    table: Arc<str>,
    key: Arc<str>,
    #[serde(default, deserialize_with = "present")]
    value: Option<Json>,
    version: u64,
    slot: u32,
    writer: Arc<str>,
    others_version: u64,
}

impl Checkpoint {
    pub(crate) fn of(state: &State, epoch: &str) -> Checkpoint {
        let mut text = String::with_capacity(bytes_about(state));
        let header = Header {
            format: FORMAT,
            epoch: epoch.to_owned(),
            version: state.head,
            at_ms: state.at_ms,
            truncated_to: state.truncated_to,
            marks: state.marks.clone(),
        };
        json::other(&mut text, &Line::Header(header));
        text.push('\n');
        for (id, client) in state.clients.sorted() {
            json::other(&mut text, &Line::Client(client_line(id, client)));
            text.push('\n');
        }
        for (name, table) in &state.tables {
            for (key, row) in table.rows() {
                write_row(&mut text, name, key, row);
                text.push('\n');
            }
        }
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

/// Bytes of a row's line beside its key and value, about.
const ROW_BYTES: usize = 128;

/// The bytes that the state's text will have, about: a large text that grows is copied each time that it has doubled.
fn bytes_about(state: &State) -> usize {
    let rows: usize = state.tables.values().map(Table::len).sum();
    rows * ROW_BYTES + state.bytes as usize
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

fn write_row(text: &mut String, table: &str, key: &str, row: &Row) {
    text.push_str(r#"{"row":{"table":"#);
    json::string(text, table);
    text.push_str(r#","key":"#);
    json::string(text, key);
    if let Some(value) = &row.value {
        text.push_str(r#","value":"#);
        text.push_str(value.get());
    }
    text.push_str(r#","version":"#);
    json::integer(text, row.position.version);
    text.push_str(r#","slot":"#);
    json::integer(text, row.position.slot.into());
    text.push_str(r#","writer":"#);
    json::string(text, &row.writer);
    text.push_str(r#","othersVersion":"#);
    json::integer(text, row.others_version);
    text.push_str("}}");
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
    let position = Position {
        version: line.version,
        slot: line.slot,
    };
    let row = Row {
        value: line.value,
        position,
        // Clients stand before rows: the text of an id is held once, as far as it is still a client's.
        writer: state.clients.id(&line.writer),
        others_version: line.others_version,
    };
    state.bytes += row_bytes(&line.key, row.value.as_ref());
    let table = state.tables.entry(line.table).or_default();
    table.put(line.key, position, |_| row);
}
