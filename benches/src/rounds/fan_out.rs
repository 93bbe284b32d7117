//! What filters cost: one step with a hundred writes, for 1, 100 and 10,000 subscribers of 50 different filters, beside as many without.
//!
//! A filter is looked at once for each changed row, however many subscribe by it, and its update is encoded once: so the price is that of the filters, not of
//! the subscribers. Two kinds: filters of which each takes a fiftieth of the rows, as those of an app do, and filters of which each takes every row, so that as much
//! is sent as without.

use super::{Group, PUSH};
use crate::workspace::{Workspace, config, push};

/// Filters that differ.
const FILTERS: u64 = 50;

/// How many subscribe.
pub const SUBSCRIBERS: [u64; 3] = [1, 100, 10_000];

/// The settings of the table for a subscriber of this number.
pub type Settings = fn(u64) -> String;

/// What they subscribe to, the baseline first.
pub const KINDS: [(&str, Settings); 3] = [
    ("no filter (baseline)", |_| "{}".to_owned()),
    ("each takes a fiftieth", |number| {
        format!(r#"{{"where":{{"field":"n","eq":{}}}}}"#, number % FILTERS)
    }),
    ("each takes everything", |number| {
        format!(r#"{{"where":{{"field":"n","gte":-{}}}}}"#, number % FILTERS)
    }),
];

/// A workspace with one writer and subscribers.
pub struct FanOut {
    workspace: Workspace,
    pushes: u64,
}

impl FanOut {
    /// So many subscribe, each with its settings.
    #[must_use]
    pub fn new(subscribers: u64, settings: Settings) -> FanOut {
        let mut workspace = Workspace::new(config());
        workspace.open(0, Some("writer"));
        for number in 1..=subscribers {
            workspace.open(number, None);
            workspace.subscribe(number, &settings(number));
        }
        workspace.step();
        let pushes = 0;
        FanOut { workspace, pushes }
    }

    /// The writer's next push: a hundred writes, spread over what the filters look at.
    pub fn next_push(&mut self) -> String {
        let first = self.pushes * PUSH + 1;
        self.pushes += 1;
        push(first, PUSH, |seq| {
            let (key, n) = (seq % 1_000, seq % FILTERS);
            let text = "a line of text, and some more of it";
            let value = format!(r#"{{"text":"{text}","n":{n},"done":false}}"#);
            format!(r#""op":"set","table":"notes","key":"note-{key}","value":{value}"#)
        })
    }

    /// All hear of it. Gives how many frames go out, counted for each who gets one.
    pub fn tell(&mut self, push: &str) -> usize {
        self.workspace.frame(0, push);
        self.workspace.step().frames
    }
}

pub(super) fn group() -> Group {
    let mut group = Group::new("100 writes to subscribers", PUSH);
    for subscribers in SUBSCRIBERS {
        for (name, settings) in KINDS {
            group.round(format!("{name}, {subscribers}"), move || {
                let mut fan_out = FanOut::new(subscribers, settings);
                let push = fan_out.next_push();
                Box::new(move || fan_out.tell(&push))
            });
        }
    }
    group
}
