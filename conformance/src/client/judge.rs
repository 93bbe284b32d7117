//! Judges one scenario of a client: runs it, checks its history, and gives the verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::adapter::{Ability, Ready};
use super::cx::Cx;
use super::facts::Facts;
use super::{Scenario, checkers};
use crate::checkers::Findings;
use crate::drive::{Failure, Stop};
use crate::history::Entry;
use crate::judge::{self, Verdict, unique};
use crate::scenario;

/// How scenarios are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The command that starts a client's adapter, for a shell.
    pub cmd: Arc<str>,
    /// How long to wait for what must come.
    pub deadline: Duration,
    /// What the adapter says of itself.
    pub ready: Arc<Ready>,
}

/// A scenario's verdict, with all that led to it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The verdict.
    pub verdict: Verdict,
    /// Its history.
    pub entries: Vec<Entry>,
    /// The requirements that it gave occasion to judge.
    pub judged: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Judgement {
    /// As reports tell of it.
    #[must_use]
    pub fn reported(&self) -> judge::Judgement {
        let of = &self.scenario;
        let steps = of.steps.iter();
        let scenario = scenario::Scenario {
            id: of.id.clone(),
            title: of.title.clone(),
            why: of.why.clone(),
            checks: of.checks.clone(),
            chapter: of.chapter.clone(),
            other_steps: steps
                .filter_map(|step| serde_json::to_value(step).ok())
                .collect(),
            ..scenario::Scenario::default()
        };
        judge::Judgement {
            scenario: Arc::new(scenario),
            verdict: self.verdict.clone(),
            facts: crate::facts::Facts::unfolded(self.entries.clone()),
            judged: self.judged.clone(),
            missed: false,
            took: self.took,
        }
    }

    /// The verdict on a scenario that was not run.
    #[must_use]
    pub fn without(scenario: Arc<Scenario>, verdict: Verdict) -> Judgement {
        Judgement {
            scenario,
            verdict,
            entries: Vec::new(),
            judged: Vec::new(),
            took: Duration::ZERO,
        }
    }
}

/// Starts the adapter once, to hear what it says of itself.
///
/// # Errors
/// It does not start, or does not say it.
pub async fn ask_ready(cmd: &Arc<str>, deadline: Duration) -> Result<Ready, String> {
    let told = async {
        let cx = Cx::new("preflight", cmd, deadline)?;
        cx.start("client").await?;
        let wanted = "the adapter's first line";
        let ready =
            |state: &mut super::journal::State| state.apps.get("client")?.ready.clone().map(Ok);
        let ready = cx
            .poll("client", None, wanted, deadline, &mut { ready })
            .await;
        cx.end().await;
        ready?.ok_or_else(|| Stop::Unknown(format!("{wanted} did not come")))
    };
    told.await.map_err(|stop| match stop {
        Stop::Fail(failure) => failure.actual,
        Stop::Unknown(why) | Stop::Lost(why) | Stop::DidNotHappen(why) => why,
    })
}

/// Runs and judges a scenario.
pub async fn judge(scenario: Arc<Scenario>, settings: Settings) -> Judgement {
    let began = Instant::now();
    let can = &settings.ready.can;
    let lacking = scenario.needs.iter().filter(|need| !can.contains(need));
    let lacking: Vec<_> = lacking.map(|need| format!("`{}`", need.name())).collect();
    if !lacking.is_empty() {
        let why = format!("needs a client that can {}", lacking.join(", "));
        return Judgement::without(scenario, Verdict::NotJudged(why));
    }
    let (stop, entries) = run(&scenario, &settings).await;
    let facts = Facts::of(&entries);
    let unnamed = [Ability::Digests, Ability::Presence]
        .into_iter()
        .find(|ability| scenario.needs.contains(ability) && !names(&facts, ability.name()));
    if let Some(ability) = unnamed {
        let why = format!("needs a client that names `{}` in `hello`", ability.name());
        return Judgement::without(scenario, Verdict::NotJudged(why));
    }
    let findings = checkers::check(&facts);
    let own = scenario.checks.iter().filter(|_| stop.is_none()).cloned();
    let judged = own
        .chain(findings.judged.iter().map(|id| (*id).to_owned()))
        .collect();
    let verdict = verdict(&scenario, stop, findings);
    Judgement {
        scenario,
        verdict,
        entries,
        judged,
        took: began.elapsed(),
    }
}

/// Whether the client names a capability, which binds it to what its chapter says; true of one that has not said `hello`.
fn names(facts: &Facts<'_>, capability: &str) -> bool {
    let mut hellos = facts.conns.iter().filter_map(|conn| conn.hello);
    hellos.all(|hello| {
        let mut named = hello["capabilities"].as_array().into_iter().flatten();
        named.any(|name| name == capability)
    })
}

/// Runs the steps; gives what stopped them, and what happened.
async fn run(scenario: &Scenario, settings: &Settings) -> (Option<Stop>, Vec<Entry>) {
    let run = unique(crate::dice::seed(), &scenario.id);
    let cx = match Cx::new(&run, &settings.cmd, settings.deadline) {
        Ok(cx) => cx,
        Err(stop) => return (Some(stop), Vec::new()),
    };
    let outcome = super::steps::run_all(&cx, &scenario.steps).await;
    cx.end().await;
    (outcome.err(), cx.with(|state| state.entries.clone()))
}

fn verdict(scenario: &Scenario, stop: Option<Stop>, findings: Findings) -> Verdict {
    let mut failures: Vec<Failure> = Vec::new();
    let mut unknown = findings
        .internal
        .first()
        .map(|why| format!("the runner is at fault: {why}"));
    match stop {
        Some(Stop::Fail(mut failure)) => {
            if failure.requirements.is_empty() {
                failure.requirements.clone_from(&scenario.checks);
            }
            failures.push(failure);
        }
        Some(Stop::Unknown(why) | Stop::Lost(why) | Stop::DidNotHappen(why)) => unknown = Some(why),
        None => {}
    }
    failures.extend(findings.violations.into_iter().map(|violation| Failure {
        requirements: vec![violation.requirement.to_owned()],
        expected: violation.expected,
        actual: violation.actual,
        step: None,
        at: violation.at,
    }));
    match (failures.is_empty(), unknown) {
        (false, _) => Verdict::Fail(failures),
        (true, Some(why)) => Verdict::Unknown(why),
        (true, None) => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Event, Frame};

    #[track_caller]
    fn check(hellos: &[&str], named: bool) {
        let session = |(conn, hello): (usize, &&str)| {
            let (name, frame) = ("a/s".to_owned(), Arc::new(Frame::text((*hello).to_owned())));
            [
                Event::Opened { conn, name },
                Event::Received { conn, frame },
            ]
        };
        let events = hellos.iter().enumerate().flat_map(session);
        let entries: Vec<_> = events.map(|event| Entry { at_us: 0, event }).collect();
        assert_eq!(names(&Facts::of(&entries), "digests"), named, "{hellos:?}");
    }

    #[test]
    fn who_does_not_name_a_capability_is_not_judged_by_it() {
        let (with, without) = (
            r#"{"type": "hello", "capabilities": ["x", "digests"]}"#,
            r#"{"type": "hello", "capabilities": ["x"]}"#,
        );
        check(&[], true);
        check(&[with, with], true);
        check(&[with, without], false);
        check(&[r#"{"type": "hello"}"#], false);
    }
}
