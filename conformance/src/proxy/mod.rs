//! The proxy: what is between the runner's connections and the server where a scenario has faults.
//!
//! Each connection of such a scenario has a [`Wire`]: at one end the runner, at the other a TCP connection of its own to the server, between
//! them a [`Path`](crate::faults::Path). The runner's end is a pipe within the process, so that the history, which is written there, is what the client saw: what was sent
//! there may be held or lost on its way, what was received there has come all the way. The server's end is real TCP: cuts, resets and silence are what they are.

mod network;
mod pump;

pub(crate) use network::Network;
pub(crate) use pump::Wire;
