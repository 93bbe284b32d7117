//! `run`: judges a server, and reports.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::reports::Reports;
use super::{RunArgs, Trouble};
use crate::judge::Settings;
use crate::preflight::{self, Welcome};
use crate::report::{Progress, Repeat, Run, Style, Summary, print};
use crate::requirements::Binds;
use crate::suite;
use crate::target::{Target, embedded::Embedded, file, url::Url};

pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Trouble> {
    let scenarios = args.selection.scenarios()?;
    let target = args.target()?;
    let reports = args.reports.create()?;
    let settings = Settings {
        deadline: Duration::from_secs(args.deadline.into()),
        seed: args.seed,
        workspace: args.workspace.clone(),
        capabilities: Arc::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Trouble(format!("the runner cannot start: {error}")))?;
    let welcome = runtime
        .block_on(preflight::ask(&*target, settings.deadline))
        .map_err(Trouble)?;
    announce(&*target, &welcome, scenarios.len());
    let mut progress = Progress::new(scenarios.len() as u64, args.verbose);
    let settings = Settings {
        capabilities: welcome.capabilities.into(),
        ..settings
    };
    let began = std::time::Instant::now();
    let judging = suite::run(
        scenarios,
        Arc::clone(&target),
        settings,
        args.jobs.into(),
        |judgement| progress.done(judgement),
    );
    let judgements = runtime.block_on(judging);
    progress.finish();
    runtime.shutdown_background();
    let summary = Summary::of(Binds::Server, &judgements, began.elapsed());
    let repeat = args.repeat();
    let compared = reports.compared(&judgements);
    let with_baseline = reports.has_baseline();
    let told = Run {
        target: &target.describe(),
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

impl RunArgs {
    fn target(&self) -> Result<Arc<dyn Target>, Trouble> {
        match (&self.server, &self.target) {
            (Some(url), _) => Ok(Arc::new(Url::parse(url).map_err(Trouble)?)),
            (_, Some(path)) => Ok(Arc::new(file::load(path).map_err(Trouble)?)),
            (None, None) => Ok(Arc::new(Embedded::default())),
        }
    }

    /// The command that runs one scenario again, in the same way.
    fn repeat(&self) -> Repeat {
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: Option<String>| {
            flags.extend(value.map(|value| format!("{name} {}", quoted(&value))))
        };
        flag("--server", self.server.clone());
        flag(
            "--target",
            self.target.as_ref().map(|path| path.display().to_string()),
        );
        flag(
            "--deadline",
            (self.deadline != 20).then(|| self.deadline.to_string()),
        );
        flag("--seed", self.seed.map(|seed| seed.to_string()));
        flag("--workspace", self.workspace.clone());
        let files = self
            .selection
            .file
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        Repeat {
            binds: Binds::Server,
            flags,
            files,
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
