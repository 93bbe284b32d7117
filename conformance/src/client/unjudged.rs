//! The requirements of clients that nothing judges, each with the reason: `client-unjudged.toml`. As [for servers](crate::unjudged).

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The reasons by requirement.
pub static REASONS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../client-unjudged.toml")).expect("a test reads the file")
});

/// Why nothing judges this requirement; nothing, if something does.
#[must_use]
pub fn reason(requirement: &str) -> Option<&'static str> {
    REASONS.get(requirement).map(String::as_str)
}
