//! The command line.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match syncline_conformance::scenario::embedded() {
        Ok(scenarios) => {
            for scenario in scenarios {
                println!(
                    "{:<16} {:<32} {}",
                    scenario.chapter, scenario.id, scenario.title
                );
            }
            ExitCode::SUCCESS
        }
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            ExitCode::from(2)
        }
    }
}
