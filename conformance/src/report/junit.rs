//! The report as JUnit XML, which most CI systems show: a suite a chapter, a case a scenario.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::redact::Redaction;
use super::run::{Run, different};
use super::transcript;
use crate::drive::Failure;
use crate::judge::{Judgement, Verdict};

/// So many violations of one scenario are told.
const TOLD_MAX: usize = 8;

/// The report.
#[must_use]
pub fn junit(run: &Run<'_>) -> String {
    let mut report = Report::new(format!("syncline v1: {}", run.target));
    report.set_time(run.summary.took);
    for chapter in &run.summary.chapters {
        let mut suite = TestSuite::new(chapter.name.clone());
        suite.add_test_cases(
            run.chapter(&chapter.name)
                .map(|judgement| case(run, judgement)),
        );
        report.add_test_suite(suite);
    }
    report
        .to_string()
        .expect("what is written into text can be written")
}

fn case(run: &Run<'_>, judgement: &Judgement) -> TestCase {
    let scenario = &judgement.scenario;
    let mut case = TestCase::new(scenario.id.clone(), status(run, judgement));
    case.set_classname(format!("syncline.{}", scenario.chapter));
    case.set_time(judgement.took);
    case
}

fn status(run: &Run<'_>, judgement: &Judgement) -> TestCaseStatus {
    let known = run.known.get(&judgement.scenario.id);
    let mut status = match (&judgement.verdict, known) {
        (Verdict::Pass, _) => TestCaseStatus::success(),
        (Verdict::Fail(_), Some(reason)) => skipped(&format!("known to fail: {reason}")),
        (Verdict::NotJudged(why), _) => skipped(why),
        (Verdict::Unknown(why), _) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(format!("unknown: {why}"));
            status
        }
        (Verdict::Fail(failures), None) => failed(judgement, failures),
    };
    if let Verdict::Unknown(_) = judgement.verdict {
        status.set_type("unknown");
    }
    status
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    status
}

fn failed(judgement: &Judgement, failures: &[Failure]) -> TestCaseStatus {
    let redaction = Redaction::of(&judgement.facts.entries);
    let (told, more) = different(failures, TOLD_MAX);
    let ids: Vec<_> = told
        .iter()
        .flat_map(|failure| failure.requirements.clone())
        .collect();
    let mut text = String::new();
    for failure in &told {
        text += &format!(
            "{}\nexpected  {}\nactual    {}\n\n",
            failure.requirements.join(", "),
            failure.expected,
            failure.actual
        );
        for at in failure
            .at
            .iter()
            .filter(|at| **at < judgement.facts.entries.len())
        {
            text += &format!("  {}\n", transcript::told(&judgement.facts, *at));
        }
    }
    if more > 0 {
        text += &format!("and {more} more\n");
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(redaction.apply(&judgement.scenario.title));
    status.set_type(ids.join(" "));
    status.set_description(redaction.apply(&text));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{SECRETS, Sample};

    #[test]
    fn it_is_read_as_it_was_meant() {
        let text = junit(&Sample::new().run());
        let read = Report::deserialize_from_str(&text).expect("it is JUnit XML");
        assert_eq!((read.tests, read.failures, read.errors), (4, 1, 1));
        let cases = &read.test_suites[0].test_cases;
        let of = |id: &str| cases.iter().find(|case| case.name.as_str() == id);
        let failed = of("lost-update").expect("it is there");
        let TestCaseStatus::NonSuccess { kind, ty, .. } = &failed.status else {
            panic!("{:?}", failed.status)
        };
        assert_eq!(*kind, NonSuccessKind::Failure);
        assert_eq!(ty.as_deref(), Some("UPD-FROM UPD-DELIVERED"));
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret}");
        }
    }

    #[test]
    fn what_is_known_is_skipped() {
        let text = junit(&Sample::known("issue 7").run());
        let read = Report::deserialize_from_str(&text).expect("it is JUnit XML");
        assert_eq!(read.failures, 0);
        assert!(text.contains("known to fail: issue 7"));
    }
}
