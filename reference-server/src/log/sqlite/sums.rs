//! Checksums (CRC-32), by which what a disk gives back is told from what was written: SQLite keeps none of its pages.

use crc32fast::Hasher;

use super::store::{Header, Segment, Slice};

impl Segment {
    /// Over all that the row says.
    pub(super) fn sum(&self) -> u32 {
        sum(&[
            &self.workspace.to_le_bytes(),
            &numbers(&[self.behind, self.first, self.last]),
            self.lines.as_bytes(),
        ])
    }
}

impl Slice<'_> {
    /// Over all that the row says.
    pub(super) fn sum(&self) -> u32 {
        let (workspace, place) = (
            self.workspace.to_le_bytes(),
            numbers(&[self.version, self.number]),
        );
        sum(&[
            &workspace,
            self.epoch.as_bytes(),
            &place,
            self.lines.as_bytes(),
        ])
    }
}

impl Header {
    /// Over all that the row says.
    pub(super) fn sum(&self, name: &str) -> u32 {
        let checkpoint = self
            .checkpoint
            .map_or([0, 0, 0], |known| [1, known.version, known.slices]);
        let rest =
            numbers(&[&[self.position.version, self.truncated_to], &checkpoint[..]].concat());
        sum(&[
            &self.workspace.to_le_bytes(),
            name.as_bytes(),
            b"\0",
            self.position.epoch.as_bytes(),
            &rest,
        ])
    }
}

/// Of the widest window.
pub(super) fn of_window(outcomes: u64) -> u32 {
    sum(&[&outcomes.to_le_bytes()])
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

fn sum(parts: &[&[u8]]) -> u32 {
    let mut hasher = Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}
