//! `replay`: one scenario file again and again: a race does not show every time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{TargetArgs, Trouble, run};
use crate::judge::Verdict;
use crate::report::{Run, Style, Summary, print};
use crate::requirements::Binds;
use crate::{scenario, suite};

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The scenario's file
    file: PathBuf,
    /// How often to run it
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    times: u16,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn replay(args: &ReplayArgs) -> Result<ExitCode, Trouble> {
    if let Some(done) = super::simulate::replay(&args.file, args.target.verbose) {
        return Ok(done);
    }
    let scenario = Arc::new(scenario::file(&args.file).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        Trouble(errors.join("\n"))
    })?);
    let asked = run::ask(&args.target)?;
    let began = std::time::Instant::now();
    let again = vec![scenario; args.times.into()];
    let judging = suite::run(
        again,
        Arc::clone(&asked.target),
        asked.settings.clone(),
        args.target.jobs.into(),
        |_| (),
    );
    let mut judgements = asked.runtime.block_on(judging);
    asked.runtime.shutdown_background();
    let summary = Summary::of(Binds::Server, &judgements, began.elapsed());
    // One failure is shown: the others are the same.
    let is_failure = |verdict: &Verdict| matches!(verdict, Verdict::Fail(_));
    let failed = judgements
        .iter()
        .filter(|judgement| is_failure(&judgement.verdict))
        .count();
    judgements.sort_by_key(|judgement| !is_failure(&judgement.verdict));
    let style = Style::of(&std::io::stdout());
    let shown = if failed > 0 {
        &judgements[..1]
    } else {
        &judgements[..]
    };
    let run = Run {
        target: &asked.target.describe(),
        judgements: shown,
        summary: &summary,
        repeat: &args.target.repeat().replaying(&args.file),
        known: &BTreeMap::new(),
    };
    print(&run, args.target.verbose, style);
    outln!("It failed {failed} of {} times.", args.times);
    Ok(ExitCode::from(summary.exit_code()))
}
