//! Rounds of work: each is set up, and then run once while it is measured.

mod capabilities;
pub mod fan_out;
mod rewrite;
mod write;

use crate::workspace::push;

/// Mutations in a frame.
const PUSH: u64 = 100;
/// Frames in a round.
const FRAMES: u64 = 10;

/// Sets a whole row.
pub const SET: &str = r#""op":"set","value":{"text":"a line of text","n":0}"#;

/// What is measured of a round that is set up: its work, done once. What it leaves is dropped later.
pub type Run = Box<dyn FnMut() -> usize>;

/// Sets a round up.
pub type SetUp = Box<dyn Fn() -> Run>;

/// Rounds that are compared: each with the first.
pub struct Group {
    /// What a round is.
    pub name: &'static str,
    /// How many of what is counted one round has.
    pub elements: u64,
    /// The rounds by name, the baseline first.
    pub rounds: Vec<(String, SetUp)>,
}

impl Group {
    fn new(name: &'static str, elements: u64) -> Group {
        let rounds = Vec::new();
        Group {
            name,
            elements,
            rounds,
        }
    }

    fn round(&mut self, name: impl Into<String>, set_up: impl Fn() -> Run + 'static) {
        self.rounds.push((name.into(), Box::new(set_up)));
    }
}

/// Groups of a thousand writes.
#[must_use]
pub fn writes() -> Vec<Group> {
    vec![write::group(), rewrite::group(), capabilities::group()]
}

/// All groups.
#[must_use]
pub fn all() -> Vec<Group> {
    let mut all = writes();
    all.push(fan_out::group());
    all
}

/// Pushes of 1000 mutations, each with this op on a row of its own.
fn pushes(op: &str) -> Vec<String> {
    let on_row = |seq| format!(r#"{op},"table":"notes","key":"note-{seq}""#);
    let frame = |frame| push(frame * PUSH + 1, PUSH, on_row);
    (0..FRAMES).map(frame).collect()
}
