//! The simulator: servers and clients of Syncline in one thread, with a network that breaks, a log that fails and clocks that jump, in virtual time.
//!
//! What runs is the real thing: [`Engine`](syncline_server_core::Engine) and [`Replica`](syncline_client_core::Replica), the cores, which do no IO.
//! What is simulated is everything around them: the shell of a node, the shell of an app, connections, the conditional log.
//! No clock, no thread, no randomness but that of the plan's seed: the same plan gives the same history, byte for byte.
//!
//! ```text
//!   seed ──random──▶ Plan ──run──▶ Witness: everything that was sent, received and done, stamped      (judged by the runner's checkers)
//!                     │      └───▶ Ended: what only an insider can see, and must hold all the same   (judged by `truth`)
//!                     └ data: can be saved, made smaller, run again
//! ```
//!
//! This crate knows nothing of the runner, which takes what the witness sees into its own history.
#![forbid(unsafe_code)]

mod agenda;
mod app;
mod audit;
mod deeds;
mod dice;
mod network;
mod node;
mod operator;
mod overlay;
mod plan;
mod random;
mod store;
mod stranger;
mod truth;
mod wire;
mod world;

pub use plan::{Doing, Odd, Plan, Settings, What, Write};
pub use random::plan;
pub use world::{Ended, run};

/// What is done to the servers from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A node is stopped in order and started again.
    Restart,
    /// A node dies where it stands and is started again.
    Kill,
    /// What the log need not keep is dropped.
    Truncate,
    /// The workspace is backed up.
    Backup,
    /// The workspace is put back to its last backup, under a new epoch.
    Restore,
}

/// Something that can be seen from outside.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A client opened a connection. (Of one that could not be opened nothing is seen, so numbers may be left out.)
    Opened {
        /// The connection.
        conn: usize,
        /// The client's name.
        name: &'a str,
    },
    /// A client sent a frame.
    Sent {
        /// The connection.
        conn: usize,
        /// The frame.
        text: &'a str,
    },
    /// A client read a frame, and what followed from it is durable.
    Received {
        /// The connection.
        conn: usize,
        /// The frame.
        text: &'a str,
    },
    /// A client read a WebSocket ping, and answered it.
    Heard {
        /// The connection.
        conn: usize,
    },
    /// The connection ended, by the server or the network.
    Closed {
        /// The connection.
        conn: usize,
        /// The close code, if there was a close frame.
        code: Option<u16>,
    },
    /// From here on the connection's end is no surprise.
    MayEnd {
        /// The connection.
        conn: usize,
    },
    /// The client ended the connection, or ended itself.
    Left {
        /// The connection.
        conn: usize,
    },
    /// Something is being done to the servers.
    HookBegun(Hook),
    /// It is done.
    HookDone(Hook),
    /// Something went wrong: what, for people.
    Fault(&'a str),
}

/// Who sees everything that can be seen from outside.
pub trait Witness {
    /// Something happened, so many microseconds after the beginning.
    fn sees(&mut self, at_us: u64, what: Seen<'_>);
}
