//! Which scenarios are meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Selection, Trouble};
use crate::requirements;
use crate::scenario::{LoadError, Scenario, embedded, file};

impl Selection {
    /// The scenarios that are meant.
    ///
    /// # Errors
    /// A file is bad, a part of the selection is nothing's name, or there is none left.
    pub(super) fn scenarios(&self) -> Result<Vec<Arc<Scenario>>, Trouble> {
        let all = self.all().map_err(|errors| {
            Trouble(
                errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        })?;
        self.check(&all)?;
        let chosen: Vec<_> = all
            .into_iter()
            .filter(|scenario| self.means(scenario))
            .map(Arc::new)
            .collect();
        if chosen.is_empty() {
            Err(Trouble(
                "no scenario is selected: --select, --chapter and --capability must all hold"
                    .to_owned(),
            ))
        } else {
            Ok(chosen)
        }
    }

    /// Whether nothing is left out.
    pub(super) fn is_all(&self) -> bool {
        let Selection {
            select,
            chapter,
            capability,
            file,
        } = self;
        let none = select.is_empty() && chapter.is_empty() && capability.is_empty();
        none && file.is_empty()
    }

    fn all(&self) -> Result<Vec<Scenario>, Vec<LoadError>> {
        if self.file.is_empty() {
            return embedded();
        }
        let mut scenarios = Vec::new();
        let mut errors = Vec::new();
        for path in &self.file {
            match file(path) {
                Ok(scenario) => scenarios.push(scenario),
                Err(found) => errors.extend(found),
            }
        }
        if errors.is_empty() {
            Ok(scenarios)
        } else {
            Err(errors)
        }
    }

    fn means(&self, scenario: &Scenario) -> bool {
        any(&self.select, &|pattern| is(pattern, scenario))
            && any(&self.chapter, &|chapter| *chapter == scenario.chapter)
            && any(&self.capability, &|capability| {
                scenario.needs.capabilities.contains(capability)
            })
    }

    /// A name that means nothing is a mistake, not an empty selection.
    fn check(&self, all: &[Scenario]) -> Result<(), Trouble> {
        if let Some(pattern) = self
            .select
            .iter()
            .find(|pattern| !all.iter().any(|scenario| is(pattern, scenario)))
        {
            let known = requirements::find(pattern).is_some();
            let why = if known {
                "no scenario checks"
            } else {
                "no scenario, and no requirement that one checks, is named"
            };
            return Err(Trouble(format!(
                "{why} {pattern} (see `syncline-conformance list`)"
            )));
        }
        let chapters: BTreeSet<&str> = all
            .iter()
            .map(|scenario| scenario.chapter.as_str())
            .collect();
        match self
            .chapter
            .iter()
            .find(|chapter| !chapters.contains(chapter.as_str()))
        {
            Some(chapter) => {
                let chapters: Vec<_> = chapters.into_iter().collect();
                Err(Trouble(format!(
                    "no chapter {chapter} has scenarios (there are {})",
                    chapters.join(", ")
                )))
            }
            None => Ok(()),
        }
    }
}

fn is(pattern: &str, scenario: &Scenario) -> bool {
    selects(pattern, &scenario.id, &scenario.chapter, &scenario.checks)
}

/// Whether one of these holds; where there is none, everything is meant.
pub(super) fn any(of: &[String], holds: &dyn Fn(&String) -> bool) -> bool {
    of.is_empty() || of.iter().any(holds)
}

/// Whether a pattern means a scenario: by its name, or by a requirement that it checks.
pub(super) fn selects(pattern: &str, id: &str, chapter: &str, checks: &[String]) -> bool {
    matches(pattern, id)
        || matches(pattern, &format!("{chapter}/{id}"))
        || checks.iter().any(|checked| checked == pattern)
}

/// Whether a text matches a pattern in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        let table = [
            ("retry-*", "retry-after-cut", true),
            ("*cut", "retry-after-cut", true),
            ("r*a*t", "retry-after-cut", true),
            ("mutations/*", "mutations/x", true),
            ("*", "", true),
            ("retry", "retry-after-cut", false),
            ("*x", "retry", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
