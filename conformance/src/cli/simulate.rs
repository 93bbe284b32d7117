//! `simulate`: both reference cores in virtual time, seed after seed.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use syncline_schemas::marks;

use super::Trouble;
use super::random::duration;
use crate::dice;
use crate::report::{Style, transcript};
use crate::simulate::{Failed, Hunt, Plan, Search, hunt, judge, plan, shrink};

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// The seeds, from A up to, but without, B; without them: fresh ones
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Goes on for so long, as 60s or 10m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// Threads
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Clients of each history
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// Operations of each history, over all clients
    #[arg(long, value_name = "N", default_value_t = 100)]
    operations: u32,
    /// Where the plans of failures are saved, made small
    #[arg(long, value_name = "FOLDER", default_value = "simulated")]
    save: PathBuf,
    /// Ends at so many failures
    #[arg(long, value_name = "N", default_value_t = 1)]
    failures: u16,
    /// Each rare situation that the cores name must be met so often (in a build with debug assertions)
    #[arg(long, value_name = "N")]
    marks: Option<u64>,
    /// Prints a sum of each history: the same seed gives the same one, in every build
    #[arg(long)]
    fingerprint: bool,
}

/// How many seeds there are, if nobody says: enough for any time.
const SEEDS: u64 = 1 << 40;

pub(super) fn simulate(args: &SimulateArgs) -> Result<ExitCode, Trouble> {
    let from = || dice::seed() >> 16;
    let seeds = args.seeds.clone().unwrap_or_else(|| {
        let from = from();
        from..from + SEEDS
    });
    if args.seeds.is_none() && args.time.is_none() {
        return Err(Trouble("say --seeds A..B, or --time, or both".to_owned()));
    }
    let search = Search {
        seeds,
        time: args.time,
        jobs: args.jobs.into(),
        clients: args.clients.into(),
        operations: args.operations as usize,
        failures_max: args.failures.into(),
        fingerprint: args.fingerprint,
    };
    quiet_panics();
    let found = hunt(&search, |hunt| eprint!("\r{} ", speed(hunt, args.jobs)));
    eprintln!();
    for (seed, sum) in &found.sums {
        outln!("{seed} {sum}");
    }
    let told = format!("seeds {:?}: {}", search.seeds, speed(&found, args.jobs));
    if args.fingerprint {
        eprintln!("{told}");
    } else {
        outln!("{told}");
    }
    for find in &found.finds {
        outln!(
            "\nseed {} fails, after {:.1} s:",
            find.seed,
            find.after.as_secs_f64()
        );
        let plan = plan(find.seed, search.clients, search.operations);
        keep(&plan, &args.save);
    }
    let met = args.marks.map_or(Ok(true), tell_marks)?;
    Ok(ExitCode::from(u8::from(!found.finds.is_empty() || !met)))
}

/// Prints how often each mark was met, the rarest first. Says whether all were met so often.
fn tell_marks(at_least: u64) -> Result<bool, Trouble> {
    let none = || Trouble("this build counts no marks: it has no debug assertions".to_owned());
    let mut hits = marks::hits().ok_or_else(none)?;
    hits.sort_by_key(|(_, hits)| *hits);
    outln!();
    for (name, hits) in &hits {
        let note = if *hits < at_least { "  too seldom" } else { "" };
        outln!("{hits:>9}  {name}{note}");
    }
    Ok(hits.iter().all(|(_, hits)| *hits >= at_least))
}

/// A panic is a failure like any other, told with it.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|_| ()));
}

/// Shows a failing plan's failures, makes it small, and saves it.
fn keep(plan: &Plan, folder: &Path) {
    let judged = judge(plan);
    for failure in judged.failures.iter().take(5) {
        outln!("  {failure}");
    }
    // What is told first says the most: of a plan that fails in several ways, that one is kept.
    let kinds = judged.failures.first().map(Failed::kind);
    let small = shrink(plan, &kinds.into_iter().collect());
    let path = folder.join(format!("{}.json", plan.seed));
    let text = serde_json::to_string_pretty(&small).unwrap_or_default() + "\n";
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
    let doings = (small.doings.len(), plan.doings.len());
    match written {
        Ok(()) => outln!(
            "  {} of {} doings are left: {}",
            doings.0,
            doings.1,
            path.display()
        ),
        Err(error) => outln!("  {}: cannot be written: {error}", path.display()),
    }
}

/// Replays a saved plan, if the file is one.
pub(super) fn replay(file: &Path, verbose: bool) -> Option<ExitCode> {
    let text = fs::read_to_string(file).ok()?;
    let plan: Plan = serde_json::from_str(&text).ok()?;
    let judged = judge(&plan);
    if verbose {
        out!(
            "{}",
            transcript::whole(&judged.facts, Style::of(&std::io::stdout()))
        );
    }
    for failure in &judged.failures {
        outln!("{failure}");
    }
    outln!(
        "{} entries, {} doings, {} ms: {}",
        judged.facts.entries.len(),
        plan.doings.len(),
        judged.ended.virtual_ms,
        if judged.failures.is_empty() {
            "all holds"
        } else {
            "it fails"
        },
    );
    Some(ExitCode::from(u8::from(!judged.failures.is_empty())))
}

fn speed(hunt: &Hunt, jobs: u16) -> String {
    let seconds = hunt.took.as_secs_f64().max(0.001);
    let each = |count: u64| count as f64 / seconds;
    format!(
        "{} histories in {:.1} s, {} failed; {:.0} histories, {:.0} events, {:.0} entries a second ({jobs} jobs); {:.1} virtual hours",
        hunt.histories,
        seconds,
        hunt.finds.len(),
        each(hunt.histories),
        each(hunt.events),
        each(hunt.entries),
        hunt.virtual_ms as f64 / 3_600_000.0,
    )
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?} is no range such as 1..1000");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (from.parse::<u64>(), to.parse::<u64>());
    match (from, to) {
        (Ok(from), Ok(to)) if from < to => Ok(from..to),
        _ => Err(wrong()),
    }
}
