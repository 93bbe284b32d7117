//! `mutants`: runs the suite against wrong servers and clients, and prints which requirement caught which.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::Trouble;
use super::random::duration;
use crate::mutants::kill::{self, Fate, Trial};
use crate::mutants::search::{Search, search};
use crate::mutants::tree::{self, Programs};
use crate::mutants::{self, Mutant, Side};
use crate::report::Style;
use crate::requirements;

#[derive(Clone, Debug, Args)]
pub(super) struct MutantsArgs {
    /// Only these mutants
    names: Vec<String>,
    /// How many mutants are tried side by side
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Looks for each by simulated histories instead of the suite, for so long at most, as 60s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    simulate: Option<Duration>,
    /// The root of the sources
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/.."))]
    root: PathBuf,
}

pub(super) fn run(args: &MutantsArgs) -> Result<ExitCode, Trouble> {
    let all = mutants::all(&args.root).map_err(Trouble)?;
    if let Some(name) = args
        .names
        .iter()
        .find(|name| !all.iter().any(|mutant| mutant.name == **name))
    {
        return Err(Trouble(format!("no mutant is named {name}")));
    }
    let chosen: Vec<Mutant> = all
        .iter()
        .filter(|mutant| args.names.is_empty() || args.names.contains(&mutant.name))
        .cloned()
        .collect();
    let began = Instant::now();
    eprintln!("Building {} mutants into one program", all.len());
    let programs = tree::build(&args.root, &all).map_err(Trouble)?;
    eprintln!("Built in {:.0} s", began.elapsed().as_secs_f64());
    let reports = tempfile::tempdir().map_err(|error| Trouble(error.to_string()))?;
    if let Some(time) = args.simulate {
        return Ok(search_all(&programs, &chosen, time, reports.path()));
    }
    for side in Side::ALL {
        if chosen.iter().any(|mutant| mutant.side == side) {
            kill::control(
                &programs,
                side,
                &chosen,
                &reports.path().join("control.json"),
            )
            .map_err(Trouble)?;
        }
    }
    let tried = try_all(&programs, &chosen, args.jobs.into(), reports.path());
    print_matrix(&tried);
    let killed = tried
        .iter()
        .filter(|(_, fate)| matches!(fate, Fate::Killed(_)));
    let killed = killed.count();
    outln!(
        "\n{killed} of {} mutants are killed for what they break, in {:.0} s.",
        chosen.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(ExitCode::from(u8::from(killed < chosen.len())))
}

/// Searches for one after the other, and prints a line for each.
fn search_all(programs: &Programs, mutants: &[Mutant], time: Duration, folder: &Path) -> ExitCode {
    let style = Style::of(&std::io::stdout());
    let names = mutants.iter().map(|mutant| mutant.name.len());
    let widest = names.max().unwrap_or(0);
    let mut found = 0;
    for mutant in mutants {
        let (side, name) = (mutant.side.folder(), &mutant.name);
        let told = match search(programs, mutant, time, folder) {
            Search::Found { after, what } => {
                found += 1;
                format!("{} after {after}  {what}", style.good("found"))
            }
            Search::Clean => style.bad("not found"),
            Search::Unknown(why) => format!("{} {why}", style.doubtful("unknown")),
        };
        outln!("{side:7} {name:widest$}  {told}");
    }
    outln!(
        "\n{found} of {} mutants are found by simulation.",
        mutants.len()
    );
    ExitCode::from(u8::from(found < mutants.len()))
}

/// Tries all, and prints a line for each as it ends.
fn try_all<'a>(
    programs: &Programs,
    mutants: &'a [Mutant],
    jobs: usize,
    reports: &Path,
) -> Vec<(&'a Mutant, Fate)> {
    let style = Style::of(&std::io::stdout());
    let names = mutants.iter().map(|mutant| mutant.name.len());
    let widest = names.max().unwrap_or(0);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut tried = Vec::new();
        while let Some(mutant) = mutants.get(next.fetch_add(1, Relaxed)) {
            let report = reports.join(format!("{}-{}.json", mutant.side.folder(), mutant.name));
            let trial = kill::attempt(programs, mutant, &report);
            let (side, name) = (mutant.side.folder(), &mutant.name);
            outln!("{side:7} {name:widest$}  {}", told(mutant, &trial, style));
            tried.push((mutant, trial.fate));
        }
        tried
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let tried = workers.into_iter().map(|worker| worker.join());
        tried
            .flat_map(|tried| tried.expect("no worker panics"))
            .collect()
    })
}

/// Prints, for each requirement that mutants break, how many of them were found to break it, and the names of the others.
fn print_matrix(tried: &[(&Mutant, Fate)]) {
    let style = Style::of(&std::io::stdout());
    let widest = requirements::ALL.iter().map(|known| known.id.len());
    let widest = widest.max().unwrap_or(0);
    outln!();
    for requirement in requirements::ALL.iter() {
        let id = &requirement.id;
        let breaking = tried
            .iter()
            .filter(|(mutant, _)| mutant.text.breaks.contains(id));
        let (found, missed): (Vec<_>, Vec<_>) = breaking.partition(|(_, fate)| fate.shows(id));
        if found.is_empty() && missed.is_empty() {
            continue;
        }
        let count = format!("{} of {}", found.len(), found.len() + missed.len());
        let count = if missed.is_empty() {
            style.good(&count)
        } else {
            style.bad(&count)
        };
        let missed: Vec<&str> = missed
            .iter()
            .map(|(mutant, _)| mutant.name.as_str())
            .collect();
        let line = format!("{id:widest$}  {count}  {}", missed.join(" "));
        outln!("{}", line.trim_end());
    }
}

/// How many scenarios are named that killed a mutant.
const NAMED: usize = 3;

fn told(mutant: &Mutant, trial: &Trial, style: Style) -> String {
    let breaks = mutant.text.breaks.join(" ");
    let seconds = trial.took.as_secs_f64();
    match &trial.fate {
        Fate::Killed(by) => {
            let more = by.len().saturating_sub(NAMED);
            let named = by
                .iter()
                .take(NAMED)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let runs = match trial.runs {
                1 => String::new(),
                runs => format!(" in run {runs}"),
            };
            format!(
                "{} {breaks}  by {named}{more}{runs}  {seconds:.1} s",
                style.good("killed")
            )
        }
        Fate::WrongReason { missed, found } => format!(
            "{} {} not found broken, but {}  {seconds:.1} s",
            style.bad("wrong reason"),
            missed.join(" "),
            found.join(" ")
        ),
        Fate::Survived => format!("{} {breaks}  {seconds:.1} s", style.bad("survived")),
        Fate::Unknown(why) => format!("{} {why}  {seconds:.1} s", style.doubtful("unknown")),
    }
}
