//! The end-to-end load program: what the reference server does per second and per connection, beside
//! baselines of the same run.
//!
//! Absolute figures of a shared machine mean little, so every figure comes as a ratio to a baseline that
//! moves the same bytes in the same run: a bare SQLite group commit, a raw WebSocket broadcast, a raw
//! transfer. Servers run as child processes (this program again), so that their memory can be told from the
//! load's. Everything is bounded in count and time and stays on loopback.

#![forbid(unsafe_code)]

mod child;
mod measure;
mod serve;
mod wire;

use clap::{Parser, Subcommand};
use measure::Figure;
use mimalloc::MiMalloc;
use std::path::PathBuf;
use std::process::ExitCode;

/// The server's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures the reference server against baselines carried along.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// How long each throughput measurement runs, in seconds.
    #[arg(long, default_value_t = 3, global = true)]
    seconds: u64,
}

#[derive(Subcommand, Clone)]
enum What {
    /// Durable acknowledged mutations per second against a bare SQLite group commit.
    Durable,
    /// Updates delivered from 1 writer to 100 subscribers against a raw broadcast.
    Fanout,
    /// Resident memory of an idle connection.
    Idle,
    /// A snapshot of 100,000 rows against the same bytes sent raw.
    Catchup,
    /// All of them (the default).
    All,
    /// The server side of a measurement; started by this program.
    #[command(hide = true)]
    ServeSyncline {
        /// SQLite file; in memory without.
        data: Option<PathBuf>,
    },
    /// The baseline's server side; started by this program.
    #[command(hide = true)]
    ServeRaw {
        /// Frames to send on request, one a line.
        frames: Option<PathBuf>,
    },
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(options).await {
        Ok(figures) if figures.iter().all(Figure::reached) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("load: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: Options) -> Result<Vec<Figure>, Failure> {
    let seconds = options.seconds;
    let mut figures = Vec::new();
    match options.what.unwrap_or(What::All) {
        What::ServeSyncline { data } => serve::syncline(data).await?,
        What::ServeRaw { frames } => serve::raw(frames).await?,
        What::Durable => figures.extend(measure::durable::run(seconds).await?),
        What::Fanout => figures.extend(measure::fanout::run(seconds).await?),
        What::Idle => figures.extend(measure::idle::run().await?),
        What::Catchup => figures.extend(measure::catchup::run().await?),
        What::All => {
            figures.extend(measure::durable::run(seconds).await?);
            figures.extend(measure::fanout::run(seconds).await?);
            figures.extend(measure::idle::run().await?);
            figures.extend(measure::catchup::run().await?);
        }
    }
    if !figures.is_empty() {
        measure::print(&figures);
    }
    Ok(figures)
}
