//! The lines between the runner and an adapter: what `adapter.md` says, held against `adapter.schema.json`, whichever side wrote them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::{Draft, Validator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a client may offer beyond the least that every client has.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Mutations of several ops.
    Mutate,
    /// `ifVersion` in writes.
    IfVersion,
    /// Shapes can be given up.
    Unsubscribe,
    /// Changes of the view are told.
    Watch,
    /// The client's clock can be set.
    SetClock,
    /// Time can be skipped.
    SkipTime,
    /// The client has the capability of this name, and tells of shapes that were found to differ.
    Digests,
    /// The interval at which it verifies itself can be chosen.
    Verify,
    /// Fields can be patched.
    Fields,
    /// The app may have functions that bring rows and writes to a newer form.
    Migrations,
    /// The app may have tables of which the writes go first.
    Urgency,
    /// Shapes can be filtered, and filters changed.
    Filters,
    /// The client has the capability of this name, and tells of writes that met others'.
    Conflicts,
    /// The client has the capability of this name: it can be present, and says who else is.
    Presence,
    /// The client has the capability of this name: it asks what was, page by page.
    History,
    /// The client has the capability of this name: it uses sequences, hands ids out, and observes values in mutations.
    Sequences,
    /// The directions in which it syncs can be chosen.
    Modes,
    /// What lets writes through to the server can be chosen, and a sync be asked for.
    Triggers,
    /// It tells how far syncs have come.
    Progress,
    /// The client has the capability of this name: it appends to documents, compacts them, and tells of what is new in them.
    Documents,
}

impl Ability {
    /// The name, as in `ready.can`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ability::Mutate => "mutate",
            Ability::IfVersion => "if_version",
            Ability::Unsubscribe => "unsubscribe",
            Ability::Watch => "watch",
            Ability::SetClock => "set_clock",
            Ability::SkipTime => "skip_time",
            Ability::Digests => "digests",
            Ability::Verify => "verify",
            Ability::Fields => "fields",
            Ability::Migrations => "migrations",
            Ability::Urgency => "urgency",
            Ability::Filters => "filters",
            Ability::Conflicts => "conflicts",
            Ability::Presence => "presence",
            Ability::History => "history",
            Ability::Sequences => "sequences",
            Ability::Modes => "modes",
            Ability::Triggers => "triggers",
            Ability::Progress => "progress",
            Ability::Documents => "documents",
        }
    }
}

/// What the adapter said of itself in its first line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Ready {
    /// Name and version of the client.
    pub client: String,
    /// What it offers beyond the least.
    pub can: Vec<Ability>,
}

/// A line of an adapter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// The first.
    Ready(Ready),
    /// The answer to the command of this id.
    Reply(u64),
    /// Something that the client tells by itself.
    Event,
}

/// Reads a line of an adapter. `asked` says which command has an id.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(line: &Value, asked: impl Fn(u64) -> Option<String>) -> Result<Line, String> {
    if line.get("ready").is_some() {
        fits("ready", line)?;
        let ready = serde_json::from_value(line["ready"].clone());
        return Ok(Line::Ready(ready.map_err(|error| error.to_string())?));
    }
    if line.get("event").is_some() {
        return fits("event", line).map(|()| Line::Event);
    }
    fits("reply", line)?;
    let id = line["id"].as_u64().ok_or("the id is no number")?;
    let command = asked(id).ok_or_else(|| format!("nothing was asked under the id {id}"))?;
    if let Some(ok) = line.get("ok") {
        fits(answer_to(&command), ok).map_err(|why| format!("the answer to {command}: {why}"))?;
    }
    Ok(Line::Reply(id))
}

/// Whether a command is one of the protocol.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_command(command: &Value) -> Result<(), String> {
    fits("command", command)
}

/// The part of the schema that the `ok` of a command must fit.
fn answer_to(command: &str) -> &'static str {
    match command {
        "write" | "delete" | "mutate" | "append" => "written",
        "document" => "entries",
        "compact" => "compacted",
        "resolve" => "resolved",
        "next_id" => "handedOut",
        "read" => "row",
        "read_all" => "rows",
        "status" => "status",
        "others" => "others",
        "sync" => "counts",
        _ => "done",
    }
}

/// The schema, as text.
pub const SCHEMA: &str = include_str!("../../adapter.schema.json");

static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let names = schema["$defs"].as_object().expect("it has parts").keys();
    let validator = |name: &String| {
        let part = json!({ "$ref": format!("#/$defs/{name}"), "$defs": schema["$defs"] });
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .build(&part)
            .expect("each part is a schema: a test builds them")
    };
    names.map(|name| (name.clone(), validator(name))).collect()
});

fn fits(part: &str, value: &Value) -> Result<(), String> {
    match VALIDATORS[part].iter_errors(value).next() {
        None => Ok(()),
        Some(error) => Err(format!(
            "at {:?}: {error}",
            error.instance_path().to_string()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: Value) -> Result<Line, String> {
        read(&line, |id| (id == 7).then(|| "status".to_owned()))
    }

    #[test]
    fn lines_are_read() {
        assert_eq!(
            verdict(json!({ "ready": { "client": "x 1", "can": ["watch"] } })),
            Ok(Line::Ready(Ready {
                client: "x 1".to_owned(),
                can: vec![Ability::Watch]
            }))
        );
        let event = json!({ "event": "rejected", "opId": "a", "code": "no_ops", "more": 1 });
        assert_eq!(verdict(event), Ok(Line::Event));
        let error = json!({ "id": 7, "error": { "message": "no" } });
        assert_eq!(verdict(error), Ok(Line::Reply(7)));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for line in [
            json!({}),
            json!([]),
            json!({ "ready": { "client": "x", "can": ["fly"] } }),
            json!({ "event": "rain" }),
            json!({ "event": "in_doubt" }),
            json!({ "id": 8, "ok": {} }),
            json!({ "id": 7, "ok": {} }),
            json!({ "id": 7 }),
        ] {
            assert!(verdict(line.clone()).is_err(), "{line}");
        }
    }

    #[test]
    fn commands_are_checked() {
        assert_eq!(
            check_command(&json!({ "id": 1, "do": "read", "table": "t", "key": "" })),
            Ok(())
        );
        assert!(check_command(&json!({ "id": 1, "do": "read", "table": "t" })).is_err());
        assert!(check_command(&json!({ "id": 1, "do": "status", "key": "" })).is_err());
    }
}
