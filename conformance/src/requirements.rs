//! The requirements of the specification, with their permanent IDs.
//!
//! The chapters are the source; `spec/v1/requirements.json` is generated from them by a test of this crate, and embedded here, so that a
//! verdict can quote what was broken. [`parse`] reads the notation: a list item that opens with a bold ID and
//! whom it binds, continued by indented lines.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// How binding a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Required.
    Must,
    /// Required unless there is a good reason.
    Should,
    /// Allowed.
    May,
}

/// Whom a requirement binds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binds {
    /// Servers.
    #[default]
    Server,
    /// Clients.
    Client,
}

/// One requirement of a chapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The permanent ID, as in `PUSH-ONCE`.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// Whom it binds.
    pub binds: Binds,
    /// The chapter's name, as in `mutations`.
    pub chapter: String,
    /// The text, in one line.
    pub text: String,
}

/// All requirements, in the order of the chapters.
pub static ALL: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../spec/v1/requirements.json"))
        .expect("a test generates the file")
});

/// The chapters in reading order, each a file of `spec/v1`.
pub const CHAPTERS: &[&str] = &[
    "notation",
    "model",
    "connection",
    "subscriptions",
    "mutations",
    "updates",
    "client",
    "digests",
    "fields",
    "filters",
    "tables",
    "conflicts",
    "documents",
    "history",
    "presence",
    "sequences",
    "errors",
    "versioning",
    "security",
];

/// The requirement of this ID.
#[must_use]
pub fn find(id: &str) -> Option<&'static Requirement> {
    ALL.iter().find(|requirement| requirement.id == id)
}

/// Reads the requirements of a chapter's text.
///
/// # Errors
/// A list item that looks like a requirement and cannot be read: its line.
pub fn parse(chapter: &str, markdown: &str) -> Result<Vec<Requirement>, String> {
    let mut found = Vec::new();
    for item in items(markdown) {
        let Some(rest) = item.strip_prefix("- **") else {
            continue;
        };
        let Some((id, rest)) = rest.split_once("** (") else {
            continue;
        };
        if !id
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
        {
            continue;
        }
        let (binds, text) = rest
            .split_once("): ")
            .ok_or_else(|| format!("{chapter}: no text: {item}"))?;
        let binds = match binds {
            "server" => Binds::Server,
            "client" => Binds::Client,
            other => {
                return Err(format!(
                    "{chapter}: {id} binds {other:?}, which is neither server nor client"
                ));
            }
        };
        let level =
            level(text).ok_or_else(|| format!("{chapter}: {id} has none of MUST, SHOULD, MAY"))?;
        found.push(Requirement {
            id: id.to_owned(),
            level,
            binds,
            chapter: chapter.to_owned(),
            text: text.to_owned(),
        });
    }
    Ok(found)
}

/// The strongest word of the text.
fn level(text: &str) -> Option<Level> {
    let has = |word: &str| {
        text.split(|c: char| !c.is_ascii_alphabetic())
            .any(|part| part == word)
    };
    match () {
        () if has("MUST") => Some(Level::Must),
        () if has("SHOULD") => Some(Level::Should),
        () if has("MAY") => Some(Level::May),
        () => None,
    }
}

/// The list items outside code blocks, each in one line with its indented continuation.
fn items(markdown: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut open = false;
    let mut in_code = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            open = false;
        } else if in_code {
            continue;
        } else if line.starts_with("- ") {
            items.push(line.trim_end().to_owned());
            open = true;
        } else if let (true, true, Some(item)) = (open, line.starts_with("  "), items.last_mut()) {
            item.push(' ');
            item.push_str(line.trim());
        } else {
            open = false;
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A chapter\n\n```\n- **EXAMPLE-ID** (server): The server MUST ...\n```\n\n- **ONE** (server): It MUST do\n  \
                        this and that.\n- **Transport.** Not a requirement.\n- **TWO-B** (client): It SHOULD rest.\n\nText.\n";

    #[test]
    fn items_are_joined_and_code_is_skipped() {
        let found = parse("model", TEXT).expect("it is well-formed");
        let ids: Vec<_> = found
            .iter()
            .map(|r| (r.id.as_str(), r.level, r.binds))
            .collect();
        assert_eq!(
            ids,
            [
                ("ONE", Level::Must, Binds::Server),
                ("TWO-B", Level::Should, Binds::Client)
            ]
        );
        assert_eq!(found[0].text, "It MUST do this and that.");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(parse("x", "- **A-B** (nobody): It MUST.").is_err());
        assert!(parse("x", "- **A-B** (server): It can.").is_err());
    }
}
