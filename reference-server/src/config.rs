//! What a server is told: limits, retention, timeouts and bounds.
//!
//! [`Config`] is the library's: plain values, all public, with defaults that are good for production. It is deliberately freer than
//! the program, so that a test can have a heartbeat of 50 ms: the minimums that the protocol
//! asks of every announced limit are enforced where people write settings (module [`settings`]), the relations between values,
//! without which the server could not keep its promises, everywhere ([`Config::check`]).

mod file;
mod limits;
mod load;
pub mod settings;

use std::time::Duration;

use syncline_schemas::{Limits, ServerInfo};
use syncline_server_core::{CAPABILITIES, Resolvers, Retention};

pub use load::{BACKUP, Effective, RESTORE, Source, command, load};

/// Everything that a [`Server`](crate::Server) can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The path of the WebSocket endpoint.
    pub path: String,
    /// What is announced in every `welcome` (`CONN-LIMITS`).
    pub limits: Limits,
    /// What is offered beyond the core: names of [`CAPABILITIES`].
    pub capabilities: Vec<String>,
    /// What tables of the strategy `custom` may name as their resolver. The program has `deep_merge`; who embeds the server adds more.
    pub resolvers: Resolvers,
    /// How much of the past a cursor may be behind without needing a replacement.
    pub retention: Retention,
    /// The size, in bytes, at which an update is cut into parts.
    pub part_bytes: usize,
    /// Bytes of frames that may wait for one connection before it is given no more than it must, and no more is read from it.
    pub outbox_bytes_max: usize,
    /// Bytes of frames of one connection that may wait to be decided; beyond it nothing more is read from that connection.
    pub inbox_bytes_max: usize,
    /// Connections open at once; one more is answered with `overloaded`.
    pub connections_max: usize,
    /// Workspaces in memory at once; a `hello` to one more is answered with `overloaded`.
    pub workspaces_max: usize,
    /// Bytes of log after a checkpoint that make the next one due, or twice the bytes of the last checkpoint, if that is more.
    pub checkpoint_bytes_min: u64,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// How long the server waits for what.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// A connection that takes no byte of what is to be sent for so long is a slow consumer.
    pub write: Duration,
    /// How long a closed connection has to take its last frames and to answer the close.
    pub close: Duration,
    /// How long an orderly shutdown may take in all.
    pub shutdown: Duration,
    /// How long a workspace without sessions stays in memory.
    pub workspace_idle: Duration,
    /// What `goaway` and `overloaded` say in `retryAfterMs`.
    pub retry_after: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            path: "/sync".to_owned(),
            limits: Limits::default(),
            capabilities: CAPABILITIES.iter().map(ToString::to_string).collect(),
            resolvers: Resolvers::built_in(),
            retention: Retention::default(),
            part_bytes: 64 * 1024,
            outbox_bytes_max: 1024 * 1024,
            inbox_bytes_max: 256 * 1024,
            connections_max: 100_000,
            workspaces_max: 100_000,
            checkpoint_bytes_min: 64 * 1024 * 1024,
            timeouts: Timeouts::default(),
        }
    }
}

impl Timeouts {
    /// As frames say it.
    pub(crate) fn retry_after_ms(&self) -> u64 {
        self.retry_after.as_millis() as u64
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            write: Duration::from_secs(30),
            close: Duration::from_secs(2),
            shutdown: Duration::from_secs(10),
            workspace_idle: Duration::from_secs(60),
            retry_after: Duration::from_secs(1),
        }
    }
}

/// Bytes of a `presence` beside its state, and more.
const WORD_REST: u64 = 1024;

