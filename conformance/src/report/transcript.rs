//! A history for people: one line an entry.

use crate::facts::Facts;
use crate::history::{Entry, Event};

use super::Style;

/// So many entries before the end are shown of a failure.
const LAST: usize = 10;

/// All of a history.
pub(crate) fn whole(facts: &Facts, style: Style) -> String {
    (0..facts.entries.len())
        .map(|at| line(facts, at, false, style))
        .collect()
}

/// The entries that show a failure, and the last before them.
pub(super) fn excerpt(facts: &Facts, marked: &[usize], style: Style) -> String {
    let end = marked
        .iter()
        .max()
        .map_or(facts.entries.len(), |last| last + 1)
        .min(facts.entries.len());
    let mut text = String::new();
    let mut previous = None;
    for at in (0..end).filter(|at| marked.contains(at) || at + LAST >= end) {
        if previous.map_or(at > 0, |previous| previous + 1 < at) {
            text += &style.faint("       …\n");
        }
        text += &line(facts, at, marked.contains(&at), style);
        previous = Some(at);
    }
    text
}

/// An entry as a line: `>` sent, `<` received.
fn line(facts: &Facts, at: usize, marked: bool, style: Style) -> String {
    let entry = &facts.entries[at];
    let mark = if marked {
        style.bad("*")
    } else {
        " ".to_owned()
    };
    format!(
        "  {mark} {} {}\n",
        style.faint(&format!("{:>9.3}", seconds(entry))),
        style_event(name(facts, at), &entry.event, style)
    )
}

/// What happened, in words.
pub(super) fn told(facts: &Facts, at: usize) -> String {
    style_event(name(facts, at), &facts.entries[at].event, Style::Plain)
}

/// Whose doing it was, with `>` for a frame sent and `<` for one received.
pub(super) fn who(facts: &Facts, at: usize) -> String {
    let sign = match &facts.entries[at].event {
        Event::Sent { .. } => " >",
        Event::Received { .. } => " <",
        Event::Asked { .. } => " ?",
        Event::Told { .. } => " !",
        _ => "",
    };
    format!("{}{sign}", name(facts, at))
}

/// What happened, without whose doing it was.
pub(super) fn what(facts: &Facts, at: usize) -> String {
    let told = told(facts, at);
    let after = told.strip_prefix(name(facts, at)).unwrap_or(&told);
    after.trim_start().to_owned()
}

fn style_event(name: &str, event: &Event, style: Style) -> String {
    match event {
        Event::Opened { .. } => format!("{name} {}", style.faint("opened")),
        Event::Sent { frame, .. } => format!("{name} {} {frame}", style.strong(">")),
        Event::Received { frame, .. } => format!("{name} {} {frame}", style.strong("<")),
        Event::Heard { .. } => format!("{name} {}", style.faint("< WebSocket ping or pong")),
        Event::Closed {
            code: Some(code), ..
        } => format!(
            "{name} {}",
            style.doubtful(&format!("closed by the other side with {code}"))
        ),
        Event::Closed { code: None, .. } => {
            format!("{name} {}", style.doubtful("broken off by the other side"))
        }
        Event::Reset { .. } => {
            format!("{name} {}", style.doubtful("reset by the server"))
        }
        Event::MayEnd { .. } => format!("{name} {}", style.faint("may be ended from here on")),
        Event::Stalled { ms } => {
            style.doubtful(&format!("the runner's machine stood still for {ms} ms"))
        }
        Event::Left { .. } => format!("{name} {}", style.faint("left by the runner")),
        Event::HookBegun { hook } => style.doubtful(&format!("hook {} begins", hook.name())),
        Event::HookDone { hook } => style.doubtful(&format!("hook {} is done", hook.name())),
        Event::Fault { what } => style.doubtful(&format!("fault {what}")),
        Event::Asked { client, line } => format!("{client} {} {line}", style.strong("?")),
        Event::Told { client, line } => format!("{client} {} {line}", style.strong("!")),
        Event::Process { client, what } => {
            format!("{client} {}", style.doubtful(&what.to_string()))
        }
    }
}

fn name(facts: &Facts, at: usize) -> &str {
    match &facts.entries[at].event {
        Event::Asked { client, .. }
        | Event::Told { client, .. }
        | Event::Process { client, .. } => client,
        event => event
            .conn()
            .map_or("", |conn| facts.conns[conn].name.as_str()),
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a scenario does not take 285 years"
)]
fn seconds(entry: &Entry) -> f64 {
    entry.at_us as f64 / 1e6
}
