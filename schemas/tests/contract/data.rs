//! The data files hold together: the message table, the schemas, the limits and the error registry.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jsonschema::Draft;
use serde_json::{Value, json};
use syncline_schemas::errors::{self, Carrier, Scope};
use syncline_schemas::{ClientMessage, Limits, Pattern, ServerMessage, files, validate};

fn schema(path: &str) -> Value {
    let file = files::SCHEMAS
        .iter()
        .find(|file| file.path == path)
        .unwrap_or_else(|| panic!("{path}"));
    serde_json::from_str(file.text).unwrap()
}

fn v1() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("v1")
}

#[test]
fn the_table_and_the_files_name_the_same_messages() {
    let in_folder: BTreeSet<String> = fs::read_dir(v1().join("messages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let messages: Vec<&str> = [ClientMessage::TAGS, ServerMessage::TAGS].concat();
    let in_table: BTreeSet<String> = messages.iter().map(|name| format!("{name}.json")).collect();
    assert_eq!(in_folder, in_table);
    assert_eq!(
        messages.len(),
        in_table.len(),
        "a message stands twice in the table"
    );
}

#[test]
fn every_line_of_the_table_names_what_exists() {
    let table: Value = serde_json::from_str(files::MESSAGES).unwrap();
    for line in table["messages"].as_array().unwrap() {
        let name = line["name"].as_str().unwrap();
        assert_eq!(line["since"], "v1", "{name}");
        assert_eq!(
            line["summary"],
            schema(&format!("messages/{name}.json"))["description"],
            "{name}"
        );
        for reply in line["reply"].as_array().unwrap() {
            let reply = reply.as_str().unwrap();
            assert!(
                ServerMessage::TAGS.contains(&reply) && line["from"] == "client",
                "{name} to {reply}"
            );
        }
        let client = ClientMessage::TAGS.contains(&name);
        assert_eq!(
            line["from"],
            if client { "client" } else { "server" },
            "{name}"
        );
    }
}

#[test]
fn ids_are_the_paths_of_the_files() {
    for file in files::SCHEMAS {
        let schema: Value = serde_json::from_str(file.text).unwrap();
        assert_eq!(schema["$id"], files::id(file.path));
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{}",
            file.path
        );
        assert!(v1().join(file.path).is_file(), "{}", file.path);
    }
}

#[test]
fn every_schema_is_a_schema_and_its_references_resolve() {
    for file in files::SCHEMAS {
        let schema: Value = serde_json::from_str(file.text).unwrap();
        let meta = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .build(&json!({
                "$ref": "https://json-schema.org/draft/2020-12/schema"
            }));
        assert!(meta.unwrap().is_valid(&schema), "{}", file.path);
    }
    // Building one validator builds them all, and a reference that leads nowhere fails there.
    for name in [ClientMessage::TAGS, ServerMessage::TAGS].concat() {
        assert!(validate::message(name, &json!(null)).is_err(), "{name}");
    }
    assert!(validate::op(&json!(null)).is_err());
}

/// The limits that are announced where a capability is offered.
const OF_CAPABILITIES: [&str; 20] = [
    "allocateMax",
    "declaredTablesMax",
    "digestScanRowsMax",
    "filterBytesMax",
    "filterNodesMax",
    "historyBytesMax",
    "historyChangesMax",
    "historyMs",
    "historyPageMax",
    "mutationRowsBytesMax",
    "mutationSequencesMax",
    "presenceBytesMax",
    "presenceIntervalMs",
    "documentEntriesMax",
    "documentBytesMax",
    "presenceSessionsMax",
    "restoreMargin",
    "schemaBytesMax",
    "sequencesMax",
    "siblingsMax",
];

#[test]
fn every_limit_of_the_core_is_required_and_each_default_is_allowed() {
    let limits = schema("limits.json");
    let properties = limits["properties"].as_object().unwrap();
    let required: BTreeSet<&str> = limits["required"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let core = properties.keys().map(String::as_str);
    let core = core.filter(|name| !OF_CAPABILITIES.contains(name));
    assert_eq!(required, core.collect());
    for (name, limit) in properties {
        let number = |keyword: &str| {
            limit[keyword]
                .as_u64()
                .unwrap_or_else(|| panic!("{name}: {keyword}"))
        };
        assert!(number("minimum") <= number("default"), "{name}");
        assert!(number("default") <= number("maximum"), "{name}");
    }
}

#[test]
fn the_default_limits_agree_with_each_other() {
    let limits = Limits::default();
    assert!(limits.idle_timeout_ms >= 2 * limits.heartbeat_ms);
    assert!(limits.depth_max <= syncline_schemas::DEPTH_CEILING);
    assert!(limits.client_ttl_ms >= 30 * 24 * 3600 * 1000);
    let change = limits.value_bytes_max + 6 * (limits.key_bytes_max + limits.table_bytes_max);
    assert!(
        change < limits.frame_bytes_max,
        "a change of the largest row must fit into a frame"
    );
    let state = limits.presence_bytes_max.unwrap();
    assert!(state + 1024 < limits.frame_bytes_max);
}

#[test]
fn every_code_is_one_of_a_kind_and_reaches_as_far_as_its_carrier() {
    let codes: BTreeSet<&str> = errors::ALL.iter().map(|def| def.code).collect();
    assert_eq!(codes.len(), errors::ALL.len(), "a code stands twice");
    for def in errors::ALL {
        let of_mutation = matches!(
            def.carrier,
            Carrier::Rejected | Carrier::Deferred | Carrier::Refused
        );
        assert_eq!(of_mutation, def.scope == Scope::Mutation, "{}", def.code);
        assert_eq!(
            def.frame_scope().is_some(),
            def.carrier == Carrier::Error,
            "{}",
            def.code
        );
        assert_eq!(errors::find(def.code), Some(*def));
        assert!(
            syncline_schemas::patterns::Code::matches(def.code),
            "{}",
            def.code
        );
    }
    assert_eq!(errors::find("no_such_code"), None);
}

#[test]
fn the_members_of_every_code_exist_in_its_carrier() {
    for def in errors::ALL {
        let carrier = match def.carrier {
            Carrier::Error => schema("messages/error.json")["properties"].clone(),
            Carrier::Goaway => schema("messages/goaway.json")["properties"].clone(),
            Carrier::Rejected => result_of("rejected"),
            Carrier::Deferred => result_of("deferred"),
            Carrier::Refused => result_of("refused"),
        };
        for member in def.members {
            assert!(carrier.get(member).is_some(), "{}: {member}", def.code);
        }
    }
}

/// The properties of the result of this status.
fn result_of(status: &str) -> Value {
    let common = schema("common.json");
    let arms = common["$defs"]["result"]["oneOf"].as_array().unwrap();
    arms.iter().find(|arm| arm["title"] == status).unwrap()["properties"].clone()
}

#[test]
fn an_outcome_is_a_result_of_either_decided_status() {
    let defs = &schema("common.json")["$defs"];
    let results = defs["result"]["oneOf"].as_array().unwrap();
    for outcome in defs["outcome"]["oneOf"].as_array().unwrap() {
        assert!(results.contains(outcome), "{}", outcome["title"]);
    }
}
