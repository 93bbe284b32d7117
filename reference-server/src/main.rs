//! The program `syncline-server`: settings from file, environment and flags; a log; a listener; signals. And backups of the log's file, by a word.
//!
//! Whatever keeps it from starting is said in one line, with exit code 2.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use clap::ArgMatches;
use mimalloc::MiMalloc;
use syncline_server::backup::{self, Content};
use syncline_server::config::{Effective, RESTORE, Source, command, load, settings::Settings};
use syncline_server::log::{Log, MemoryLog, SqliteLog};
use syncline_server::{Config, run};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What is read on one thread is freed on another, for every mutation: this allocator is made for it, and takes a fifth off what a mutation costs.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("syncline-server: {reason}");
            ExitCode::from(2)
        }
    }
}

/// Everything, up to an orderly end.
///
/// # Errors
/// One line.
fn start() -> Result<(), String> {
    let flags = command().try_get_matches().map_err(|error| {
        if !error.use_stderr() {
            // Help and version, asked for.
            error.exit();
        }
        let said = error.to_string();
        said.lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned()
    })?;
    let environment = |name: &str| std::env::var_os(name);
    if let Some((word, flags)) = flags.subcommand() {
        let effective = load(flags, environment)?;
        log_to_stderr(&effective.settings.log)?;
        return with_files(word, flags, &effective.settings);
    }
    let effective = load(&flags, environment)?;
    log_to_stderr(&effective.settings.log)?;
    show(&effective);
    let Settings {
        listen,
        data,
        memory,
        config,
        ..
    } = effective.settings;
    let runtime = runtime()?;
    let ended = if memory {
        runtime.block_on(serve(&listen, MemoryLog::new(), config))
    } else {
        let log = SqliteLog::open(&data).map_err(text)?;
        runtime.block_on(serve(&listen, log, config))
    };
    // Nothing that is still running may keep the process.
    runtime.shutdown_background();
    ended
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(text)
}

/// `backup` and `restore`.
fn with_files(word: &str, flags: &ArgMatches, settings: &Settings) -> Result<(), String> {
    if settings.memory {
        return Err(format!("{word}: with `memory` there is no data to {word}"));
    }
    let file = flags.get_one::<String>("FILE").map(Path::new);
    let file = file.ok_or("FILE is missing")?;
    let (data, overwrite) = (&settings.data, flags.get_flag("overwrite"));
    let runtime = runtime()?;
    let (content, written) = if word == RESTORE {
        let restored = backup::restore(file, data, &settings.config, overwrite);
        (runtime.block_on(restored), data.as_path())
    } else {
        let written = backup::write(data, file, overwrite);
        (runtime.block_on(written), file)
    };
    let Content { workspaces, bytes } = content.map_err(text)?;
    println!(
        "{}: {workspaces} workspaces, {bytes} bytes",
        written.display()
    );
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn serve<L: Log>(listen: &str, log: L, config: Config) -> Result<(), String> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("{listen}: {error}"))?;
    let stopped = stopped()?;
    run(listener, log, config, stopped).await.map_err(text)
}

/// Returns at the first SIGINT or SIGTERM.
fn stopped() -> Result<impl Future<Output = ()>, String> {
    let listen = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("SIGINT"),
            _ = terminate.recv() => tracing::info!("SIGTERM"),
        }
    })
}

/// Client ids are secrets (`SEC-CLIENT-ID-SECRET`), and libraries that trace whole frames do not know it: they stay silent.
const SECRETIVE: [&str; 2] = ["tungstenite=info", "tokio_tungstenite=info"];

fn log_to_stderr(filter: &str) -> Result<(), String> {
    let mut filter = EnvFilter::try_new(filter).map_err(|error| format!("log: {error}"))?;
    for directive in SECRETIVE {
        filter = filter.add_directive(directive.parse().map_err(|_| directive)?);
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

/// The effective configuration, as log lines.
fn show(effective: &Effective) {
    for (setting, value, source) in effective.lines() {
        match source {
            Source::Default => tracing::info!("{} = {value}", setting.key),
            source => tracing::info!("{} = {value} ({source})", setting.key),
        }
    }
}
