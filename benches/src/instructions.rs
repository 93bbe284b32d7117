//! Instructions of the rounds, counted by valgrind's callgrind: on a machine that is shared a count says more than a clock.
//!
//! `cargo run --release -p syncline-benches --bin instructions [-- part of a name]...`: each round is run once, in a process of its own. Without valgrind nothing is
//! counted, and that is said.

#![forbid(unsafe_code)]

use std::env;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

use mimalloc::MiMalloc;
use syncline_benches::rounds::{self, Group, Run};

/// The server's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The argument by which this program is started for one round.
const ROUND: &str = "--round";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = &arguments[..]
        && flag == ROUND
    {
        return run_alone(name);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: skipped, for there is no valgrind here");
        return ExitCode::SUCCESS;
    }
    for group in rounds::all() {
        tell(&group, &arguments);
    }
    ExitCode::SUCCESS
}

fn full_name(group: &Group, round: &str) -> String {
    format!("{}/{round}", group.name)
}

/// Runs one round, which valgrind counts.
fn run_alone(name: &str) -> ExitCode {
    for group in rounds::all() {
        for (round, set_up) in &group.rounds {
            if full_name(&group, round) == name {
                let mut run = set_up();
                black_box(counted_round(&mut run));
                // What is left is not torn down: it is not counted, and takes long.
                std::process::exit(0);
            }
        }
    }
    ExitCode::FAILURE
}

/// Valgrind counts from where this is entered to where it is left.
#[inline(never)]
fn counted_round(run: &mut Run) -> usize {
    run()
}

/// Counts the rounds of a group that are asked for, with their ratios to the first.
fn tell(group: &Group, asked: &[String]) {
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|part| name.contains(part));
    let asked_for = |(round, _): &&(String, _)| is_asked(&full_name(group, round));
    if !group.rounds.iter().any(|round| asked_for(&round)) {
        return;
    }
    println!(
        "{}: instructions each, and as a part of the baseline's",
        group.name
    );
    let mut baseline = None;
    for (index, round) in group.rounds.iter().enumerate() {
        if index > 0 && !asked_for(&round) {
            continue;
        }
        let name = &round.0;
        let each = match count(&full_name(group, name)) {
            Ok(count) => count / group.elements,
            Err(why) => {
                println!("  {name}: not counted: {why}");
                continue;
            }
        };
        let ratio = each as f64 / *baseline.get_or_insert(each) as f64;
        println!("  {each:>10}  {ratio:>6.2}  {name}");
    }
}

/// Lets valgrind count one round.
fn count(name: &str) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = valgrind(&program)
        .args([ROUND, name])
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, count)| count.trim().parse().ok());
    collected
        .filter(|_| output.status.success())
        .ok_or_else(|| said.into_owned())
}

fn valgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    let out = env::var("CALLGRIND_OUT").unwrap_or_else(|_| "/dev/null".to_owned());
    command.args(["--tool=callgrind", "--collect-atstart=no"]);
    command.arg("--toggle-collect=*counted_round*");
    command.arg(format!("--callgrind-out-file={out}"));
    command.arg(program);
    command
}
