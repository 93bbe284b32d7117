//! What stands behind each requirement: the scenarios and checkers that judge it, and the mutants that prove that they do; and back.
//!
//! `spec/v1/coverage.md` is made from it. A requirement without a check, and a MUST without a mutant, needs a written reason.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::mutants::{self, Mutant, Side};
use crate::requirements::{self, Binds, CHAPTERS, Level, Requirement};
use crate::{checkers, client, scenario, unjudged};

/// Why no mutant breaks a requirement: `conformance/mutants/unmutated.toml`.
pub static UNMUTATED: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    toml::from_str(include_str!("../mutants/unmutated.toml")).expect("a test reads the file")
});

/// What stands behind a requirement.
#[derive(Clone, Debug)]
pub struct Covered {
    /// The requirement.
    pub requirement: &'static Requirement,
    /// The scenarios that check it, each with its `why`.
    pub scenarios: Vec<(String, Option<String>)>,
    /// The checkers that judge it in every history.
    pub checkers: Vec<&'static str>,
    /// The mutants that break it.
    pub mutants: Vec<&'static Mutant>,
}

/// What stands behind all requirements.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// A requirement each, in the order of the chapters.
    pub all: Vec<Covered>,
    /// What names a requirement that there is not, or that binds the other side.
    pub strays: Vec<String>,
}

impl Covered {
    /// Why nothing judges it.
    #[must_use]
    pub fn unjudged(&self) -> Option<&'static str> {
        let id = &self.requirement.id;
        match self.requirement.binds {
            Binds::Server => unjudged::reason(id),
            Binds::Client => client::unjudged::REASONS.get(id).map(String::as_str),
        }
    }

    /// Why no mutant breaks it.
    #[must_use]
    pub fn unmutated(&self) -> Option<&'static str> {
        UNMUTATED.get(&self.requirement.id).map(String::as_str)
    }

    /// Whether something is missing: a check, or a mutant of what MUST be, without a written reason.
    #[must_use]
    pub fn lacks(&self) -> Option<&'static str> {
        let must = self.requirement.level == Level::Must;
        let checked = !self.scenarios.is_empty() || !self.checkers.is_empty();
        match () {
            () if must && !checked && self.unjudged().is_none() => Some("a check"),
            () if must && checked && self.mutants.is_empty() && self.unmutated().is_none() => {
                Some("a mutant")
            }
            () => None,
        }
    }
}

