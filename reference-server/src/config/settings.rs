//! The one table of settings: file, environment, flags, help, the printed configuration and the README come from it.
//!
//! A setting is named by its key, as in `retention.versions_max`. The key is the name in the file; the environment variable
//! (`SYNCLINE_RETENTION_VERSIONS_MAX`) and the flag (`--retention-versions-max`) follow from it. The limits
//! are not listed here: they come from `limits.json`, with their defaults, minimums and descriptions.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use super::Config;
use super::limits::{self, Limit};

/// What the program is told: the server's [`Config`], and what the program itself needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen, as `host:port`.
    pub listen: String,
    /// The SQLite file.
    pub data: PathBuf,
    /// Keep everything in memory instead; lost at the end.
    pub memory: bool,
    /// What is logged: a level, or a filter such as `syncline_server=debug`.
    pub log: String,
    /// What the server is told.
    pub config: Config,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: "127.0.0.1:8081".to_owned(),
            data: PathBuf::from("syncline.db"),
            memory: false,
            log: "info".to_owned(),
            config: Config::default(),
        }
    }
}

/// The kind of value that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// An integer from 0.
    Number,
    /// `true` or `false`.
    Switch,
}

/// One setting.
pub struct Setting {
    /// Its name in the file, with the section.
    pub key: String,
    /// Its environment variable.
    pub env: String,
    /// Its flag, without the dashes.
    pub flag: String,
    /// What it takes.
    pub kind: Kind,
    /// What it means, in a sentence.
    pub help: String,
    access: Access,
}

/// How a setting is read and written.
enum Access {
    Field {
        show: fn(&Settings) -> String,
        set: fn(&mut Settings, &str) -> Result<(), String>,
    },
    Limit(Limit),
}

impl Setting {
    /// The value that it has.
    #[must_use]
    pub fn show(&self, settings: &Settings) -> String {
        match &self.access {
            Access::Field { show, .. } => show(settings),
            Access::Limit(limit) => limit.show(&settings.config.limits),
        }
    }

    /// Gives it a value.
    ///
    /// # Errors
    /// Says what the value should have been.
    pub fn set(&self, settings: &mut Settings, value: &str) -> Result<(), String> {
        match &self.access {
            Access::Field { set, .. } => set(settings, value),
            Access::Limit(limit) => limit.set(&mut settings.config.limits, integer(value)?),
        }
    }
}

/// All settings, by key.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let mut all: Vec<Setting> = fields().into_iter().chain(limits()).collect();
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
});

/// The setting of this key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

fn fields() -> Vec<Setting> {
    use Kind::{Number, Switch, Text};
    macro_rules! millis {
        ($key:literal, $help:literal, $($field:ident).+) => {
            field($key, Number, $help, |s| s.$($field).+.as_millis().to_string(), |s, v| put(&mut s.$($field).+, integer(v).map(Duration::from_millis)))
        };
    }
    macro_rules! count {
        ($key:literal, $help:literal, $($field:ident).+) => {
            field($key, Number, $help, |s| s.$($field).+.to_string(), |s, v| put(&mut s.$($field).+, integer(v)))
        };
    }
    macro_rules! text {
        ($key:literal, $help:literal, $($field:ident).+) => {
            field($key, Text, $help, |s| s.$($field).+.clone(), |s, v| put(&mut s.$($field).+, Ok(v.to_owned())))
        };
    }
    vec![
        text!("listen", "Where to listen: host:port.", listen),
        text!("path", "The path of the WebSocket endpoint.", config.path),
        field(
            "capabilities",
            Text,
            "What is offered beyond the core: names with commas between, or nothing.",
            |s| s.config.capabilities.join(","),
            |s, v| put(&mut s.config.capabilities, Ok(names(v))),
        ),
        field(
            "data",
            Text,
            "The SQLite file that holds the workspaces.",
            |s| s.data.display().to_string(),
            |s, v| put(&mut s.data, Ok(v.into())),
        ),
        field(
            "memory",
            Switch,
            "Keep everything in memory, and lose it at the end.",
            |s| s.memory.to_string(),
            |s, v| put(&mut s.memory, switch(v)),
        ),
        text!(
            "log",
            "What is logged: error, warn, info, debug, trace, or a filter.",
            log
        ),
        count!(
            "retention.versions_max",
            "Versions for which deletes are kept; an older cursor needs a replacement.",
            config.retention.versions_max
        ),
        count!(
            "retention.age_ms_max",
            "Milliseconds for which deletes are kept; an older cursor needs a replacement.",
            config.retention.age_ms_max
        ),
        count!(
            "part_bytes",
            "Bytes at which an update is cut into parts.",
            config.part_bytes
        ),
        count!(
            "outbox_bytes_max",
            "Bytes of frames that may wait for one connection.",
            config.outbox_bytes_max
        ),
        count!(
            "inbox_bytes_max",
            "Bytes of frames from one connection that may wait to be decided.",
            config.inbox_bytes_max
        ),
        count!(
            "connections_max",
            "Connections open at once.",
            config.connections_max
        ),
        count!(
            "workspaces_max",
            "Workspaces in memory at once.",
            config.workspaces_max
        ),
        count!(
            "checkpoint_bytes_min",
            "Bytes of log that make a checkpoint due.",
            config.checkpoint_bytes_min
        ),
        millis!(
            "timeouts.write_ms",
            "A connection that takes no byte for so long is a slow consumer.",
            config.timeouts.write
        ),
        millis!(
            "timeouts.close_ms",
            "How long a connection has to take its last frames.",
            config.timeouts.close
        ),
        millis!(
            "timeouts.shutdown_ms",
            "How long an orderly shutdown may take.",
            config.timeouts.shutdown
        ),
        millis!(
            "timeouts.workspace_idle_ms",
            "How long a workspace without sessions stays in memory.",
            config.timeouts.workspace_idle
        ),
        millis!(
            "timeouts.retry_after_ms",
            "When clients are told to return after a shutdown.",
            config.timeouts.retry_after
        ),
    ]
}

