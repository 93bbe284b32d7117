//! From file, environment and flags, in that order of weakness, to the effective configuration.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::file;
use super::settings::{Kind, SETTINGS, Setting, Settings};

/// Names the configuration file, where the flag `--config` does not.
const CONFIG_ENV: &str = "SYNCLINE_CONFIG";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// A line of the configuration file.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => write!(out, "default"),
            Source::File(path, line) => write!(out, "{}:{line}", path.display()),
            Source::Environment(name) => write!(out, "{name}"),
            Source::Flag(name) => write!(out, "--{name}"),
        }
    }
}

/// The configuration that holds, and where each value of it comes from.
pub struct Effective {
    /// The values.
    pub settings: Settings,
    sources: Vec<Source>,
}

impl Effective {
    /// Each setting with its value and its source, by key.
    pub fn lines(&self) -> impl Iterator<Item = (&'static Setting, String, &Source)> {
        SETTINGS
            .iter()
            .zip(&self.sources)
            .map(|(setting, source)| (setting, setting.show(&self.settings), source))
    }
}

/// The program's command line, made from the table of settings.
#[must_use]
pub fn command() -> Command {
    let config = Arg::new("config").long("config").value_name("FILE").help(format!(
        "A TOML file with settings; weaker than the environment, which is weaker than flags [env: {CONFIG_ENV}]"
    ));
    let command = Command::new("syncline-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Syncline's reference server: a WebSocket endpoint for sync, data in a SQLite file")
        .arg(config);
    let defaults = Settings::default();
    let command = SETTINGS.iter().fold(command, |command, setting| {
        command.arg(argument(setting, &defaults))
    });
    // Settings may stand before or behind the word: a restore needs those of the server.
    command
        .mut_args(|argument| argument.global(true))
        .subcommands([
            offline(
                BACKUP,
                "Write a backup of all workspaces as they are now; a server may run meanwhile",
                "The file to write",
            ),
            offline(
                RESTORE,
                "Put a backup in the place of the data, while no server runs: each workspace begins a new history",
                "The backup",
            ),
        ])
}

/// The word by which the program writes a backup.
pub const BACKUP: &str = "backup";
/// The word by which it puts one back.
pub const RESTORE: &str = "restore";

/// What is done with files, and not over a socket.
fn offline(word: &'static str, about: &'static str, file: &'static str) -> Command {
    let file = Arg::new("FILE").required(true).help(file);
    let overwrite = Arg::new("overwrite")
        .long("overwrite")
        .help("Replace what is there");
    Command::new(word)
        .about(about)
        .arg(file)
        .arg(overwrite.action(ArgAction::SetTrue))
}

fn argument(setting: &'static Setting, defaults: &Settings) -> Arg {
    let help = format!(
        "{} [default: {}] [env: {}]",
        setting.help,
        setting.show(defaults),
        setting.env
    );
    let argument = Arg::new(setting.key.as_str())
        .long(setting.flag.as_str())
        .help(help);
    let argument = if setting.key.starts_with("limits.") {
        argument.help_heading("Limits, announced to clients")
    } else {
        argument
    };
    match setting.kind {
        Kind::Switch => argument.action(ArgAction::SetTrue),
        Kind::Text => argument.value_name("TEXT"),
        Kind::Number => argument.value_name("N"),
    }
}

