//! Scripts: a conversation as text, in which the test writes the lines of the clients and the engine those of the server.
//!
//! ```text
//! = a title                     a new workspace
//! ! {"limits": {...}, ...}      its configuration, as far as it differs
//! A> {"type":"hello", ...}      connection A sends a frame, and the engine takes a step
//! A+ {"type":"ping", ...}       connection A sends a frame that waits for the next step
//! A< {"type":"welcome", ...}    what A gets (written by the run; of welcome, limits and server are left out)
//! ! wait 100                    milliseconds pass
//! ! back 100                    the clock is put back by milliseconds
//! ! room A 0                    A's queue takes this many bytes from now on, and the engine pumps
//! ! truncate 0                  an operator truncates, keeping so many versions
//! ! close A                     A is gone
//! ! restore 5                   the workspace goes on as a backup of now has it, under epoch f, its sequences leaving so many ids out
//! ! reopen | ! reopen checkpoint    the server restarts, from its log or from a checkpoint
//! ! conflict {record}           the next step meets this record of another node, and is decided again
//! ! foreign {record}            another node has appended this record
//! ! step                        the engine takes a step
//! ```

use serde_json::Value;
use syncline_schemas::{Json, Limits};
use syncline_server_core::{Config, Conflict, Input, Output, Record, Resolution, SessionKey};

use super::Node;

/// Runs a script, and gives it back with the lines of the server as they are.
pub(crate) fn run(script: &str) -> String {
    let mut transcript = String::new();
    let mut node = Node::new(Config::default());
    for line in script.lines().filter(|line| !is_output(line)) {
        transcript.push_str(line);
        transcript.push('\n');
        let outputs = if let Some(command) = line.strip_prefix("! ") {
            command_line(&mut node, command)
        } else if line.starts_with('=') {
            node = Node::new(Config::default());
            Vec::new()
        } else if let Some((session, frame)) =
            line.split_once("> ").filter(|(name, _)| name.len() == 1)
        {
            let refused = node.receive(key(session), frame);
            refused.into_iter().chain(node.step()).collect()
        } else if let Some((session, frame)) =
            line.split_once("+ ").filter(|(name, _)| name.len() == 1)
        {
            node.receive(key(session), frame).into_iter().collect()
        } else {
            assert!(
                line.is_empty() || line.starts_with('#'),
                "what is {line:?}?"
            );
            Vec::new()
        };
        for output in outputs {
            transcript.push_str(&describe(&output));
            transcript.push('\n');
        }
    }
    transcript
}

