//! `client`: judges a client behind its adapter, and reports.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::Trouble;
use super::reports::{ReportArgs, Reports};
use super::run::quoted;
use super::select::{any, selects};
use crate::client::judge::{Settings, ask_ready};
use crate::client::{Scenario, scenario, suite};
use crate::report::{Progress, Repeat, Run, Style, Summary, print};
use crate::requirements::{self, Binds};
use crate::scenario::LoadError;

/// What can be asked of a client.
#[derive(Clone, Debug, Args)]
pub(super) struct ClientArgs {
    /// The command that starts the client's adapter, for `sh -c` (see conformance/adapter.md)
    #[arg(long, value_name = "COMMAND")]
    cmd: String,
    /// Only scenarios whose id (or chapter/id) matches, `*` for any characters, or that check this requirement; may be repeated
    #[arg(long, value_name = "GLOB|ID")]
    select: Vec<String>,
    /// Only scenarios of this chapter; may be repeated
    #[arg(long, value_name = "CHAPTER")]
    chapter: Vec<String>,
    /// Scenarios of these files instead of those of this build; may be repeated
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// How many scenarios run side by side
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// How long to wait for what must come, in seconds
    #[arg(long, value_name = "SECS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    deadline: u32,
    #[command(flatten)]
    reports: ReportArgs,
    /// Show the transcript of every scenario
    #[arg(short, long)]
    verbose: bool,
    /// List the scenarios and judge nothing
    #[arg(long)]
    list: bool,
}

pub(super) fn client(args: &ClientArgs) -> Result<ExitCode, Trouble> {
    let scenarios = args.scenarios()?;
    if args.list {
        for scenario in &scenarios {
            let Scenario {
                chapter, id, title, ..
            } = &**scenario;
            outln!("{chapter}/{id}  {title}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    // Before anything is judged: nobody wants to wait for a report that cannot be written.
    let reports = args.reports.create()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Trouble(format!("the runner cannot start: {error}")))?;
    let (cmd, deadline): (Arc<str>, _) = (
        args.cmd.as_str().into(),
        Duration::from_secs(args.deadline.into()),
    );
    let ready = runtime.block_on(ask_ready(&cmd, deadline));
    let ready = ready.map_err(|why| Trouble(format!("there is no client to judge: {why}")))?;
    let target = format!("{} by {}", ready.client, args.cmd);
    let settings = Settings {
        cmd,
        deadline,
        ready: ready.into(),
    };
    let mut progress = Progress::new(scenarios.len() as u64, args.verbose);
    let began = std::time::Instant::now();
    let judging = suite::run(scenarios, settings, args.jobs.into(), |judgement| {
        progress.done(&judgement.reported());
    });
    let judgements = runtime.block_on(judging);
    progress.finish();
    runtime.shutdown_background();
    let judgements: Vec<_> = judgements
        .iter()
        .map(crate::client::judge::Judgement::reported)
        .collect();
    let summary = Summary::of(Binds::Client, &judgements, began.elapsed());
    let repeat = args.repeat();
    let whole = args.select.is_empty() && args.file.is_empty();
    let compared = reports.compared(&judgements, whole);
    let with_baseline = reports.has_baseline();
    let told = Run {
        target: &target,
        judgements: &judgements,
        summary: &summary,
        repeat: &repeat,
        known: &compared.known,
    };
    print(&told, args.verbose, Style::of(&std::io::stdout()));
    reports.write(&told)?;
    let code = Reports::exit_code(with_baseline, &compared, &summary);
    Ok(ExitCode::from(code))
}

impl ClientArgs {
    fn scenarios(&self) -> Result<Vec<Arc<Scenario>>, Trouble> {
        let all = if self.file.is_empty() {
            scenario::embedded()
        } else {
            scenario::files(&self.file)
        };
        let told = |errors: Vec<LoadError>| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Trouble(errors.join("\n"))
        };
        let all = all.map_err(told)?;
        let is = |pattern: &String, scenario: &Scenario| {
            selects(pattern, &scenario.id, &scenario.chapter, &scenario.checks)
        };
        // A name that means nothing is a mistake, not an empty selection.
        if let Some(nothing) = self
            .select
            .iter()
            .find(|pattern| !all.iter().any(|scenario| is(pattern, scenario)))
        {
            let known = requirements::find(nothing).is_some();
            let why = if known {
                "no scenario checks"
            } else {
                "no scenario, and no requirement that one checks, is named"
            };
            return Err(Trouble(format!(
                "{why} {nothing} (see `syncline-conformance client --list`)"
            )));
        }
        let chosen = all.into_iter().filter(|scenario| {
            any(&self.select, &|pattern| is(pattern, scenario))
                && any(&self.chapter, &|chapter| *chapter == scenario.chapter)
        });
        let chosen: Vec<_> = chosen.map(Arc::new).collect();
        if chosen.is_empty() {
            return Err(Trouble(
                "no scenario is selected: --select and --chapter must both hold".to_owned(),
            ));
        }
        Ok(chosen)
    }

    /// The command that runs one scenario again, in the same way.
    fn repeat(&self) -> Repeat {
        let mut flags = vec![format!("--cmd {}", quoted(&self.cmd))];
        if self.deadline != 20 {
            flags.push(format!("--deadline {}", self.deadline));
        }
        Repeat {
            binds: Binds::Client,
            flags,
            files: self
                .file
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            replays: Vec::new(),
        }
    }
}
