//! The program `syncline-server`: settings from file, environment and flags; a log; a listener; signals.
//!
//! Whatever keeps it from starting is said in one line, with exit code 2.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use syncline_server::config::{Effective, Source, command, load, settings::Settings};
use syncline_server::log::{Log, MemoryLog, SqliteLog};
use syncline_server::{Config, run};
use tokio::net::TcpListener;
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
    let effective = load(&flags, |name| std::env::var_os(name))?;
    log_to_stderr(&effective.settings.log)?;
    show(&effective);
    let Settings {
        listen,
        data,
        memory,
        config,
        ..
    } = effective.settings;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let ended = if memory {
        runtime.block_on(serve(&listen, MemoryLog::new(), config))
    } else {
        let log = open(&data)?;
        runtime.block_on(serve(&listen, log, config))
    };
    // Nothing that is still running may keep the process.
    runtime.shutdown_background();
    ended
}

fn open(path: &Path) -> Result<SqliteLog, String> {
    SqliteLog::open(path).map_err(|error| error.to_string())
}

async fn serve<L: Log>(listen: &str, log: L, config: Config) -> Result<(), String> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("{listen}: {error}"))?;
    let stopped = stopped()?;
    run(listener, log, config, stopped)
        .await
        .map_err(|error| error.to_string())
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
