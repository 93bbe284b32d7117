//! What drives a scenario: connections, the journal in which everything is written down, and waiting.

mod cx;
mod digests;
pub(crate) mod excuse;
mod history;
mod journal;
mod link;
pub(crate) mod outbox;
mod presence;
pub(crate) mod pushing;
pub(crate) mod replicas;
mod sessions;
mod stop;
mod transport;
pub(crate) mod wait;

pub use cx::Cx;
pub(crate) use cx::Spoken;
pub use journal::{Journal, State};
pub use link::{Link, OpenError};
pub use sessions::Session;
pub use stop::{Failure, Stop};
