//! Looks through a write-ahead log that was left behind, before SQLite does.
//!
//! SQLite takes the frames of its log up to the first that is not whole, and forgets the rest without a word: right for what a crash has torn, for only the last
//! transaction can be torn, which nobody was told of. But where a disk has lost a bit further up, transactions behind it that were acknowledged would be gone silently.
//! The two can be told apart: a transaction is written only when the one before it is synced, so with whole transactions and more behind it, a frame that is not whole was so once. What is
//! *behind it* continues its checksum: a crash amid a commit may leave frames further on that are older, of a commit that an earlier crash broke off, and those do not.
//!
//! *What cannot be told*: that bits of the last transactions were lost, or the log was cut short.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// The magic number says by its last bit in which order the words of a checksum are read.
const MAGIC: u32 = 0x377f_0682;

/// Looks through the log beside a file, if there is one.
///
/// # Errors
/// A part of a sentence: what of it is damaged, or that it cannot be read.
pub(super) fn check(log: &Path) -> Result<(), String> {
    let file = match File::open(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| error.to_string())?,
    };
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut header = [0; HEADER_BYTES];
    if !filled(&mut file, &mut header)? || header == [0; HEADER_BYTES] {
        return Ok(());
    }
    let mut frames = Frames::of(&header).ok_or("the beginning of its write-ahead log")?;
    let mut frame = vec![0; FRAME_HEADER_BYTES + frames.page_bytes];
    while filled(&mut file, &mut frame)? {
        frames.next(&frame);
        if frames.lost {
            let number = frames.whole + 1;
            return Err(format!("its write-ahead log, in frame {number}"));
        }
    }
    Ok(())
}

/// Reads so many bytes; `false`: there are fewer.
fn filled(file: &mut impl Read, bytes: &mut [u8]) -> Result<bool, String> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// How far a log was looked through.
struct Frames {
    page_bytes: usize,
    big_endian: bool,
    /// What marks the frames of this log, and not of one before in the same file.
    salt: [u8; 8],
    sum: [u32; 2],
    /// Frames that are whole, from the first on.
    whole: u64,
    /// One was not: what the checksum behind it is, if what it says of that is true, and if the rest of it is.
    broken: Option<[[u32; 2]; 2]>,
    /// Behind it a transaction was complete.
    complete: bool,
    /// And there was more behind that.
    lost: bool,
}

impl Frames {
    /// Before the first frame. None: the header is not what was written.
    fn of(header: &[u8; HEADER_BYTES]) -> Option<Frames> {
        let magic = word(header, 0);
        let big_endian = magic & 1 == 1;
        let sum = summed([0, 0], &header[..24], big_endian);
        let page_bytes = word(header, 8) as usize;
        let known = magic & !1 == MAGIC
            && sum == [word(header, 24), word(header, 28)]
            && page_bytes.is_power_of_two()
            && (512..=65_536).contains(&page_bytes);
        known.then(|| Frames {
            page_bytes,
            big_endian,
            salt: header[16..24].try_into().unwrap_or_default(),
            sum,
            whole: 0,
            broken: None,
            complete: false,
            lost: false,
        })
    }

    fn next(&mut self, frame: &[u8]) {
        let of_this_log = frame[8..16] == self.salt;
        let (page, commits) = (word(frame, 0), word(frame, 4) != 0);
        let said = [word(frame, 16), word(frame, 20)];
        let Some(before) = self.broken else {
            let sum = self.behind(self.sum, frame);
            if of_this_log && page != 0 && sum == said {
                self.sum = sum;
                self.whole += 1;
            } else {
                self.broken = Some([said, sum]);
                self.complete = commits;
            }
            return;
        };
        let follows = before.iter().any(|sum| self.behind(*sum, frame) == said);
        if of_this_log && follows {
            self.lost |= self.complete;
            self.complete |= commits;
            self.broken = Some([said; 2]);
        } else {
            // Nothing further on can be told from what is older.
            self.broken = Some([[0; 2]; 2]);
            self.complete = false;
        }
    }