/// Puts the configuration together from parsed flags and the environment, reading the file that they name.
///
/// # Errors
/// One line that says what is wrong, and where.
pub fn load(
    flags: &ArgMatches,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Effective, String> {
    let mut effective = Effective {
        settings: Settings::default(),
        sources: vec![Source::Default; SETTINGS.len()],
    };
    let named = flags
        .get_one::<String>("config")
        .map(OsString::from)
        .or_else(|| environment(CONFIG_ENV));
    if let Some(path) = named {
        effective.read_file(Path::new(&path))?;
    }
    for (index, setting) in SETTINGS.iter().enumerate() {
        if let Some(value) = environment(&setting.env) {
            let value = value
                .into_string()
                .map_err(|_| format!("{}: not UTF-8", setting.env))?;
            effective.put(index, &value, Source::Environment(setting.env.clone()))?;
        }
        if let Some(value) = flag_value(flags, setting) {
            effective.put(index, &value, Source::Flag(setting.flag.clone()))?;
        }
    }
    effective.settings.config.check()?;
    Ok(effective)
}

fn flag_value(flags: &ArgMatches, setting: &Setting) -> Option<String> {
    if flags.value_source(&setting.key) != Some(ValueSource::CommandLine) {
        return None;
    }
    match setting.kind {
        Kind::Switch => Some(flags.get_flag(&setting.key).to_string()),
        Kind::Text | Kind::Number => flags.get_one::<String>(&setting.key).cloned(),
    }
}

impl Effective {
    fn read_file(&mut self, path: &Path) -> Result<(), String> {
        for entry in file::read(path)? {
            let index = SETTINGS
                .iter()
                .position(|setting| setting.key == entry.setting.key);
            let index = index.expect("an entry's setting is in the table");
            self.put(
                index,
                &entry.value,
                Source::File(path.to_owned(), entry.line),
            )?;
        }
        Ok(())
    }

    fn put(&mut self, index: usize, value: &str, source: Source) -> Result<(), String> {
        let setting = &SETTINGS[index];
        setting
            .set(&mut self.settings, value)
            .map_err(|fault| format!("{source}: {} {fault}", setting.key))?;
        self.sources[index] = source;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Write;

    use super::*;

    fn load_from(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[&str],
    ) -> Result<Effective, String> {
        let mut config = tempfile::NamedTempFile::new().expect("a temporary file");
        config
            .write_all(file.as_bytes())
            .expect("it can be written");
        let path = config
            .path()
            .to_str()
            .expect("its path is UTF-8")
            .to_owned();
        let words = ["syncline-server", "--config", &path]
            .into_iter()
            .chain(flags.iter().copied());
        let flags = command()
            .try_get_matches_from(words)
            .map_err(|error| error.to_string())?;
        let environment: HashMap<_, _> = environment.iter().copied().collect();
        load(&flags, |name| environment.get(name).map(OsString::from))
    }

    fn source_of(effective: &Effective, key: &str) -> String {
        let (_, _, source) = effective
            .lines()
            .find(|(setting, ..)| setting.key == key)
            .expect("the key is known");
        source.to_string()
    }

    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let file = "listen = 'file:1'\npath = '/file'\ndata = 'file.db'";
        let environment = [("SYNCLINE_LISTEN", "env:1"), ("SYNCLINE_PATH", "/env")];
        let effective =
            load_from(file, &environment, &["--listen", "flag:1"]).expect("all is well");
        assert_eq!(effective.settings.listen, "flag:1");
        assert_eq!(source_of(&effective, "listen"), "--listen");
        assert_eq!(effective.settings.config.path, "/env");
        assert_eq!(source_of(&effective, "path"), "SYNCLINE_PATH");
        assert_eq!(effective.settings.data, PathBuf::from("file.db"));
        assert!(source_of(&effective, "data").ends_with(":3"));
        assert_eq!(source_of(&effective, "memory"), "default");
    }

    #[test]
    fn faults_say_where() {
        let fault = |file, environment: &[_], flags: &[_]| {
            load_from(file, environment, flags).err().expect("a fault")
        };
        assert!(
            fault("limits.depthMax = 3", &[], &[])
                .contains(":1: limits.depthMax must be at least 32")
        );
        assert!(
            fault("", &[("SYNCLINE_PART_BYTES", "x")], &[])
                .contains("SYNCLINE_PART_BYTES: part_bytes must be")
        );
        assert!(
            fault("", &[], &["--part-bytes", "x"]).contains("--part-bytes: part_bytes must be")
        );
        assert!(fault("", &[], &["--limits-heartbeat-ms", "60000"]).contains("twice"));
        assert!(fault("", &[], &["--nonsense"]).contains("--nonsense"));
    }

    #[test]
    fn a_missing_file_is_a_fault() {
        let flags = command()
            .try_get_matches_from(["syncline-server", "--config", "/no/such/file"])
            .expect("flags");
        assert!(
            load(&flags, |_| None)
                .err()
                .expect("a fault")
                .contains("/no/such/file")
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
