//! The report for programs. Its schema is `conformance/report.schema.json`, generated from these types.

use schemars::JsonSchema;
use serde::Serialize;

use super::summary::{broken, judged};
use super::{Repeat, Run, transcript};
use crate::judge::{Judgement, Verdict};
use crate::requirements::{self, Binds, Level};

/// What a run of the conformance suite found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Report")]
pub struct Report {
    /// The version of the runner.
    pub runner: String,
    /// What was judged.
    pub target: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How long replicas took to converge: from the first ack of a write until each live reader had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convergence: Option<Convergence>,
    /// The exit code: 0 all that was judged passed, 1 something failed, 2 it cannot be said.
    pub exit_code: u8,
    /// How many scenarios came to which verdict.
    pub totals: Totals,
    /// Every requirement that binds what was judged: servers, or clients.
    pub requirements: Vec<Requirement>,
    /// Every scenario that was selected.
    pub scenarios: Vec<Scenario>,
}

/// How many scenarios came to which verdict.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Passed.
    pub pass: usize,
    /// Failed.
    pub fail: usize,
    /// Nothing can be said.
    pub unknown: usize,
    /// The target lacks a hook or a capability.
    pub not_judged: usize,
}

/// A requirement, and what was found of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// Its ID.
    pub id: String,
    /// How binding it is: `MUST`, `SHOULD` or `MAY`.
    pub level: String,
    /// What was found.
    pub found: Found,
}

/// What was found of a requirement.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// There was occasion to judge it, and it held.
    Held,
    /// It was broken.
    Broken,
    /// There was no occasion to judge it.
    NotJudged,
}

/// A scenario, and what came of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scenario {
    /// Its ID.
    pub id: String,
    /// Its chapter.
    pub chapter: String,
    /// What must hold.
    pub title: String,
    /// The requirements that it checks.
    pub checks: Vec<String>,
    /// What came of it.
    pub verdict: ScenarioVerdict,
    /// Of unknown and not judged: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of a failure that is known (`--baseline`): why it is borne.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// What it did wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// Of a failure: everything that was sent and received, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transcript: Vec<Line>,
    /// The command that repeats it.
    pub repeat: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// How long acknowledged writes took to their live readers.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Convergence {
    /// Half of them took no longer, in microseconds.
    pub median_us: u64,
    /// 99 of 100 took no longer, in microseconds.
    pub p99_us: u64,
    /// How many there were: each write to each of its readers.
    pub count: usize,
}

/// What came of a scenario.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioVerdict {
    /// All held.
    Pass,
    /// Requirements were broken.
    Fail,
    /// Nothing can be said.
    Unknown,
    /// The target lacks something that it needs.
    NotJudged,
}

/// Something that was done wrong.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The requirements that are broken.
    pub requirements: Vec<String>,
    /// The step at which it showed, as a JSON Pointer into the scenario; absent where a checker found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub actual: String,
    /// The lines of the transcript that show it, counted from 0.
    pub lines: Vec<usize>,
}

/// A line of a transcript.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Microseconds since the scenario began.
    pub at_us: u64,
    /// What happened: the connection's name, `>` sent or `<` received, the frame.
    pub text: String,
}

impl Report {
    /// The report of these judgements.
    #[must_use]
    pub fn of(run: &Run<'_>) -> Report {
        let Run {
            target,
            judgements,
            summary,
            repeat,
            known,
        } = *run;
        let total = &summary.total;
        Report {
            runner: env!("CARGO_PKG_VERSION").to_owned(),
            target: target.to_owned(),
            took_ms: ms(summary.took),
            convergence: summary.latency.map(|latency| Convergence {
                median_us: latency.median_us,
                p99_us: latency.p99_us,
                count: latency.count,
            }),
            exit_code: summary.exit_code(),
            totals: Totals {
                pass: total.passed,
                fail: total.failed,
                unknown: total.unknown,
                not_judged: total.not_judged,
            },
            requirements: found(summary.binds, judgements),
            scenarios: judgements
                .iter()
                .map(|judgement| scenario(judgement, repeat, known.get(&judgement.scenario.id)))
                .collect(),
        }
    }

    /// The report as JSON text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is JSON") + "\n"
    }

    /// The JSON Schema of a report, as text.
    #[must_use]
    pub fn schema() -> String {
        serde_json::to_string_pretty(&schemars::schema_for!(Report)).expect("a schema is JSON")
            + "\n"
    }
}

/// The word of RFC 2119.
#[must_use]
pub fn level(level: Level) -> &'static str {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
        Level::May => "MAY",
    }
}

fn found(binds: Binds, judgements: &[Judgement]) -> Vec<Requirement> {
    let (judged, broken) = (judged(judgements), broken(judgements));
    let found = |id: &String| match (broken.contains(id), judged.contains(id)) {
        (true, _) => Found::Broken,
        (false, true) => Found::Held,
        (false, false) => Found::NotJudged,
    };
    let bound = requirements::ALL
        .iter()
        .filter(|requirement| requirement.binds == binds);
    bound
        .map(|of| Requirement {
            id: of.id.clone(),
            level: level(of.level).to_owned(),
            found: found(&of.id),
        })
        .collect()
}

fn scenario(judgement: &Judgement, repeat: &Repeat, known: Option<&String>) -> Scenario {
    let of = &judgement.scenario;
    let (verdict, reason, failures) = match &judgement.verdict {
        Verdict::Pass => (ScenarioVerdict::Pass, None, &[][..]),
        Verdict::Fail(failures) => (ScenarioVerdict::Fail, None, &failures[..]),
        Verdict::Unknown(why) => (ScenarioVerdict::Unknown, Some(why.clone()), &[][..]),
        Verdict::NotJudged(why) => (ScenarioVerdict::NotJudged, Some(why.clone()), &[][..]),
    };
    let failure = |failure: &crate::drive::Failure| Failure {
        requirements: failure.requirements.clone(),
        step: failure.step.clone(),
        expected: failure.expected.clone(),
        actual: failure.actual.clone(),
        lines: failure.at.clone(),
    };
    let entries = judgement
        .facts
        .entries
        .iter()
        .enumerate()
        .filter(|_| !failures.is_empty());
    Scenario {
        id: of.id.clone(),
        chapter: of.chapter.clone(),
        title: of.title.clone(),
        checks: of.checks.clone(),
        verdict,
        reason,
        known: known.cloned(),
        failures: failures.iter().map(failure).collect(),
        transcript: entries
            .map(|(at, entry)| Line {
                at_us: entry.at_us,
                text: transcript::told(&judgement.facts, at),
            })
            .collect(),
        repeat: repeat.command(&of.id),
        took_ms: ms(judgement.took),
    }
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
