//! What passes on a wire, in units: the HTTP head of the handshake, then WebSocket frames (RFC 6455).
//!
//! Faults are about messages ("before the second `push`"), so the stream is taken apart at frames, and nothing more is understood of it than the
//! `type` of a message. A frame is one unit, whole, with its header.

use serde::Deserialize;

/// A part of the stream that is not divided further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// The bytes, as they came.
    pub(super) bytes: Vec<u8>,
    /// The `type` of the message that ends with this frame; empty if it has none. None for what ends no message.
    pub(super) message: Option<String>,
}

/// Takes a stream apart.
#[derive(Debug, Default)]
pub(super) struct Units {
    waiting: Vec<u8>,
    past_head: bool,
    /// The payload of a message whose last frame has not come.
    message: Vec<u8>,
}

const HEAD_END: &[u8] = b"\r\n\r\n";

impl Units {
    /// More of the stream.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next unit, if all of it is there.
    pub(super) fn next(&mut self) -> Option<Unit> {
        if !self.past_head {
            let end = find(&self.waiting, HEAD_END)? + HEAD_END.len();
            self.past_head = true;
            return Some(Unit {
                bytes: self.waiting.drain(..end).collect(),
                message: None,
            });
        }
        let header = Header::read(&self.waiting)?;
        let end = header.bytes + header.payload;
        if self.waiting.len() < end {
            return None;
        }
        let bytes: Vec<u8> = self.waiting.drain(..end).collect();
        let message = (!header.is_control()).then(|| {
            self.message.extend(header.unmasked(&bytes));
            header
                .last
                .then(|| type_of(&std::mem::take(&mut self.message)))
        });
        Some(Unit {
            bytes,
            message: message.flatten(),
        })
    }

    /// What is left of a stream that has ended in the middle of a unit.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.waiting)
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug)]
struct Header {
    last: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    /// Its own length.
    bytes: usize,
    /// The length of what follows it.
    payload: usize,
}

impl Header {
    fn read(from: &[u8]) -> Option<Header> {
        let (&first, &second) = (from.first()?, from.get(1)?);
        let (length_bytes, payload) = match second & 0x7f {
            126 => (2, be(from.get(2..4)?)),
            127 => (8, be(from.get(2..10)?)),
            short => (0, usize::from(short)),
        };
        let mask_at = 2 + length_bytes;
        let masked = second & 0x80 != 0;
        let mask = match masked {
            true => Some(from.get(mask_at..mask_at + 4)?.try_into().expect("four")),
            false => None,
        };
        Some(Header {
            last: first & 0x80 != 0,
            opcode: first & 0x0f,
            mask,
            bytes: mask_at + if masked { 4 } else { 0 },
            payload,
        })
    }

    fn is_control(&self) -> bool {
        self.opcode >= 8
    }

    fn unmasked(&self, frame: &[u8]) -> Vec<u8> {
        let mask = self.mask.unwrap_or_default();
        let payload = frame[self.bytes..].iter();
        payload
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect()
    }
}

/// A data frame in so many frames, as an intermediary may pass it on; anything else as it is.
pub(super) fn fragmented(frame: &[u8], parts: usize) -> Vec<u8> {
    let whole = || frame.to_vec();
    let Some(header) = Header::read(frame).filter(|header| !header.is_control()) else {
        return whole();
    };
    let size = header.payload.div_ceil(parts.max(1));
    if size == 0 || size >= header.payload {
        return whole();
    }
    let payload = header.unmasked(frame);
    let count = payload.len().div_ceil(size);
    let mut made = Vec::with_capacity(frame.len() + 14 * count);
    for (index, part) in payload.chunks(size).enumerate() {
        let last = header.last && index + 1 == count;
        let opcode = if index == 0 { header.opcode } else { 0 };
        made.push(if last { 0x80 | opcode } else { opcode });
        let masked = if header.mask.is_some() { 0x80 } else { 0 };
        match part.len() {
            short @ 0..=125 => made.push(masked | short as u8),
            medium @ 126..=0xffff => {
                made.push(masked | 126);
                made.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                made.push(masked | 127);
                made.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        let mask = header.mask.unwrap_or_default();
        if header.mask.is_some() {
            made.extend_from_slice(&mask);
        }
        made.extend(
            part.iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
    }
    made
}

/// A big-endian number; one that no memory holds is as good as the largest.
fn be(bytes: &[u8]) -> usize {
    let number = bytes
        .iter()
        .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    // Half of the address space: header and payload together still are a number.
    usize::try_from(number)
        .unwrap_or(usize::MAX)
        .min(usize::MAX / 2)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn type_of(message: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Typed {
        r#type: String,
    }
    serde_json::from_slice(message).map_or_else(|_| String::new(), |typed: Typed| typed.r#type)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text frame as a client sends it.
    fn masked(text: &str) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
        frame.extend_from_slice(&mask);
        frame.extend(
            text.bytes()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        frame
    }

    fn units(stream: &[u8], piece: usize) -> Vec<Unit> {
        let mut units = Units::default();
        let mut all = Vec::new();
        for bytes in stream.chunks(piece) {
            units.extend(bytes);
            all.extend(std::iter::from_fn(|| units.next()));
        }
        assert_eq!(units.rest(), Vec::<u8>::new());
        all
    }

    #[test]
    fn a_stream_comes_apart_at_frames_however_it_comes() {
        let ping = [0x89, 0x00];
        let push = masked(r#"{"type": "push", "mutations": []}"#);
        let stream = [
            b"GET / HTTP/1.1\r\n\r\n".as_slice(),
            &push,
            &ping,
            &masked("x"),
        ]
        .concat();
        for piece in [1, 3, 1000] {
            let units = units(&stream, piece);
            let messages: Vec<_> = units.iter().map(|unit| unit.message.as_deref()).collect();
            assert_eq!(messages, [None, Some("push"), None, Some("")], "{piece}");
            assert_eq!(units[1].bytes, push);
        }
    }

    #[test]
    fn a_message_in_fragments_is_the_same_message() {
        let push = masked(r#"{"type": "push", "mutations": [{"seq": 1}]}"#);
        for parts in [1, 2, 7, 1000] {
            let stream = [HEAD_END, &fragmented(&push, parts)].concat();
            let units = units(&stream, 5);
            let messages: Vec<_> = units
                .iter()
                .filter_map(|unit| unit.message.clone())
                .collect();
            assert_eq!(messages, ["push"], "{parts}");
        }
        assert!(fragmented(&push, 3).len() > push.len());
        assert_eq!(
            fragmented(&[0x89, 0x00], 3),
            [0x89, 0x00],
            "a ping stays whole"
        );
    }
}
