//! `crash`: a server is killed again and again amid writes.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use super::{TargetArgs, Trouble, run};
use crate::crash::{Plan, series};
use crate::dice;
use crate::report::{Run, Style, Summary, print};
use crate::requirements::Binds;
use crate::scenario::Hook;

#[derive(Debug, Args)]
pub(super) struct CrashArgs {
    /// How many kills must find writes in flight
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    kills: u64,
    /// How many clients write
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn crash(args: &CrashArgs) -> Result<ExitCode, Trouble> {
    let asked = run::ask(&args.target)?;
    if !asked.target.hooks().contains(&Hook::Kill) {
        let how = "this target cannot be killed: give its command (--command), or one that kills it (--kill-cmd)";
        return Err(Trouble(how.to_owned()));
    }
    let plan = Plan {
        seed: args.target.seed.unwrap_or_else(|| dice::seed() % 1_000_000),
        kills: args.kills,
        clients: args.clients,
        // Each round is a load of its own.
        jobs: usize::from(args.target.jobs).min(2),
    };
    let began = Instant::now();
    let told = |tally: &_| eprintln!("{} s: {tally}", began.elapsed().as_secs());
    let judging = series(plan, Arc::clone(&asked.target), &asked.settings, told);
    let done = asked.runtime.block_on(judging);
    asked.runtime.shutdown_background();
    let summary = Summary::of(Binds::Server, &done.judgements, began.elapsed());
    let run = Run {
        target: &asked.target.describe(),
        judgements: &done.judgements,
        summary: &summary,
        repeat: &args.target.repeat(),
        known: &BTreeMap::new(),
    };
    print(&run, args.target.verbose, Style::of(&std::io::stdout()));
    outln!(
        "\nseed {}, {} rounds: {}",
        plan.seed,
        done.judgements.len(),
        done.tally
    );
    if done.tally.under_load < plan.kills && summary.exit_code() == 0 {
        outln!("Too few kills found writes in flight: this says nothing of the others.");
        return Ok(ExitCode::from(2));
    }
    Ok(ExitCode::from(summary.exit_code()))
}