fn is_output(line: &str) -> bool {
    line.split_once('<').is_some_and(|(names, _)| {
        !names.is_empty() && names.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}

fn key(name: &str) -> SessionKey {
    SessionKey(u64::from(name.as_bytes()[0] - b'A'))
}

fn name(key: SessionKey) -> char {
    char::from(b'A' + u8::try_from(key.0).expect("a letter"))
}

fn command_line(node: &mut Node, command: &str) -> Vec<Output> {
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    let record = || -> Record { serde_json::from_str(rest).expect("a record") };
    match verb {
        "wait" => node.now_ms += rest.parse::<u64>().expect("milliseconds"),
        "room" => {
            let (session, bytes) = rest.split_once(' ').expect("a session and its room");
            node.room
                .insert(key(session), bytes.parse().expect("bytes"));
            return node.pump();
        }
        "truncate" => {
            let keep_versions = rest.parse().expect("versions");
            node.engine.enqueue(Input::Truncate { keep_versions });
            return node.step();
        }
        "close" => {
            node.engine.enqueue(Input::Close { session: key(rest) });
            return node.step();
        }
        "restore" => {
            let margin = rest.parse().expect("ids");
            let backup = node.engine.checkpoint();
            node.restore(&backup.under_epoch("f", margin).expect("what was written"));
        }
        "reopen" => {
            let checkpoint = (rest == "checkpoint").then(|| node.engine.checkpoint());
            node.reopen(checkpoint.as_ref());
        }
        // From the next `reopen` on.
        "offer" => node.config.capabilities = rest.split(' ').map(str::to_owned).collect(),
        "conflict" => node.conflict(&[record()]),
        "foreign" => {
            node.log.push(record());
            node.engine.replay([record()]);
            return node.pump();
        }
        "step" => return node.step(),
        "back" => node.now_ms -= rest.parse::<u64>().expect("milliseconds"),
        _ => {
            let settings: Value =
                serde_json::from_str(command).expect("a command or a configuration");
            *node = Node::new(config(&settings));
        }
    }
    Vec::new()
}

/// The default configuration with some members changed.
fn config(settings: &Value) -> Config {
    let mut config = Config::default();
    for (name, value) in settings["limits"].as_object().into_iter().flatten() {
        *limit(&mut config.limits, name) = value.as_u64().expect("a number");
    }
    let number = |name: &str| {
        settings
            .get(name)
            .map(|value| value.as_u64().expect("a number"))
    };
    config.retention.versions_max = number("versionsMax").unwrap_or(config.retention.versions_max);
    config.retention.age_ms_max = number("ageMsMax").unwrap_or(config.retention.age_ms_max);
    if let Some(offered) = settings["capabilities"].as_array() {
        let names = offered.iter().filter_map(|name| name.as_str());
        config.capabilities = names.map(ToOwned::to_owned).collect();
    }
    if settings["resolvers"] == true {
        config.resolvers = config.resolvers.with("sum", sum);
    }
    config.step_bytes = number("stepBytes").unwrap_or(config.step_bytes);
    config.part_bytes = number("partBytes").map_or(config.part_bytes, |bytes| bytes as usize);
    config
}

/// A limit by its name: scripts set some below what a real server must allow.
fn limit<'a>(limits: &'a mut Limits, name: &str) -> &'a mut u64 {
    let of_capability = |limit: &'a mut Option<u64>| limit.get_or_insert(0);
    match name {
        "allocateMax" => of_capability(&mut limits.allocate_max),
        "mutationSequencesMax" => of_capability(&mut limits.mutation_sequences_max),
        "sequencesMax" => of_capability(&mut limits.sequences_max),
        "declaredTablesMax" => of_capability(&mut limits.declared_tables_max),
        "schemaBytesMax" => of_capability(&mut limits.schema_bytes_max),
        "filterNodesMax" => of_capability(&mut limits.filter_nodes_max),
        "filterBytesMax" => of_capability(&mut limits.filter_bytes_max),
        "digestScanRowsMax" => of_capability(&mut limits.digest_scan_rows_max),
        "siblingsMax" => of_capability(&mut limits.siblings_max),
        "documentEntriesMax" => of_capability(&mut limits.document_entries_max),
        "documentBytesMax" => of_capability(&mut limits.document_bytes_max),
        "historyPageMax" => of_capability(&mut limits.history_page_max),
        "historyChangesMax" => of_capability(&mut limits.history_changes_max),
        "historyBytesMax" => of_capability(&mut limits.history_bytes_max),
        "historyMs" => of_capability(&mut limits.history_ms),
        "pushMutationsMax" => &mut limits.push_mutations_max,
        "mutationOpsMax" => &mut limits.mutation_ops_max,
        "valueBytesMax" => &mut limits.value_bytes_max,
        "tableBytesMax" => &mut limits.table_bytes_max,
        "keyBytesMax" => &mut limits.key_bytes_max,
        "inFlightMax" => &mut limits.in_flight_max,
        "shapesMax" => &mut limits.shapes_max,
        "shapeTablesMax" => &mut limits.shape_tables_max,
        "workspaceBytesMax" => &mut limits.workspace_bytes_max,
        "mutationsPerSecond" => &mut limits.mutations_per_second,
        "mutationBurst" => &mut limits.mutation_burst,
        "clientTtlMs" => &mut limits.client_ttl_ms,
        "presenceBytesMax" => limits.presence_bytes_max.get_or_insert_default(),
        "presenceSessionsMax" => limits.presence_sessions_max.get_or_insert_default(),
        "presenceIntervalMs" => limits.presence_interval_ms.get_or_insert_default(),
        other => panic!("no script sets {other} yet"),
    }
}

fn describe(output: &Output) -> String {
    match output {
        Output::Frame { to, text } => {
            let names: String = to.iter().map(|session| name(*session)).collect();
            format!("{names}< {}", shortened(text))
        }
        Output::Close { session, code } => format!("{}<closed {code}", name(*session)),
        Output::Starved { session } => format!("{}<starved", name(*session)),
    }
}

/// A welcome says much that is the same each time.
fn shortened(text: &str) -> String {
    match (
        text.starts_with(r#"{"type":"welcome""#),
        text.find(r#","capabilities""#),
    ) {
        (true, Some(end)) => format!("{} ...", &text[..end]),
        _ => text.to_owned(),
    }
}

/// Adds numbers, keeps words, and deletes at zero.
fn sum(conflict: &Conflict<'_>) -> Resolution {
    let number = |value: Option<&Json>| value?.get().parse::<i64>().ok();
    match (number(conflict.current), number(conflict.written)) {
        (Some(one), Some(other)) if one + other == 0 => Resolution::Delete,
        (Some(one), Some(other)) => Resolution::Merge(Value::from(one + other).into()),
        (None, _) => Resolution::Keep,
        _ => Resolution::Take,
    }
}
