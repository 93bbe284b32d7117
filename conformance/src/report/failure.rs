//! What is told of a scenario that did not pass.

use std::collections::BTreeMap;

use super::diagram::{self, Diagram};
use super::run::different;
use super::style::{Style, text_columns, wrapped};
use super::transcript;
use crate::drive::Failure;
use crate::judge::{Judgement, Verdict};
use crate::requirements::{self, Binds};

/// How to run one scenario again in the same way.
#[derive(Clone, Debug, Default)]
pub struct Repeat {
    /// Who is judged.
    pub binds: Binds,
    /// The flags that say where and how.
    pub flags: Vec<String>,
    /// The files that were run instead of this build's scenarios.
    pub files: Vec<String>,
    /// The files of histories that were found by chance.
    pub replays: Vec<String>,
}

impl Repeat {
    /// Also of this file, which is replayed.
    #[must_use]
    pub fn replaying(mut self, file: &std::path::Path) -> Repeat {
        self.replays.push(file.display().to_string());
        self
    }

    /// The command for this scenario.
    #[must_use]
    pub fn command(&self, scenario: &str) -> String {
        let of_scenario = |file: &&String| {
            std::path::Path::new(file)
                .file_stem()
                .is_some_and(|stem| stem == scenario)
        };
        let verb = match self.binds {
            Binds::Server => "run",
            Binds::Client => "client",
        };
        let of = |files: &'_ [String]| files.iter().find(of_scenario).cloned();
        let (verb, what) = match (of(&self.replays), of(&self.files)) {
            (Some(file), _) => ("replay", file),
            (None, Some(file)) => (verb, format!("--file {file}")),
            (None, None) => (verb, format!("--select {scenario}")),
        };
        [format!("syncline-conformance {verb}")]
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
    let (told, more) = different(failures, TOLD_MAX);
    for failure in &told {
        text += &one(failure, style);
    }
    if more > 0 {
        text += &style.faint(&format!(
            "\n      and {more} more of the kind, or that follow from these\n"
        ));
    }
    if let Some(first) = told.first() {
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

/// The first failure as a diagram.
pub(super) fn picture(
    judgement: &Judgement,
    failures: &[Failure],
    binds: Binds,
    style: Style,
) -> String {
    if judgement.facts.entries.is_empty() {
        return String::new();
    }
    let (told, _) = different(failures, TOLD_MAX);
    let diagram = Diagram::of(&judgement.facts, &told, binds);
    let columns = text_columns().min(PICTURE_COLUMNS_MAX);
    format!("\n{}", diagram::text(&diagram, columns, style))
}

/// The widest that a diagram is drawn.
const PICTURE_COLUMNS_MAX: usize = 100;

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

/// The scenarios of which nothing can be said, each with the reason; those that share one are told together.
pub(super) fn unknown(judgements: &[Judgement], repeat: &Repeat, style: Style) -> String {
    let reason = |judgement: &'_ Judgement| match &judgement.verdict {
        Verdict::Unknown(why) => Some(why.clone()),
        _ => None,
    };
    let mut text = String::new();
    for (why, sharing) in by_reason(judgements, reason) {
        match sharing.as_slice() {
            [judgement] => {
                let id = &judgement.scenario.id;
                text += &head(judgement, style);
                text += &format!(
                    "\n{}\n      {}  {}\n",
                    wrapped(&format!("why: {why}"), "      ", text_columns()),
                    style.faint("repeat:"),
                    repeat.command(id)
                );
            }
            several => text += &together("unknown", &why, several, style),
        }
    }
    text
}

/// The scenarios that were not judged, by what the target lacks.
pub(super) fn not_judged(judgements: &[Judgement], style: Style) -> String {
    let reason = |judgement: &'_ Judgement| match &judgement.verdict {
        Verdict::NotJudged(why) => Some(why.clone()),
        _ => None,
    };
    let lacking = by_reason(judgements, reason).into_iter();
    lacking
        .map(|(why, sharing)| together("not judged", &why, &sharing, style))
        .collect()
}

fn by_reason(
    judgements: &[Judgement],
    reason: impl Fn(&Judgement) -> Option<String>,
) -> BTreeMap<String, Vec<&Judgement>> {
    let mut reasons: BTreeMap<String, Vec<&Judgement>> = BTreeMap::new();
    for judgement in judgements {
        if let Some(why) = reason(judgement) {
            reasons.entry(why).or_default().push(judgement);
        }
    }
    reasons
}

/// Several scenarios with one reason.
fn together(verdict: &str, why: &str, sharing: &[&Judgement], style: Style) -> String {
    let ids: Vec<_> = sharing
        .iter()
        .map(|judgement| judgement.scenario.id.as_str())
        .collect();
    let columns = text_columns();
    format!(
        "\n{}  {}\n{}\n",
        style.doubtful(verdict),
        wrapped(why, "            ", columns).trim_start(),
        wrapped(&ids.join(", "), "      ", columns)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::facts::Facts;
    use crate::history::{Entry, Event, Frame};
    use crate::scenario::Scenario;

    fn judgement(id: &str, verdict: Verdict) -> Judgement {
        let scenario = Scenario {
            id: id.to_owned(),
            title: "What must hold, in a sentence".to_owned(),
            chapter: "mutations".to_owned(),
            ..Scenario::default()
        };
        let frame = |text: &str| Arc::new(Frame::text(text.to_owned()));
        let events = [
            Event::Opened {
                conn: 0,
                name: "a".to_owned(),
            },
            Event::Sent {
                conn: 0,
                frame: frame(r#"{"type":"ping","t":1}"#),
                resumes: None,
                own: true,
            },
            Event::Received {
                conn: 0,
                frame: frame(r#"{"type":"pong","t":2,"serverTime":0}"#),
            },
            Event::Closed {
                conn: 0,
                code: Some(1001),
            },
        ];
        let timed = events.into_iter().zip([0, 1200, 3400, 2_000_000]);
        Judgement {
            scenario: Arc::new(scenario),
            verdict,
            facts: Facts::of(timed.map(|(event, at_us)| Entry { at_us, event })),
            judged: Vec::new(),
            missed: false,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_failure_tells_all_that_is_needed() {
        let failures = vec![Failure {
            requirements: vec!["CONN-PING".to_owned()],
            expected: "pong with t 1".to_owned(),
            actual: "at /t: expected 1, it is 2".to_owned(),
            step: Some("/steps/3".to_owned()),
            at: vec![2],
        }];
        let judgement = judgement("ping", Verdict::Fail(failures.clone()));
        let repeat = Repeat {
            flags: vec!["--server ws://h:1/".to_owned()],
            ..Repeat::default()
        };
        insta::assert_snapshot!(render(&judgement, &failures, &repeat, Style::Plain));
    }

    #[test]
    fn those_who_share_a_reason_are_told_together() {
        let unknown_for = |why: &str| Verdict::Unknown(why.to_owned());
        let judgements = [
            judgement("one", unknown_for("silent")),
            judgement("two", unknown_for("the server cannot be reached")),
            judgement("three", unknown_for("the server cannot be reached")),
            judgement("four", Verdict::NotJudged("needs hook `kill`".to_owned())),
        ];
        let repeat = Repeat {
            files: vec!["x/one.json".to_owned()],
            ..Repeat::default()
        };
        let told = unknown(&judgements, &repeat, Style::Plain);
        insta::assert_snapshot!(told + &not_judged(&judgements, Style::Plain));
    }
}
