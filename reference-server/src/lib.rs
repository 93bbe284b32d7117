//! Syncline's reference server: a WebSocket endpoint for the engine of `syncline-server-core`, over a conditional log.
//!
//! ```text
//!   socket ─ transport ─▶ link ─▶ workspace: engine ─▶ log {memory, sqlite}
//!                 ◀────────────────┘  answers leave after they are durable
//! ```
//!
//! The caller owns what is outside: the listener, the log, the moment to stop.
//!
//! ```no_run
//! use syncline_server::{Config, log::SqliteLog, run};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
//! let log = SqliteLog::open("syncline.db".as_ref())?;
//! run(listener, log, Config::default(), async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Modules: [`log`] is what a store must do, and two that do it; [`backup`] copies a whole file, and puts it back; `workspace` one task for each engine; `transport` one task
//! for each connection; `link` what these two share; [`config`] everything that can be set.
#![forbid(unsafe_code)]

pub mod backup;
mod closing;
pub mod config;
mod link;
pub mod log;
mod random;
mod server;
mod tasks;
mod transport;
mod workspace;

pub use config::{Config, Timeouts};
pub use server::{Control, Server, ServerError, run};
pub use syncline_server_core::Retention;
pub use workspace::{Backup, Refusal};