fn limits() -> impl Iterator<Item = Setting> {
    limits::all().map(|limit| {
        let key = format!("limits.{}", limit.name);
        let help = format!("{} {}", limit.about, limit.bounds());
        setting(&key, Kind::Number, help, Access::Limit(limit))
    })
}

fn field(
    key: &str,
    kind: Kind,
    help: &str,
    show: fn(&Settings) -> String,
    set: fn(&mut Settings, &str) -> Result<(), String>,
) -> Setting {
    setting(key, kind, help.to_owned(), Access::Field { show, set })
}

fn setting(key: &str, kind: Kind, help: String, access: Access) -> Setting {
    let words = snake_case(key).replace('.', "_");
    Setting {
        key: key.to_owned(),
        env: format!("SYNCLINE_{}", words.to_uppercase()),
        flag: words.replace('_', "-"),
        kind,
        help,
        access,
    }
}

fn snake_case(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn put<T>(slot: &mut T, value: Result<T, String>) -> Result<(), String> {
    *slot = value?;
    Ok(())
}

fn integer<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("must be an integer from 0, not {value:?}"))
}

fn names(value: &str) -> Vec<String> {
    let names = value.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

fn switch(value: &str) -> Result<bool, String> {
    value
        .parse()
        .map_err(|_| format!("must be true or false, not {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_the_key() {
        let setting = find("limits.frameBytesMax").expect("a limit is a setting");
        assert_eq!(setting.env, "SYNCLINE_LIMITS_FRAME_BYTES_MAX");
        assert_eq!(setting.flag, "limits-frame-bytes-max");
    }

    #[test]
    fn what_is_shown_can_be_set() {
        let defaults = Settings::default();
        let mut settings = Settings::default();
        for setting in SETTINGS.iter() {
            setting
                .set(&mut settings, &setting.show(&defaults))
                .expect("a default is allowed");
        }
        for setting in SETTINGS.iter() {
            assert_eq!(
                setting.show(&settings),
                setting.show(&defaults),
                "{}",
                setting.key
            );
        }
    }

    #[test]
    fn every_setting_changes_something_of_its_own() {
        for setting in SETTINGS.iter() {
            let mut settings = Settings::default();
            let value = match setting.kind {
                Kind::Text => "/other".to_owned(),
                Kind::Number => {
                    let default: u64 = setting.show(&settings).parse().expect("a number");
                    (default + 1).to_string()
                }
                Kind::Switch => "true".to_owned(),
            };
            setting
                .set(&mut settings, &value)
                .expect("the value is allowed");
            for other in SETTINGS.iter() {
                let expected = if other.key == setting.key {
                    value.clone()
                } else {
                    other.show(&Settings::default())
                };
                assert_eq!(
                    other.show(&settings),
                    expected,
                    "{} after {}",
                    other.key,
                    setting.key
                );
            }
        }
    }

    #[test]
    fn limits_keep_their_minimum() {
        let mut settings = Settings::default();
        let setting = find("limits.frameBytesMax").expect("a limit is a setting");
        assert!(
            setting
                .set(&mut settings, "65535")
                .expect_err("too small")
                .contains("65536")
        );
        assert!(
            setting
                .set(&mut settings, "many")
                .expect_err("no number")
                .contains("integer")
        );
        setting
            .set(&mut settings, "65536")
            .expect("exactly the minimum");
        assert_eq!(settings.config.limits.frame_bytes_max, 65536);
    }
}
