//! What is told of a scenario that did not pass.

use std::collections::{BTreeMap, BTreeSet};

use super::style::{Style, text_columns, wrapped};
use super::transcript;
use crate::drive::Failure;
use crate::judge::{Judgement, Verdict};
use crate::requirements;

/// How to run one scenario again in the same way.
#[derive(Clone, Debug, Default)]
pub struct Repeat {
    /// The flags that say where and how.
    pub flags: Vec<String>,
    /// The files that were run instead of this build's scenarios.
    pub files: Vec<String>,
}

impl Repeat {
    /// The command for this scenario.
    #[must_use]
    pub fn command(&self, scenario: &str) -> String {
        let of_scenario = |file: &&String| {
            std::path::Path::new(file)
                .file_stem()
                .is_some_and(|stem| stem == scenario)
        };
        let what = match self.files.iter().find(of_scenario) {
            Some(file) => format!("--file {file}"),
            None => format!("--select {scenario}"),
        };
        ["syncline-conformance run".to_owned()]
            .into_iter()
            .chain(self.flags.iter().cloned())
            .chain([what])
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// So many violations of one scenario are told; more of them seldom say more.
const TOLD_MAX: usize = 4;

/// The verdict and the scenario's name and title.
pub(super) fn head(judgement: &Judgement, style: Style) -> String {
    let verdict = match judgement.verdict {
        Verdict::Pass => style.good("pass"),
        Verdict::Fail(_) => style.bad("FAIL"),
        Verdict::Unknown(_) => style.doubtful("unknown"),
        Verdict::NotJudged(_) => style.doubtful("not judged"),
    };
    let scenario = &judgement.scenario;
    let title = wrapped(&scenario.title, "      ", text_columns());
    format!(
        "\n{verdict}  {}\n{title}",
        style.strong(&format!("{}/{}", scenario.chapter, scenario.id))
    )
}

/// All that is told of a failure.
pub(super) fn render(
    judgement: &Judgement,
    failures: &[Failure],
    repeat: &Repeat,
    style: Style,
) -> String {
    let mut text = head(judgement, style) + "\n";
    let mut told = BTreeSet::new();
    let different: Vec<_> = failures
        .iter()
        .filter(|failure| told.insert(&failure.requirements))
        .collect();
    for failure in different.iter().take(TOLD_MAX) {
        text += &one(failure, style);
    }
    let more = failures.len() - different.len().min(TOLD_MAX);
    if more > 0 {
        text += &style.faint(&format!(
            "\n      and {more} more of the kind, or that follow from these\n"
        ));
    }
    if let Some(first) = failures.first() {
        text += &format!(
            "\n{}",
            transcript::excerpt(&judgement.facts, &first.at, style)
        );
    }
    text + &format!(
        "\n      {}  {}",
        style.faint("repeat:"),
        repeat.command(&judgement.scenario.id)
    )
}

fn one(failure: &Failure, style: Style) -> String {
    let columns = text_columns();
    let mut text = "\n".to_owned();
    for id in &failure.requirements {
        let says = requirements::find(id).map_or("", |requirement| &requirement.text);
        text += &wrapped(&format!("{id}: {says}"), "      ", columns).replacen(
            id.as_str(),
            &style.strong(id),
            1,
        );
        text += "\n";
    }
    for (label, said) in [
        ("expected", Some(&failure.expected)),
        ("actual", Some(&failure.actual)),
        ("at", failure.step.as_ref()),
    ] {
        if let Some(said) = said {
            let set = wrapped(said, "                ", columns);
            text += &format!(
                "      {}{}\n",
                style.faint(&format!("{label:<10}")),
                set.trim_start()
            );
        }
    }
    text
}

/// The scenarios of which nothing can be said, each with the reason.
pub(super) fn unknown(judgements: &[Judgement], repeat: &Repeat, style: Style) -> String {
    let mut text = String::new();
    for judgement in judgements {
        if let Verdict::Unknown(why) = &judgement.verdict {
            text += &head(judgement, style);
            text += &format!(
                "\n{}\n",
                wrapped(&format!("why: {why}"), "      ", text_columns())
            );
            text += &format!(
                "      {}  {}\n",
                style.faint("repeat:"),
                repeat.command(&judgement.scenario.id)
            );
        }
    }
    text
}

/// The scenarios for which the target lacks something, by what it lacks.
pub(super) fn not_judged(judgements: &[Judgement], style: Style) -> String {
    let mut lacking: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for judgement in judgements {
        if let Verdict::NotJudged(why) = &judgement.verdict {
            lacking.entry(why).or_default().push(&judgement.scenario.id);
        }
    }
    let mut text = String::new();
    for (why, scenarios) in lacking {
        text += &format!(
            "\n{} {why}\n{}\n",
            style.doubtful("not judged:"),
            wrapped(&scenarios.join(", "), "      ", text_columns())
        );
    }
    text
}
