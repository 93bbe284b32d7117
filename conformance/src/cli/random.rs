//! The random part of `run`: histories made by chance.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::Selection;
use crate::dice;
use crate::judge::{Judgement, Settings, Verdict};
use crate::random::{Find, Hunt, Plan, hunt};
use crate::report::{Progress, Style};
use crate::target::Target;

#[derive(Clone, Debug, Default, Args)]
pub(super) struct RandomArgs {
    /// How many random histories to judge after the scenarios; 0: none [default: 200, or none where scenarios are selected]
    #[arg(long, value_name = "N", conflicts_with = "time")]
    cases: Option<u64>,
    /// Judge random histories for so long, as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// Where failing random histories are saved, made small
    #[arg(long, value_name = "FOLDER", default_value = "syncline-failures")]
    save: PathBuf,
}

/// How many random histories a whole run has.
const CASES: u64 = 200;

/// How often a long hunt says how it stands.
const TOLD_EVERY: Duration = Duration::from_secs(10);

impl RandomArgs {
    /// What to hunt for; nothing, if that was asked for.
    pub(super) fn plan(&self, seed: Option<u64>, selection: &Selection) -> Option<Plan> {
        let default = if selection.is_all() { CASES } else { 0 };
        let cases = self.cases.unwrap_or(default);
        (cases > 0 || self.time.is_some()).then(|| Plan {
            // Small enough to be typed.
            seed: seed.unwrap_or_else(|| dice::seed() % 1_000_000),
            cases,
            time: self.time,
            save: self.save.clone(),
        })
    }
}

/// Judges random histories, with a sign of life.
pub(super) async fn run(
    plan: &Plan,
    target: Arc<dyn Target>,
    settings: &Settings,
    jobs: usize,
    verbose: bool,
) -> Hunt {
    let mut progress = plan
        .time
        .is_none()
        .then(|| Progress::new(plan.cases, verbose));
    let began = Instant::now();
    let (mut count, mut failed, mut told) = (0u64, 0u64, began);
    let done = |judgement: &Judgement| {
        count += 1;
        failed += u64::from(matches!(judgement.verdict, Verdict::Fail(_)));
        if let Some(progress) = &mut progress {
            progress.done(judgement);
        } else if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            eprintln!(
                "{} s: {count} random histories, {failed} failed",
                began.elapsed().as_secs()
            );
        }
    };
    let hunt = hunt(plan, target, settings, jobs, done).await;
    if let Some(progress) = progress {
        progress.finish();
    }
    hunt
}

/// What is told of a hunt beside the verdicts.
pub(super) fn told(plan: &Plan, hunt: &Hunt, style: Style) -> String {
    let redrawn = match hunt.redrawn {
        0 => String::new(),
        count => format!("; {count} drawn again, because a fault hit nothing"),
    };
    let mut text = format!(
        "\n{} random histories, seed {}{redrawn}\n",
        hunt.judgements.len(),
        plan.seed
    );
    for Find { shrunk, saved } in &hunt.finds {
        let where_to = match saved {
            Ok(path) => format!("saved as {}", path.display()),
            Err(why) => why.clone(),
        };
        text += &format!(
            "{}: {} of {} steps are left, it failed {} of {} times; {where_to}\n",
            style.strong(shrunk.file["id"].as_str().unwrap_or_default()),
            shrunk.steps,
            shrunk.steps_before,
            shrunk.failed,
            shrunk.runs,
        );
    }
    text
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time such as 90s, 10m or 2h");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert!(
            ["", "10", "m", "-1s", "1.5h"]
                .into_iter()
                .all(|text| duration(text).is_err())
        );
    }
}
