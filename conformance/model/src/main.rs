//! Looks at every scope, or those whose names contain the words given, and prints what came of each.
#![forbid(unsafe_code)]

use std::env::args;
use std::process::ExitCode;
use std::thread::available_parallelism;

use syncline_model::{Scope, check, scopes};

fn main() -> ExitCode {
    let words: Vec<String> = args().skip(1).collect();
    let threads = available_parallelism().map_or(1, usize::from);
    let mut failed = false;
    println!(
        "{:>10} {:>10} {:>6} {:>7}  scope",
        "states", "actions", "depth", "seconds"
    );
    let wanted = |scope: &Scope| words.iter().all(|word| scope.name.contains(word.as_str()));
    for scope in scopes().into_iter().filter(wanted) {
        let checked = check(&scope, threads);
        let seconds = checked.took.as_secs_f64();
        println!(
            "{:>10} {:>10} {:>6} {seconds:>7.1}  {}",
            checked.states, checked.actions, checked.depth, scope.name
        );
        for what in &checked.found {
            println!("FAILED: {what}");
        }
        failed |= !checked.found.is_empty();
    }
    ExitCode::from(u8::from(failed))
}
