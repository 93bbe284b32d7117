//! What each capability costs writers who do not use it: the same sets, with nothing offered, with each alone, and with all.

use syncline_server_core::{CAPABILITIES, Config};

use super::{FRAMES, Group, PUSH, Run, SET, pushes};
use crate::workspace::{Workspace, config};

pub(super) fn group() -> Group {
    let mut group = Group::new("1000 sets of rows that are there", PUSH * FRAMES);
    group.round("nothing offered (baseline)", || rewritten(&[], false));
    for name in CAPABILITIES {
        group.round(format!("{name} offered"), move || rewritten(&[name], false));
    }
    group.round("all offered", || rewritten(CAPABILITIES, false));
    group.round("digests kept up", || rewritten(&["digests"], true));
    group
}

/// Sets rows anew that are there, with a subscriber, whose digest is kept up from then on if it was asked for.
fn rewritten(capabilities: &[&str], digested: bool) -> Run {
    let offered = capabilities.iter().map(ToString::to_string).collect();
    let mut workspace = Workspace::new(Config {
        capabilities: offered,
        ..config()
    });
    for (session, client) in [(1, Some("writer")), (2, None), (4, Some("other"))] {
        workspace.open(session, client);
    }
    workspace.subscribe(2, "{}");
    pushes(SET).iter().for_each(|text| workspace.frame(4, text));
    workspace.step();
    if digested {
        workspace.frame(2, r#"{"type":"digest","shape":"s1"}"#);
        workspace.step();
    }
    let texts = pushes(SET);
    Box::new(move || {
        texts.iter().for_each(|text| workspace.frame(1, text));
        workspace.step().bytes
    })
}
