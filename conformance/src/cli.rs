//! The command line: what can be asked, and what is answered.
//!
//! Exit codes: 0 all that was judged passed; 1 the server failed; 2 it cannot be said: nothing was judged, or something remained unknown, or the
//! question was wrong.

mod client;
mod coverage;
mod crash;
mod explain;
mod list;
mod mutants;
mod random;
mod replay;
mod reports;
mod run;
mod select;
mod simulate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Judges Syncline servers and clients.
#[derive(Debug, Parser)]
#[command(
    name = "syncline-conformance",
    version,
    about = "Judges any Syncline server, and any client: does it converge, apply once, keep order?"
)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a server (the default): without --server or --target, the embedded reference server
    Run(Box<RunArgs>),
    /// Judge a server by one scenario file, again and again
    Replay(replay::ReplayArgs),
    /// Kill a server again and again while clients write: nothing acknowledged may be lost, nothing applied twice
    Crash(crash::CrashArgs),
    /// Judge the reference server and client together, in virtual time: thousands of histories, each again by its seed
    Simulate(simulate::SimulateArgs),
    /// Judge a client behind its adapter
    Client(client::ClientArgs),
    /// List the scenarios
    List(Selection),
    /// Explain a requirement or a scenario
    Explain {
        /// A requirement's ID, as PUSH-ONCE, or a scenario's, as retry-after-cut
        id: String,
    },
    /// Which scenarios, checkers and mutants stand behind each requirement
    Coverage {
        /// As spec/v1/coverage.md has it
        #[arg(long)]
        markdown: bool,
    },
    /// Run the suite against wrong servers and clients: each must be caught (needs the sources, and cargo)
    Mutants(mutants::MutantsArgs),
}

#[derive(Clone, Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    random: random::RandomArgs,
    #[command(flatten)]
    reports: reports::ReportArgs,
}

/// Whom to judge, and how.
#[derive(Clone, Debug, Args)]
struct TargetArgs {
    /// The WebSocket URL of the server, as ws://127.0.0.1:8081/sync
    #[arg(long, value_name = "URL", conflicts_with = "target")]
    server: Option<String>,
    /// A TOML file that names the server and the commands of its hooks (see conformance/README.md)
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,
    /// A command that starts a server on {port} of 127.0.0.1, with its data in {dir}: the runner starts, kills and restarts it
    #[arg(long, value_name = "CMD", conflicts_with_all = ["server", "target"])]
    command: Option<String>,
    /// A command that backs up the data in {dir}, while the server of --command runs
    #[arg(long, value_name = "CMD", requires = "command")]
    backup_cmd: Option<String>,
    /// A command that puts the data in {dir} back to that backup; the runner stops the server before, and starts it after
    #[arg(long, value_name = "CMD", requires_all = ["command", "backup_cmd"])]
    restore_cmd: Option<String>,
    /// The path of its URL
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/sync",
        requires = "command"
    )]
    path: String,
    /// A command that restarts the server at the URL, on the same data
    #[arg(long, value_name = "CMD", requires = "server")]
    restart_cmd: Option<String>,
    /// A command that kills the server at the URL, as kill -9, and starts it again, on the same data
    #[arg(long, value_name = "CMD", requires = "server")]
    kill_cmd: Option<String>,
    /// How many scenarios run side by side
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// How long to wait for what must come, in seconds
    #[arg(long, value_name = "SECS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    deadline: u32,
    /// Makes what happens by chance: random histories, and what faults do
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Every message is late by up to so many milliseconds each way, by chance: is the server right on a slow network, too?
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// Use this workspace instead of a fresh one for each scenario
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// Show the transcript of every scenario
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Debug, Default, Args)]
struct Selection {
    /// Only scenarios whose id (or chapter/id) matches, `*` for any characters, or that check this requirement; may be repeated
    #[arg(long, value_name = "GLOB|ID")]
    select: Vec<String>,
    /// Only scenarios of this chapter; may be repeated
    #[arg(long, value_name = "CHAPTER")]
    chapter: Vec<String>,
    /// Only scenarios that need this capability; may be repeated
    #[arg(long, value_name = "NAME")]
    capability: Vec<String>,
    /// Scenarios of these files instead of those of this build; may be repeated
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
}

/// What went wrong before anything could be judged: one text for people.
#[derive(Debug)]
struct Trouble(String);

impl Cli {
    /// Does what was asked.
    #[must_use]
    pub fn act(self) -> ExitCode {
        let done = match self.command {
            None => run::run(&self.run),
            Some(Command::Run(args)) => run::run(&args),
            Some(Command::Replay(args)) => replay::replay(&args),
            Some(Command::Crash(args)) => crash::crash(&args),
            Some(Command::Simulate(args)) => simulate::simulate(&args),
            Some(Command::Client(args)) => client::client(&args),
            Some(Command::List(selection)) => list::list(&selection),
            Some(Command::Coverage { markdown }) => coverage::coverage(markdown),
            Some(Command::Explain { id }) => explain::explain(&id),
            Some(Command::Mutants(args)) => mutants::run(&args),
        };
        done.unwrap_or_else(|Trouble(text)| {
            eprintln!("{text}");
            ExitCode::from(2)
        })
    }
}