impl Config {
    /// Checks what must hold between values, whoever set them.
    ///
    /// # Errors
    /// One sentence that names the values which do not go together.
    pub fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        if limits.idle_timeout_ms < 2 * limits.heartbeat_ms {
            return Err(format!(
                "limits.idleTimeoutMs ({}) must be at least twice limits.heartbeatMs ({})",
                limits.idle_timeout_ms, limits.heartbeat_ms
            ));
        }
        let unknown = |name: &&String| !CAPABILITIES.contains(&name.as_str());
        if let Some(name) = self.capabilities.iter().find(unknown) {
            let known = CAPABILITIES.join(", ");
            return Err(format!("capabilities: {name:?} is none of {known}"));
        }
        self.engine().check()?;
        if (self.outbox_bytes_max as u64) < limits.frame_bytes_max {
            return Err(format!(
                "outbox_bytes_max ({}) must be at least limits.frameBytesMax ({})",
                self.outbox_bytes_max, limits.frame_bytes_max
            ));
        }
        self.check_presence()?;
        if !is_path(&self.path) || self.path == "/health" {
            return Err(format!(
                "path ({:?}) must begin with /, be of A-Z a-z 0-9 . _ ~ - and /, and differ from /health",
                self.path
            ));
        }
        Ok(())
    }

    /// An announced window never shrinks (`CONN-LIMITS`); `widest` is the widest that was announced over the same data.
    pub(crate) fn check_window(&self, widest: u64) -> Result<(), String> {
        let window = self.limits.in_flight_max;
        if window < widest {
            return Err(format!(
                "limits.inFlightMax ({window}) must not be lower than {widest}, which was announced before over the same data"
            ));
        }
        Ok(())
    }

    /// A word of presence must find room while an outbox is half empty, behind it the part of an update.
    fn check_presence(&self) -> Result<(), String> {
        let state = self.limits.presence_bytes_max.unwrap_or(0);
        let needs = state
            .saturating_add(self.part_bytes as u64)
            .saturating_add(WORD_REST);
        if self.offers_presence() && needs > self.outbox_bytes_max as u64 / 2 {
            return Err(format!(
                "outbox_bytes_max ({}) must be at least twice limits.presenceBytesMax ({state}) and part_bytes ({}) together, and {} more",
                self.outbox_bytes_max,
                self.part_bytes,
                2 * WORD_REST
            ));
        }
        Ok(())
    }

    fn offers_presence(&self) -> bool {
        self.capabilities.iter().any(|name| name == "presence")
    }

    /// How long a connection may take no byte before it is found slow, within twice this. With presence no longer than silence
    /// is borne, for then the others must learn that it is gone (`PRES-SILENT`).
    pub(crate) fn write_patience(&self) -> Duration {
        let silence = Duration::from_millis(self.limits.idle_timeout_ms);
        if self.offers_presence() {
            self.timeouts.write.min(silence / 2)
        } else {
            self.timeouts.write
        }
    }

    /// What each workspace's engine is told.
    pub(crate) fn engine(&self) -> syncline_server_core::Config {
        syncline_server_core::Config {
            limits: self.limits.clone(),
            capabilities: self.capabilities.clone(),
            resolvers: self.resolvers.clone(),
            retention: self.retention,
            part_bytes: self.part_bytes,
            server: ServerInfo {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            ..syncline_server_core::Config::default()
        }
    }
}

/// Whether a router takes this as the path that it is, and not as a pattern.
fn is_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-/".contains(&byte);
    path.starts_with('/') && path.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl Fn(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        config.check().expect_err("the values do not go together")
    }

    #[test]
    fn the_defaults_go_together() {
        Config::default().check().expect("defaults are right");
    }

    /// PRES-SILENT: who takes nothing is given up no later than who says nothing.
    #[test]
    fn presence_bears_no_more_silence_in_one_direction_than_in_the_other() {
        let mut config = Config::default();
        assert_eq!(config.write_patience(), config.timeouts.write);
        config.limits.idle_timeout_ms = 3000;
        assert_eq!(config.write_patience(), Duration::from_millis(1500));
        config.capabilities.clear();
        assert_eq!(config.write_patience(), config.timeouts.write);
    }

    #[test]
    fn relations_are_checked() {
        assert!(
            refused(|c| c.limits.idle_timeout_ms = c.limits.heartbeat_ms).contains("idleTimeoutMs")
        );
        assert!(
            refused(|c| c.limits.value_bytes_max = c.limits.frame_bytes_max)
                .contains("valueBytesMax")
        );
        assert!(refused(|c| c.limits.in_flight_max = 1_000_000).contains("inFlightMax"));
        assert!(refused(|c| c.outbox_bytes_max = 1000).contains("outbox_bytes_max"));
        assert!(refused(|c| c.part_bytes = 520_000).contains("presenceBytesMax"));
        assert!(refused(|c| c.path = "sync".to_owned()).contains("path"));
        assert!(refused(|c| c.path = "/health".to_owned()).contains("path"));
        assert!(refused(|c| c.path = "/{".to_owned()).contains("path"));
    }
}
