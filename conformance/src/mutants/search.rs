//! Looks for a mutant by simulated histories: how long until one shows that something is wrong.
//!
//! Unlike the suite, the search does not know what a mutant breaks: it is how a bug would be found that nobody has thought of.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::tree::Programs;
use super::{Mutant, SWITCH};

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// A history fails: after how long, and what its first failure says.
    Found {
        /// In seconds, as the search tells it.
        after: String,
        /// For people.
        what: String,
    },
    /// All held.
    Clean,
    /// It could not be run.
    Unknown(String),
}

/// Searches for so long at most, by one thread; what fails is saved in a folder.
#[must_use]
pub fn search(programs: &Programs, mutant: &Mutant, time: Duration, folder: &Path) -> Search {
    let ran = Command::new(&programs.runner)
        .args(["simulate", "--seeds", SEEDS, "--jobs", "1", "--time"])
        .arg(format!("{}s", time.as_secs()))
        .arg("--save")
        .arg(folder)
        .env(SWITCH, &mutant.name)
        .stdin(Stdio::null())
        .output();
    match ran {
        Ok(ran) => told(&String::from_utf8_lossy(&ran.stdout), ran.status.code()),
        Err(error) => Search::Unknown(error.to_string()),
    }
}

/// The same seeds for each mutant, and more of them than any time is enough for.
const SEEDS: &str = "0..1000000000";

fn told(said: &str, code: Option<i32>) -> Search {
    let mut lines = said.lines().map(str::trim);
    let after = lines.find_map(|line| line.split_once(" fails, after "));
    match (after, code) {
        (Some((_, after)), _) => Search::Found {
            after: after.trim_end_matches(':').to_owned(),
            what: lines.next().unwrap_or_default().to_owned(),
        },
        (None, Some(0)) => Search::Clean,
        (None, _) => Search::Unknown(said.lines().last().unwrap_or_default().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_search_says_is_read() {
        let said = "seeds 0..9: 3 histories in 0.2 s, 1 failed; ...\n\nseed 2 fails, after 0.1 s:\n  inside: c0 lost a write\n  2 of 9 doings are left: x.json\n";
        let found = Search::Found {
            after: "0.1 s".to_owned(),
            what: "inside: c0 lost a write".to_owned(),
        };
        assert_eq!(told(said, Some(1)), found);
        assert_eq!(told("seeds 0..9: 3 histories", Some(0)), Search::Clean);
        assert_eq!(told("", Some(2)), Search::Unknown(String::new()));
    }
}
