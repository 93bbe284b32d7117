//! A configuration file: TOML, each fault with its line.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{self, Kind, Setting};

/// One setting as the file has it.
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    pub(super) value: String,
    pub(super) line: usize,
}

/// Reads the file's settings.
///
/// # Errors
/// One line: the file, the line, the key, and what is wrong.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text).map_err(|(line, fault)| format!("{}:{line}: {fault}", path.display()))
}

type Fault = (usize, String);

fn parse(text: &str) -> Result<Vec<Entry>, Fault> {
    let document = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        (
            line,
            error
                .message()
                .lines()
                .next()
                .unwrap_or("not TOML")
                .to_owned(),
        )
    })?;
    let mut entries = Vec::new();
    collect(text, "", document.get_ref(), &mut entries)?;
    Ok(entries)
}

fn collect(
    text: &str,
    section: &str,
    table: &DeTable<'_>,
    entries: &mut Vec<Entry>,
) -> Result<(), Fault> {
    for (name, value) in table {
        let key = format!("{section}{}", name.get_ref());
        let line = line_of(text, name.span().start);
        if let DeValue::Table(inner) = value.get_ref()
            && is_section(&key)
        {
            collect(text, &format!("{key}."), inner, entries)?;
        } else {
            let setting =
                settings::find(&key).ok_or_else(|| (line, format!("unknown key `{key}`")))?;
            let value =
                plain(setting.kind, value).map_err(|fault| (line, format!("`{key}` {fault}")))?;
            entries.push(Entry {
                setting,
                value,
                line,
            });
        }
    }
    Ok(())
}

fn is_section(key: &str) -> bool {
    settings::SETTINGS.iter().any(|setting| {
        setting
            .key
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The value as text, if it is of the kind that the setting takes.
fn plain(kind: Kind, value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    match (kind, value.get_ref()) {
        (Kind::Text, DeValue::String(text)) => Ok(text.to_string()),
        (Kind::Switch, DeValue::Boolean(switch)) => Ok(switch.to_string()),
        (Kind::Number, DeValue::Integer(number)) => {
            u64::from_str_radix(number.as_str(), number.radix())
                .map(|number| number.to_string())
                .map_err(|_| "must be an integer from 0".to_owned())
        }
        (Kind::Text, other) => Err(format!("must be a string, not {}", other.type_str())),
        (Kind::Switch, other) => Err(format!("must be true or false, not {}", other.type_str())),
        (Kind::Number, other) => Err(format!(
            "must be an integer from 0, not {}",
            other.type_str()
        )),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let entries = parse(text).unwrap_or_else(|(line, fault)| panic!("{text}: {line}: {fault}"));
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.setting.key.as_str(), entry.value.as_str(), entry.line))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    fn check_fault(text: &str, line: usize, part: &str) {
        let Err((found, fault)) = parse(text) else {
            panic!("{text} was accepted")
        };
        assert_eq!(found, line, "{text}: {fault}");
        assert!(fault.contains(part), "{fault:?} does not say {part:?}");
    }

    #[test]
    fn settings_with_their_lines() {
        check("", &[]);
        check(
            "listen = 'x:1'\n\n[limits]\nframeBytesMax = 1_000_000",
            &[("limits.frameBytesMax", "1000000", 4), ("listen", "x:1", 1)],
        );
        check("memory = true", &[("memory", "true", 1)]);
        check(
            "retention.versions_max = 0x10",
            &[("retention.versions_max", "16", 1)],
        );
    }

    #[test]
    fn faults_with_their_lines() {
        check_fault("path = '/a'\nb", 2, "");
        check_fault("\nlissten = 'x'", 2, "unknown key `lissten`");
        check_fault(
            "[limits]\nframeBytes = 1",
            2,
            "unknown key `limits.frameBytes`",
        );
        check_fault("[other]\na = 1", 1, "unknown key `other`");
        check_fault("listen = 8081", 1, "`listen` must be a string");
        check_fault("memory = 'yes'", 1, "true or false");
        check_fault("part_bytes = -1", 1, "from 0");
        check_fault("part_bytes = '1'", 1, "integer");
        check_fault("limits = 3", 1, "unknown key `limits`");
    }
}
