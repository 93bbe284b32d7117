//! The program: see [`syncline_conformance::cli`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    syncline_conformance::cli::Cli::parse().act()
}
