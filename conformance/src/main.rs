//! The program: see [`syncline_conformance::cli`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

/// A history is a million small values.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    syncline_conformance::cli::Cli::parse().act()
}
