//! The baseline: failures that are known, each with the reason why it is borne.
//!
//! A failure that it does not name is new. An entry whose scenario passes is stale: what was mended must not break again unnoticed, so the entry has to
//! go; and so has one whose scenario there is not any more. A race that fails now and then only belongs in no baseline.
//!
//! Random histories are others in every run. They share one entry, `random`, with all requirements that they find broken, and it is never stale.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::drive::Failure;
use crate::judge::{Judgement, Verdict};
use crate::random::CHAPTER;

/// A baseline file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The failures.
    #[serde(default)]
    pub known: Vec<Known>,
}

/// A scenario that is known to fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Its ID; `random` for all random histories.
    pub scenario: String,
    /// The requirements that it finds broken, all of them.
    pub requirements: BTreeSet<String>,
    /// Why that is borne.
    pub reason: String,
}

/// What a run says of a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// The failures that are known: by scenario, the reason.
    pub known: BTreeMap<String, String>,
    /// The failures that are not, each with the requirements that the baseline does not name.
    pub new: BTreeMap<String, BTreeSet<String>>,
    /// The entries whose scenarios pass.
    pub stale: BTreeSet<String>,
    /// The entries whose scenarios there are not.
    pub nameless: BTreeSet<String>,
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// It is no baseline, an entry has no reason, or one scenario has two.
    pub fn parse(text: &str) -> Result<Baseline, String> {
        let baseline: Baseline = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut seen = BTreeSet::new();
        for known in &baseline.known {
            if known.reason.trim().is_empty() {
                return Err(format!("{} has no reason", known.scenario));
            }
            if !seen.insert(&known.scenario) {
                return Err(format!("{} stands there twice", known.scenario));
            }
        }
        Ok(baseline)
    }

    /// The baseline in which all that failed is known. What was known already keeps its reason.
    #[must_use]
    pub fn of(judgements: &[Judgement], before: &Baseline, reason: &str) -> Baseline {
        let mut failed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for judgement in judgements {
            if let Some(broken) = broken(judgement) {
                failed
                    .entry(entry_of(judgement))
                    .or_default()
                    .extend(broken);
            }
        }
        let known = failed.into_iter().map(|(scenario, requirements)| Known {
            scenario: scenario.to_owned(),
            requirements,
            reason: before
                .known(scenario)
                .map_or(reason, |known| &known.reason)
                .to_owned(),
        });
        Baseline {
            known: known.collect(),
        }
    }

    fn known(&self, entry: &str) -> Option<&Known> {
        self.known.iter().find(|known| known.scenario == entry)
    }

    /// Compares it with what a run found. Entries of scenarios of which nothing can be said are left aside; those that were not run, too, unless the `whole` suite was.
    #[must_use]
    pub fn compare(&self, judgements: &[Judgement], whole: bool) -> Compared {
        let mut compared = Compared::default();
        let ran: BTreeSet<&str> = judgements.iter().map(entry_of).collect();
        let names_nothing = |entry: &str| whole && entry != CHAPTER && !ran.contains(entry);
        let entries = self.known.iter().map(|known| &known.scenario);
        compared.nameless = entries
            .filter(|entry| names_nothing(entry))
            .cloned()
            .collect();
        for judgement in judgements {
            let id = &judgement.scenario.id;
            let known = self.known(entry_of(judgement));
            match (broken(judgement), known) {
                (Some(broken), known) => {
                    let named = known.map(|known| known.requirements.clone());
                    let new = &broken - &named.unwrap_or_default();
                    match known {
                        Some(known) if new.is_empty() => {
                            compared.known.insert(id.clone(), known.reason.clone());
                        }
                        _ => {
                            compared.new.insert(id.clone(), new);
                        }
                    }
                }
                (None, Some(known)) if known.scenario == *id && judgement.has_passed() => {
                    compared.stale.insert(id.clone());
                }
                _ => {}
            }
        }
        compared
    }

    /// As a file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let text = toml::to_string(self).expect("a baseline is TOML");
        format!(
            "# Failures that are known, and why they are borne. Made by --write-baseline, read by --baseline.\n\n{text}"
        )
    }
}

impl Compared {
    /// Whether there is something to do about it.
    #[must_use]
    pub fn differs(&self) -> bool {
        !self.new.is_empty() || !self.stale.is_empty() || !self.nameless.is_empty()
    }

