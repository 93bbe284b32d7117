//! What is kept of fields as a log and a checkpoint have it: each writer is named once, for it may be the writer of hundreds of fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entries, Entry};

/// Entries as text.
#[derive(Deserialize, Serialize)]
pub(super) struct Text {
    writers: Vec<Arc<str>>,
    rest: Numbers,
    removals: Numbers,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    each: BTreeMap<Arc<str>, Numbers>,
}

/// The version; its writer by number, from 1, or 0: nobody is known; the last version of anybody else; the moment.
type Numbers = (u64, usize, u64, u64);

impl From<Entries> for Text {
    fn from(entries: Entries) -> Text {
        let mut writers = Vec::new();
        let mut numbers = |entry: Entry| {
            let writer = entry
                .writer
                .map_or(0, |writer| number_of(writer, &mut writers));
            (entry.version, writer, entry.others_version, entry.moment)
        };
        let (rest, removals) = (numbers(entries.rest), numbers(entries.removals));
        let each = { entries.each.into_iter() }.map(|(name, entry)| (name, numbers(entry)));
        let each = each.collect();
        Text {
            writers,
            rest,
            removals,
            each,
        }
    }
}

fn number_of(writer: Arc<str>, writers: &mut Vec<Arc<str>>) -> usize {
    let known = writers.iter().position(|known| *known == writer);
    known.map_or_else(
        || {
            writers.push(writer);
            writers.len()
        },
        |index| index + 1,
    )
}

impl TryFrom<Text> for Entries {
    type Error = &'static str;

    fn try_from(text: Text) -> Result<Entries, &'static str> {
        let writers = text.writers;
        let entry =
            |(version, writer, others_version, moment): Numbers| -> Result<Entry, &'static str> {
                let writer = match writer {
                    0 => None,
                    number => {
                        let known = writers.get(number - 1);
                        Some(
                            known
                                .cloned()
                                .ok_or("an entry of a writer that is not named")?,
                        )
                    }
                };
                Ok(Entry {
                    version,
                    writer,
                    others_version,
                    moment,
                })
            };
        let each = { text.each.into_iter() }.map(|(name, numbers)| Ok((name, entry(numbers)?)));
        Ok(Entries {
            rest: entry(text.rest)?,
            removals: entry(text.removals)?,
            each: each.collect::<Result<_, &'static str>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were() {
        let entry = |version, writer: Option<&str>| Entry {
            version,
            writer: writer.map(Arc::from),
            others_version: version / 2,
            moment: 1_700_000_000_000 + version,
        };
        let entries = Entries {
            rest: entry(7, Some("ann")),
            removals: entry(0, None),
            each: [("a", "bob"), ("b", "ann"), ("", "bob")]
                .map(|(name, writer)| (name.into(), entry(9, Some(writer))))
                .into_iter()
                .collect(),
        };
        let text = serde_json::to_string(&entries).expect("text");
        assert_eq!(text.matches("ann").count(), 1, "{text}");
        assert_eq!(text.matches("bob").count(), 1, "{text}");
        let read: Entries = serde_json::from_str(&text).expect("what was written");
        assert_eq!(read, entries);
    }

    #[test]
    fn an_entry_of_nobody_is_damage() {
        let text = r#"{"writers":["ann"],"rest":[1,2,0,0],"removals":[0,0,0,0]}"#;
        let read = serde_json::from_str::<Entries>(text);
        let error = read.expect_err("a writer that is not named").to_string();
        assert!(error.contains("not named"), "{error}");
    }
}
