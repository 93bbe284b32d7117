//! `run`: judges a server, and reports.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::reports::Reports;
use super::{RunArgs, TargetArgs, Trouble, random};
use crate::judge::Settings;
use crate::preflight::{self, Welcome};
use crate::random::Hunt;
use crate::report::{Progress, Repeat, Run, Style, Summary, print};
use crate::requirements::Binds;
use crate::scenario::Hook;
use crate::suite;
use crate::target::{Target, command::Command, embedded::Embedded, file};

/// A target that has answered, and how to judge it.
pub(super) struct Asked {
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) target: Arc<dyn Target>,
    pub(super) settings: Settings,
    welcome: Welcome,
}

/// Asks the target whether it is a server at all.
pub(super) fn ask(args: &TargetArgs) -> Result<Asked, Trouble> {
    let target = args.target()?;
    let settings = Settings {
        deadline: Duration::from_secs(args.deadline.into()),
        seed: args.seed,
        workspace: args.workspace.clone(),
        latency_ms: args.latency,
        capabilities: Arc::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Trouble(format!("the runner cannot start: {error}")))?;
    let welcome = runtime
        .block_on(preflight::ask(&*target, settings.deadline))
        .map_err(Trouble)?;
    let settings = Settings {
        capabilities: welcome.capabilities.clone().into(),
        ..settings
    };
    Ok(Asked {
        runtime,
        target,
        settings,
        welcome,
    })
}

pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Trouble> {
    let scenarios = args.selection.scenarios()?;
    let plan = args.random.plan(args.target.seed, &args.selection);
    // Before anything is judged: nobody wants to wait for a report that cannot be written.
    let reports = args.reports.create()?;
    let Asked {
        runtime,
        target,
        settings,
        welcome,
    } = ask(&args.target)?;
    announce(&*target, &welcome, scenarios.len());
    let verbose = args.target.verbose;
    let jobs = args.target.jobs.into();
    let mut progress = Progress::new(scenarios.len() as u64, verbose);
    let began = std::time::Instant::now();
    let judging = suite::run(
        scenarios,
        Arc::clone(&target),
        settings.clone(),
        jobs,
        |judgement| progress.done(judgement),
    );
    let mut judgements = runtime.block_on(judging);
    progress.finish();
    let mut hunt = plan.as_ref().map_or_else(Hunt::default, |plan| {
        let hunting = random::run(plan, Arc::clone(&target), &settings, jobs, verbose);
        runtime.block_on(hunting)
    });
    runtime.shutdown_background();
    let style = Style::of(&std::io::stdout());
    let told = plan.map(|plan| random::told(&plan, &hunt, style));
    judgements.append(&mut hunt.judgements);
    let summary = Summary::of(Binds::Server, &judgements, began.elapsed());
    let finds = hunt
        .finds
        .iter()
        .filter_map(|find| find.saved.as_ref().ok());
    let saved = finds.chain(&hunt.others);
    let repeat = saved.fold(args.repeat(), |repeat, file| repeat.replaying(file));
    let compared = reports.compared(&judgements, args.selection.is_all());
    let with_baseline = reports.has_baseline();
    let run = Run {
        target: &target.describe(),
        judgements: &judgements,
        summary: &summary,
        repeat: &repeat,
        known: &compared.known,
    };
    print(&run, verbose, style);
    if let Some(told) = told {
        out!("{told}");
    }
    reports.write(&run)?;
    let code = Reports::exit_code(with_baseline, &compared, &summary);
    Ok(ExitCode::from(code))
}

impl TargetArgs {
    fn target(&self) -> Result<Arc<dyn Target>, Trouble> {
        if let Some(command) = &self.command {
            let command = Command::new(command, &self.path).map_err(Trouble)?;
            let (backup, restore) = (self.backup_cmd.as_deref(), self.restore_cmd.as_deref());
            return Ok(Arc::new(command.with_backups(backup, restore)));
        }
        let hooks = [
            (Hook::Restart, &self.restart_cmd),
            (Hook::Kill, &self.kill_cmd),
        ];
        let hooks = hooks
            .into_iter()
            .filter_map(|(hook, command)| Some((hook, command.clone()?)));
        match (&self.server, &self.target) {
            (Some(url), _) => Ok(Arc::new(
                file::File::new(url, hooks.collect()).map_err(Trouble)?,
            )),
            (_, Some(path)) => Ok(Arc::new(file::load(path).map_err(Trouble)?)),
            (None, None) => Ok(Arc::new(Embedded::default())),
        }
    }

    /// The command that runs one scenario of this build again, in the same way.
    pub(super) fn repeat(&self) -> Repeat {
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: Option<String>| {
            flags.extend(value.map(|value| format!("{name} {}", quoted(&value))))
        };
        flag("--server", self.server.clone());
        flag(
            "--target",
            self.target.as_ref().map(|path| path.display().to_string()),
        );
        flag("--command", self.command.clone());
        flag("--backup-cmd", self.backup_cmd.clone());
        flag("--restore-cmd", self.restore_cmd.clone());
        flag("--path", (self.path != "/sync").then(|| self.path.clone()));
        flag("--restart-cmd", self.restart_cmd.clone());
        flag("--kill-cmd", self.kill_cmd.clone());
        flag(
            "--deadline",
            (self.deadline != 20).then(|| self.deadline.to_string()),
        );
        flag(
            "--latency",
            (self.latency > 0).then(|| self.latency.to_string()),
        );
        flag("--seed", self.seed.map(|seed| seed.to_string()));
        flag("--workspace", self.workspace.clone());
        Repeat {
            binds: Binds::Server,
            flags,
            files: Vec::new(),
            replays: Vec::new(),
        }
    }
}

impl RunArgs {
    /// The command that runs one scenario again, in the same way.
    fn repeat(&self) -> Repeat {
        let files = self.selection.file.iter();
        Repeat {
            files: files.map(|path| path.display().to_string()).collect(),
            ..self.target.repeat()
        }
    }
}

fn announce(target: &dyn Target, welcome: &Welcome, scenarios: usize) {
    let what = if scenarios == 1 {
        "scenario"
    } else {
        "scenarios"
    };
    if std::io::stderr().is_terminal() || std::io::stdout().is_terminal() {
        eprintln!(
            "Judging {} ({} {}) by {scenarios} {what}",
            target.describe(),
            welcome.name,
            welcome.version
        );
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
