//! Writes of new rows: deciding, acknowledging, and making one update for all.
//!
//! The baseline does what any server must at the least: parse the frame and keep the rows in a map.

use std::collections::HashMap;

use super::{FRAMES, Group, PUSH, Run, SET, pushes};
use crate::workspace::{Workspace, config};

pub(super) fn group() -> Group {
    let mut group = Group::new("1000 mutations", PUSH * FRAMES);
    group.round("parse to Value, keep in a map (baseline)", baseline);
    group.round("decide and ack", || written(false, false));
    group.round("decide, ack and update", || written(true, false));
    let name = "decide, ack, update and tell the digest";
    group.round(name, || written(true, true));
    group
}

fn baseline() -> Run {
    let texts = pushes(SET);
    let mut rows = HashMap::new();
    Box::new(move || {
        for text in &texts {
            let push: serde_json::Value = serde_json::from_str(text).expect("valid JSON");
            for mutation in push["mutations"].as_array().into_iter().flatten() {
                let op = &mutation["ops"][0];
                rows.insert(op["key"].to_string(), op["value"].clone());
            }
        }
        rows.len()
    })
}

fn written(subscribed: bool, digested: bool) -> Run {
    let mut workspace = Workspace::new(config());
    workspace.open(1, Some("writer"));
    if subscribed {
        workspace.open(2, None);
        workspace.subscribe(2, "{}");
    }
    workspace.step();
    let texts = pushes(SET);
    Box::new(move || {
        texts.iter().for_each(|text| workspace.frame(1, text));
        if digested {
            workspace.frame(2, r#"{"type":"digest","shape":"s1"}"#);
        }
        workspace.step().bytes
    })
}