    /// What differs, a line each.
    #[must_use]
    pub fn text(&self) -> String {
        let new = self.new.iter().map(|(scenario, requirements)| {
            let ids: Vec<_> = requirements.iter().map(String::as_str).collect();
            format!(
                "not in the baseline: {scenario} breaks {}\n",
                ids.join(", ")
            )
        });
        let stale = self
            .stale
            .iter()
            .map(|scenario| format!("stale in the baseline: {scenario} passes, take it out\n"));
        let nameless = self.nameless.iter().map(|scenario| {
            format!("stale in the baseline: there is no scenario {scenario}, take it out\n")
        });
        new.chain(stale).chain(nameless).collect()
    }
}

/// The name of a scenario's entry.
fn entry_of(judgement: &Judgement) -> &str {
    let scenario = &judgement.scenario;
    if scenario.chapter == CHAPTER {
        CHAPTER
    } else {
        &scenario.id
    }
}

/// The requirements that a scenario found broken, if it failed.
fn broken(judgement: &Judgement) -> Option<BTreeSet<String>> {
    match &judgement.verdict {
        Verdict::Fail(failures) => {
            let ids = |failure: &Failure| failure.requirements.clone();
            Some(failures.iter().flat_map(ids).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::Scenario;

    fn judgement(id: &str, broken: &[&str]) -> Judgement {
        let scenario = Scenario {
            id: id.to_owned(),
            ..Scenario::default()
        };
        let failure = |id: &&str| Failure {
            requirements: vec![(*id).to_owned()],
            ..Failure::default()
        };
        let verdict = match broken {
            [] => Verdict::Pass,
            _ => Verdict::Fail(broken.iter().map(failure).collect()),
        };
        Judgement::without(Arc::new(scenario), verdict)
    }

    #[test]
    fn what_was_written_is_known_and_nothing_else() {
        let first = [
            judgement("one", &["A-B", "A-C"]),
            judgement("two", &["A-D"]),
        ];
        let baseline = Baseline::of(&first, &Baseline::default(), "issue 7");
        let baseline = Baseline::parse(&baseline.text()).expect("what is written can be read");
        assert!(!baseline.compare(&first, true).differs());
        let second = [
            judgement("one", &["A-C"]),
            judgement("two", &["A-D", "A-E"]),
            judgement("three", &["A-B"]),
        ];
        let compared = baseline.compare(&second, true);
        assert_eq!(compared.known.keys().collect::<Vec<_>>(), ["one"]);
        assert_eq!(
            compared.text(),
            "not in the baseline: three breaks A-B\nnot in the baseline: two breaks A-E\n"
        );
    }

    #[test]
    fn what_passes_is_stale_and_what_was_not_run_is_left_aside() {
        let first = [judgement("one", &["A-B"]), judgement("two", &["A-D"])];
        let baseline = Baseline::of(&first, &Baseline::default(), "issue 7");
        let second = [judgement("one", &[])];
        assert_eq!(
            baseline.compare(&second, false).text(),
            "stale in the baseline: one passes, take it out\n"
        );
        assert_eq!(
            baseline.compare(&second, true).text(),
            "stale in the baseline: one passes, take it out\n\
             stale in the baseline: there is no scenario two, take it out\n"
        );
    }

    #[test]
    fn random_histories_share_an_entry() {
        let random = |id: &str, broken: &[&str]| {
            let mut judgement = judgement(id, broken);
            Arc::make_mut(&mut judgement.scenario).chapter = CHAPTER.to_owned();
            judgement
        };
        let first = [
            random("random-1-1", &["A-B"]),
            random("random-1-2", &["A-C"]),
        ];
        let baseline = Baseline::of(&first, &Baseline::default(), "issue 7");
        assert_eq!(baseline.known.len(), 1);
        let second = [
            random("random-2-1", &["A-C"]),
            random("random-2-2", &[]),
            random("random-2-3", &["A-D"]),
        ];
        let compared = baseline.compare(&second, true);
        assert_eq!(compared.known.keys().collect::<Vec<_>>(), ["random-2-1"]);
        assert_eq!(
            compared.text(),
            "not in the baseline: random-2-3 breaks A-D\n"
        );
    }

    #[test]
    fn an_entry_needs_a_reason_and_stands_once() {
        let entry = |reason: &str| {
            format!(
                "[[known]]\nscenario = \"one\"\nrequirements = [\"A-B\"]\nreason = \"{reason}\"\n"
            )
        };
        assert!(Baseline::parse(&entry("issue 7")).is_ok());
        assert!(Baseline::parse(&entry(" ")).is_err());
        assert!(Baseline::parse(&entry("issue 7").repeat(2)).is_err());
    }
}
