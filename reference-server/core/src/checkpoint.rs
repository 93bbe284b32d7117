//! The whole state as text, so that a start need not read the log from its beginning.
//!
//! JSON lines: a header, the clients, the rows with the deletes that are still known, what is known of the past, each in a fixed order: equal states give
//! equal checkpoints. What another engine cannot know (sessions, rates) is left out.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_schemas::{Json, Limits, OpResult, Sibling};

use crate::clients::{Client, Detail, Retained};
use crate::conflicts::Trail;
use crate::documents::{Documents, Entry, Item};
use crate::history::{Change, Chronicle};
use crate::json;
use crate::rate::Bucket;
use crate::record::{Declared, Rejection, present};
use crate::sequences::Sequences;
use crate::state::State;
use crate::table::{Position, Row, Table};
use crate::tables::Settings;
use crate::truncation::Marks;

/// The state of a workspace after all records up to `version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last version that is in it.
    pub version: u64,
    /// The engine's own format.
    pub text: String,
}

/// The number of the format that is written.
const FORMAT: u64 = 2;

/// The number of the oldest format that is read: as the one that is written, but without sequences.
const OLDEST_FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Header(Header),
    /// Stands right behind the header, if at all.
    Sequences(Sequences),
    Declared(Declared),
    Client(ClientLine),
    #[serde(skip_serializing)] // There are many: see `write_row`.
    Row(RowLine),
    Entry(EntryLine),
    /// Stands behind the rows, if at all, and in front of the changes.
    History(HistoryLine),
    Change(ChangeLine),
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
    rejection: Option<Rejection>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<OpResult>,
}

impl OutcomeEntry {
    fn of(retained: &Retained) -> OutcomeEntry {
        let (rejection, told) = match retained.detail.as_deref() {
            None => (None, Vec::new()),
            Some(Detail::Told(told)) => (None, told.clone()),
            Some(Detail::Rejected(rejection)) => (Some(rejection.clone()), Vec::new()),
        };
        OutcomeEntry {
            op_id: retained.op_id.clone(),
            version: retained.version,
            rejection,
            told,
        }
    }

    fn retained(self) -> Retained {
        let told = (!self.told.is_empty()).then_some(Detail::Told(self.told));
        let detail = self.rejection.map(Detail::Rejected).or(told);
        Retained {
            op_id: self.op_id,
            version: self.version,
            detail: detail.map(Box::new),
        }
    }
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
    #[serde(default)]
    trail: Option<Arc<Trail>>,
}

/// An entry of a document; without data, its delete.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryLine {
    table: Arc<str>,
    key: Arc<str>,
    version: u64,
    slot: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    covers: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    life: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Json>,
}