    /// The checksum behind a frame.
    fn behind(&self, before: [u32; 2], frame: &[u8]) -> [u32; 2] {
        let sum = summed(before, &frame[..8], self.big_endian);
        summed(sum, &frame[FRAME_HEADER_BYTES..], self.big_endian)
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes[at..at + 4].try_into().unwrap_or_default();
    u32::from_be_bytes(word)
}

/// SQLite's checksum of a log, continued. The bytes are a multiple of eight.
fn summed([mut a, mut b]: [u32; 2], bytes: &[u8], big_endian: bool) -> [u32; 2] {
    let read = if big_endian {
        u32::from_be_bytes
    } else {
        u32::from_le_bytes
    };
    for pair in bytes.chunks_exact(8) {
        let (first, second) = pair.split_at(4);
        a = a
            .wrapping_add(read(first.try_into().unwrap_or_default()))
            .wrapping_add(b);
        b = b
            .wrapping_add(read(second.try_into().unwrap_or_default()))
            .wrapping_add(a);
    }
    [a, b]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    const PAGE_BYTES: usize = 512;

    /// A log of these frames: the number in each page, and whether it commits.
    fn log(frames: &[(u8, bool)]) -> Vec<u8> {
        let mut log = vec![0; HEADER_BYTES];
        log[..4].copy_from_slice(&(MAGIC | 1).to_be_bytes());
        log[8..12].copy_from_slice(&(PAGE_BYTES as u32).to_be_bytes());
        log[16..24].copy_from_slice(b"salt4log");
        let mut sum = summed([0, 0], &log[..24], true);
        write(&mut log, 24, sum);
        for (number, commits) in frames {
            let mut frame = [0; FRAME_HEADER_BYTES + PAGE_BYTES];
            (frame[3], frame[7]) = (1, u8::from(*commits));
            frame[8..16].copy_from_slice(b"salt4log");
            frame[FRAME_HEADER_BYTES] = *number;
            sum = summed(sum, &frame[..8], true);
            sum = summed(sum, &frame[FRAME_HEADER_BYTES..], true);
            write(&mut frame, 16, sum);
            log.extend(frame);
        }
        log
    }

    fn write(bytes: &mut [u8], at: usize, sum: [u32; 2]) {
        for (place, word) in [at, at + 4].into_iter().zip(sum) {
            bytes[place..place + 4].copy_from_slice(&word.to_be_bytes());
        }
    }

    fn place(frame: usize) -> usize {
        HEADER_BYTES + frame * (FRAME_HEADER_BYTES + PAGE_BYTES)
    }

    fn verdict(log: &[u8]) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), log).unwrap();
        check(file.path())
    }

    const COMMITS: [(u8, bool); 4] = [(1, true), (2, true), (3, true), (4, true)];

    #[test]
    fn a_whole_log_and_a_torn_end_are_well() {
        assert_eq!(verdict(&log(&COMMITS)), Ok(()));
        assert_eq!(verdict(&log(&COMMITS)[..place(3) + 90]), Ok(()));
        let mut torn = log(&COMMITS);
        torn[place(3) + 50] ^= 1;
        assert_eq!(verdict(&torn), Ok(()), "nobody was told of the last one");
    }

    #[test]
    fn a_bit_amid_what_was_acknowledged_is_told_wherever_it_is() {
        for at in 0..FRAME_HEADER_BYTES + 8 {
            let mut damaged = log(&COMMITS);
            damaged[place(1) + at] ^= 1;
            let why = "its write-ahead log, in frame 2";
            // Whether it commits is what the damaged bits say.
            let shown = verdict(&damaged);
            assert_eq!(shown, Err(why.to_owned()), "bit 0 of byte {at}");
        }
    }

    /// A commit that a crash broke off left frames 2 to 4; another one began in their place, and was broken off in its last frame.
    #[test]
    fn what_is_older_is_not_lost() {
        let older = log(&[(1, true), (2, false), (3, false), (4, false)]);
        let newer = log(&[(1, true), (9, true)]);
        let mut left = older;
        let header = place(1)..place(1) + FRAME_HEADER_BYTES;
        left[header.clone()].copy_from_slice(&newer[header]);
        assert_eq!(verdict(&left), Ok(()));
    }
}
