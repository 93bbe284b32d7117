//! [`Stop`]: why a scenario does not go on.

use crate::vars::Unmade;

/// Why a scenario does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The server broke a requirement.
    Fail(Failure),
    /// Nothing can be said: why.
    Unknown(String),
    /// What was awaited cannot come any more, by the scenario's own doing: a fault, a cut, a hook, another session of the client. How.
    Lost(String),
    /// What the scenario is about did not happen with this target, and need not: what.
    DidNotHappen(String),
}

/// What a server did wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The requirements that are broken; if there are none, those that the step or the scenario is about.
    pub requirements: Vec<String>,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub actual: String,
    /// The step's place in the file, as a JSON Pointer.
    pub step: Option<String>,
    /// The entries of the history that show it.
    pub at: Vec<usize>,
}

impl From<Unmade> for Stop {
    fn from(unmade: Unmade) -> Stop {
        match unmade {
            Unmade::Wrong(why) => Stop::misuse(why),
            Unmade::TooLarge(why) => Stop::DidNotHappen(why),
        }
    }
}

impl Stop {
    /// The step's expectation was not met.
    pub fn fail(expected: impl Into<String>, actual: impl Into<String>) -> Stop {
        Stop::Fail(Failure {
            expected: expected.into(),
            actual: actual.into(),
            ..Failure::default()
        })
    }

    /// A general requirement is broken, whatever the step is about.
    pub fn broken(
        requirement: &str,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Stop {
        let requirements = vec![requirement.to_owned()];
        Stop::Fail(Failure {
            requirements,
            expected: expected.into(),
            actual: actual.into(),
            ..Failure::default()
        })
    }

    /// The scenario itself is wrong.
    #[must_use]
    pub fn misuse(reason: impl std::fmt::Display) -> Stop {
        Stop::Unknown(format!("the scenario is at fault: {reason}"))
    }

    /// Shows which entries it is about.
    #[must_use]
    pub fn at(self, entries: impl IntoIterator<Item = usize>) -> Stop {
        match self {
            Stop::Fail(mut failure) => {
                failure.at.extend(entries);
                Stop::Fail(failure)
            }
            unknown => unknown,
        }
    }
}