impl Coverage {
    /// Of this build.
    ///
    /// # Errors
    /// A scenario of the build cannot be read.
    pub fn of_build() -> Result<Coverage, String> {
        let told = |errors: Vec<scenario::LoadError>| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            errors.join("\n")
        };
        let servers = scenario::embedded().map_err(told)?;
        let clients = client::scenario::embedded().map_err(told)?;
        let servers = servers
            .into_iter()
            .map(|of| (Binds::Server, of.chapter, of.id, of.why, of.checks));
        let clients = clients
            .into_iter()
            .map(|of| (Binds::Client, of.chapter, of.id, of.why, of.checks));
        let mut coverage = Coverage::empty();
        for (binds, chapter, id, why, checks) in servers.chain(clients) {
            for check in &checks {
                let what = format!("the scenario {chapter}/{id}");
                let at = |covered: &mut Covered| {
                    covered
                        .scenarios
                        .push((format!("{chapter}/{id}"), why.clone()))
                };
                coverage.behind(binds, check, &what, at);
            }
        }
        let servers = checkers::ALL
            .iter()
            .map(|of| (Binds::Server, of.name, of.requirements));
        let clients = client::checkers::ALL
            .iter()
            .map(|of| (Binds::Client, of.name, of.requirements));
        for (binds, name, requirements) in servers.chain(clients) {
            for id in requirements {
                let what = format!("the checker {name}");
                coverage.behind(binds, id, &what, |covered| covered.checkers.push(name));
            }
        }
        for mutant in mutants::embedded() {
            let binds = match mutant.side {
                Side::Server => Binds::Server,
                Side::Client => Binds::Client,
            };
            for id in &mutant.text.breaks {
                let what = format!("the mutant {}", mutant.name);
                coverage.behind(binds, id, &what, |covered| covered.mutants.push(mutant));
            }
        }
        for id in UNMUTATED.keys() {
            let binds = requirements::find(id).map_or(Binds::Server, |known| known.binds);
            coverage.behind(binds, id, "unmutated.toml", |_| {});
        }
        Ok(coverage)
    }

    fn empty() -> Coverage {
        let bare = |requirement| Covered {
            requirement,
            scenarios: Vec::new(),
            checkers: Vec::new(),
            mutants: Vec::new(),
        };
        Coverage {
            all: requirements::ALL.iter().map(bare).collect(),
            strays: Vec::new(),
        }
    }

    /// Puts something behind a requirement.
    fn behind(&mut self, binds: Binds, id: &str, what: &str, put: impl FnOnce(&mut Covered)) {
        let is_it = |covered: &&mut Covered| {
            covered.requirement.id == id && covered.requirement.binds == binds
        };
        match self.all.iter_mut().find(is_it) {
            Some(covered) => put(covered),
            None => self
                .strays
                .push(format!("{what} names {id}, which binds no such side")),
        }
    }

    /// What stands behind a requirement.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Covered> {
        self.all.iter().find(|covered| covered.requirement.id == id)
    }

    /// All that is amiss, a line each.
    #[must_use]
    pub fn amiss(&self) -> Vec<String> {
        let lacking = self.all.iter().filter_map(|covered| {
            let lacks = covered.lacks()?;
            Some(format!(
                "{} lacks {lacks}, and a reason",
                covered.requirement.id
            ))
        });
        lacking.chain(self.strays.iter().cloned()).collect()
    }

    /// The text of `spec/v1/coverage.md`.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::from(HEAD);
        for (binds, whom) in [(Binds::Server, "Servers"), (Binds::Client, "Clients")] {
            for chapter in CHAPTERS {
                let of = |covered: &&Covered| {
                    covered.requirement.binds == binds && covered.requirement.chapter == *chapter
                };
                let rows: Vec<_> = self.all.iter().filter(of).collect();
                if rows.is_empty() {
                    continue;
                }
                text += &format!("\n## {whom}: [{chapter}]({chapter}.md)\n\n");
                text += "| requirement | level | scenarios | checkers | mutants |\n|---|---|---|---|---|\n";
                text.extend(rows.into_iter().map(row));
            }
        }
        text + &backwards()
    }
}

const HEAD: &str = "# Coverage\n\nGenerated from the scenarios, checkers and mutants of the conformance runner; a test keeps it so. For each requirement: the scenarios \
that check it, the checkers that judge it in every history where there is occasion, and the mutants (wrong implementations) that break it and are caught for it. \
`syncline-conformance explain ID` says more.\n";

fn row(covered: &Covered) -> String {
    let listed = |names: Vec<&str>, reason: Option<&str>| match (names.is_empty(), reason) {
        (false, _) => names.join(", "),
        (true, Some(reason)) => format!("*{}*", reason.replace('|', "\\|")),
        (true, None) => "-".to_owned(),
    };
    let slug = |path: &'_ str| {
        path.rsplit('/')
            .next()
            .map(str::to_owned)
            .unwrap_or_default()
    };
    let scenarios: Vec<_> = covered
        .scenarios
        .iter()
        .map(|(path, _)| slug(path))
        .collect();
    let mutants = covered.mutants.iter().map(|mutant| mutant.name.as_str());
    let unjudged = covered.unjudged().filter(|_| covered.checkers.is_empty());
    format!(
        "| {} | {} | {} | {} | {} |\n",
        covered.requirement.id,
        crate::report::level(covered.requirement.level),
        listed(scenarios.iter().map(String::as_str).collect(), unjudged),
        listed(covered.checkers.clone(), None),
        listed(mutants.collect(), covered.unmutated())
    )
}

/// The way back: what each mutant does wrong, and breaks.
fn backwards() -> String {
    let mut text =
        String::from("\n## Mutants\n\n| mutant | what it does wrong | breaks |\n|---|---|---|\n");
    for mutant in mutants::embedded() {
        let title = mutant.text.title.replace('|', "\\|");
        text += &format!(
            "| {} | {title} | {} |\n",
            mutant.name,
            mutant.text.breaks.join(", ")
        );
    }
    text
}