/// What is known of the past (HIST-KEPT).
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryLine {
    from: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangeLine {
    table: Arc<str>,
    key: Arc<str>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    value: Option<Json>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    siblings: Vec<Sibling>,
    version: u64,
    slot: u32,
    author: Arc<str>,
    at_ms: u64,
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
        if !state.sequences.are_unused() {
            json::other(&mut text, &Line::Sequences(state.sequences.clone()));
            text.push('\n');
        }
        for (table, settings) in &state.declared {
            let (table, settings) = (table.clone(), Settings::clone(settings));
            json::other(&mut text, &Line::Declared(Declared { table, settings }));
            text.push('\n');
        }
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
        for (name, documents) in &state.documents {
            for (position, key, item) in documents.items() {
                json::other(
                    &mut text,
                    &Line::Entry(entry_line(name, key, *position, item)),
                );
                text.push('\n');
            }
        }
        if let Some(chronicle) = &state.chronicle {
            write_history(&mut text, chronicle);
        }
        Checkpoint {
            version: state.head,
            text,
        }
    }

    /// The same state as the beginning of another history, as when a backup is restored (MODEL-EPOCH-NEW): each sequence leaves `margin`
    /// ids out (SEQN-RESTORE).
    ///
    /// # Errors
    /// The checkpoint is damaged.
    pub fn under_epoch(&self, epoch: &str, margin: u64) -> Result<Checkpoint, String> {
        let (first, rest) = first_line(&self.text);
        let Line::Header(header) = parse(first)? else {
            return Err("it does not begin with a header".to_owned());
        };
        let (mut sequences, rest) = match first_line(rest) {
            (line, behind) if line.starts_with(SEQUENCES_LINE) => match parse(line)? {
                Line::Sequences(sequences) => (sequences, behind),
                _ => return Err("a line is not what it begins with".to_owned()),
            },
            _ => (Sequences::default(), rest),
        };
        sequences.leave_out(margin);
        let mut text = String::with_capacity(self.text.len() + EPOCH_BYTES);
        let header = Header {
            format: FORMAT,
            epoch: epoch.to_owned(),
            ..header
        };
        for line in [Line::Header(header), Line::Sequences(sequences)] {
            json::other(&mut text, &line);
            text.push('\n');
        }
        text.push_str(rest);
        Ok(Checkpoint {
            version: self.version,
            text,
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
                Line::Sequences(sequences) => state.sequences = sequences,
                Line::Declared(line) => {
                    drop(state.declared.insert(line.table, line.settings.into()))
                }
                Line::Client(client) => restore_client(&mut state, client, limits)?,
                Line::Row(row) => restore_row(&mut state, row),
                Line::Entry(entry) => restore_entry(&mut state, entry),
                Line::History(history) => {
                    state.chronicle = Some(Chronicle::behind(history.from.saturating_sub(1)));
                }
                Line::Change(change) => restore_change(&mut state, change),
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
    let entries: usize = state.documents.values().map(Documents::len).sum();
    (rows + entries) * ROW_BYTES + state.bytes as usize
}

/// What the line of the sequences begins with.
const SEQUENCES_LINE: &str = r#"{"sequences":"#;

/// Bytes by which a text may grow under another epoch, about.
const EPOCH_BYTES: usize = 256;

/// The first line, and what is behind it.
fn first_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

fn parse(line: &str) -> Result<Line, String> {
    serde_json::from_str(line).map_err(|error| error.to_string())
}

fn client_line(id: &Arc<str>, client: &Client) -> ClientLine {
    ClientLine {
        client: id.clone(),
        last_seq: client.last_seq,
        touched_ms: client.touched_ms,
        outcomes: client.window.iter().map(OutcomeEntry::of).collect(),
    }
}

fn entry_line(table: &Arc<str>, key: &Arc<str>, position: Position, item: &Item) -> EntryLine {
    let entry = match item {
        Item::Entry(entry) => Some(entry),
        Item::Deleted => None,
    };
    EntryLine {
        table: table.clone(),
        key: key.clone(),
        version: position.version,
        slot: position.slot,
        covers: entry.and_then(|entry| entry.covers),
        life: entry.map(|entry| entry.life),
        data: entry.map(|entry| entry.data.clone()),
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
    if let Some(trail) = &row.trail {
        text.push_str(r#","trail":"#);
        json::other(text, trail);
    }
    text.push_str("}}");
}

fn restore_header(state: &mut State, header: Header, epoch: &str) -> Result<(), String> {
    if !(OLDEST_FORMAT..=FORMAT).contains(&header.format) {
        return Err(format!(
            "its format is {}, this engine reads {OLDEST_FORMAT} to {FORMAT}",
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
    let outcomes = line.outcomes.into_iter();
    let window = outcomes.map(OutcomeEntry::retained).collect();
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
        trail: line.trail,
    };
    state.bytes += row.bytes(&line.key);
    let table = state.tables.entry(line.table).or_default();
    table.put(line.key, position, |_| row);
}

fn restore_entry(state: &mut State, line: EntryLine) {
    let position = Position {
        version: line.version,
        slot: line.slot,
    };
    let life = line.life.unwrap_or(line.version);
    let covers = line.covers;
    let item = match line.data {
        Some(data) => Item::Entry(Entry { data, covers, life }),
        None => Item::Deleted,
    };
    if let Item::Entry(entry) = &item {
        state.bytes += entry.bytes(&line.key);
    }
    let documents = state.documents.entry(line.table).or_default();
    documents.put(line.key, position, item);
}

fn write_history(text: &mut String, chronicle: &Chronicle) {
    let from = chronicle.from();
    json::other(text, &Line::History(HistoryLine { from }));
    text.push('\n');
    for change in chronicle.changes() {
        let line = ChangeLine {
            table: change.table.clone(),
            key: change.key.clone(),
            value: change.value.clone(),
            siblings: change.siblings.clone(),
            version: change.position.version,
            slot: change.position.slot,
            author: change.author.clone(),
            at_ms: change.at_ms,
        };
        json::other(text, &Line::Change(line));
        text.push('\n');
    }
}

fn restore_change(state: &mut State, line: ChangeLine) {
    let position = Position {
        version: line.version,
        slot: line.slot,
    };
    // Rows stand before changes: what is still there is held once.
    let row = { state.tables.get(&line.table) }.and_then(|table| table.row(&line.key));
    let (key, value) = match row {
        Some((key, row)) if row.position == position => (key.clone(), row.value.clone()),
        Some((key, _)) => (key.clone(), line.value),
        None => (line.key, line.value),
    };
    let change = Change {
        position,
        at_ms: line.at_ms,
        table: line.table,
        key,
        value,
        siblings: line.siblings,
        author: state.clients.id(&line.author),
    };
    if let Some(chronicle) = &mut state.chronicle {
        chronicle.push(change);
    }
}
