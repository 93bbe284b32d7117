//! Records as text: one JSON line each. All logs keep the records of one append together, as one text.
//!
//! Lines can be read by eye and by any tool, and members that a later version adds do not disturb an older reader.

use syncline_server_core::Record;

use super::LogError;

/// The lines of the records.
pub(super) fn encode(records: &[Record]) -> String {
    let mut text = String::with_capacity(256 * records.len());
    for record in records {
        record.write(&mut text);
        text.push('\n');
    }
    text
}

/// The records of the lines with versions above `after`.
pub(super) fn decode_after(
    text: &str,
    after: u64,
    records: &mut Vec<Record>,
) -> Result<(), LogError> {
    for line in text.lines() {
        let mut source = serde_json::Deserializer::from_str(line);
        // What was appended was bounded in depth when it came in as a frame.
        source.disable_recursion_limit();
        let record: Record = serde::Deserialize::deserialize(&mut source)
            .map_err(|error| LogError::new(format!("a record that cannot be read: {error}")))?;
        if record.version > after {
            records.push(record);
        }
    }
    Ok(())
}
