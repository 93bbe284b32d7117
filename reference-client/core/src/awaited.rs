//! What has been asked of the server and not been answered: a connection on which an answer stays away too long is given up, however alive it is otherwise
//! (`CLIENT-UNANSWERED`).

use std::collections::BTreeMap;

use syncline_schemas::{ClientMessage, ServerMessage};

/// How long an answer may stay away.
const ANSWER_MS: u64 = 60_000;

/// How long the answer to a `digest` or a `history` may: a server has a minute for it, after what it must send before.
const LONG_ANSWER_MS: u64 = 120_000;

/// The frames of a session that wait for their answers, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Awaited(BTreeMap<u64, Answer>);

/// An answer that is to come.
#[derive(Clone, Copy, Debug)]
struct Answer {
    to: Asked,
    /// From then on it is too late.
    until_ms: u64,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Push,
    Subscribe,
    Digest,
    History,
}

impl Asked {
    /// What a frame asks, if it has an answer that is needed. `hello` has its own time, and a `ping` asks only that anything comes (`CLIENT-LIVENESS`).
    fn of(message: &ClientMessage) -> Option<Asked> {
        match message {
            ClientMessage::Push(_) => Some(Asked::Push),
            ClientMessage::Subscribe(_) => Some(Asked::Subscribe),
            ClientMessage::Digest(_) => Some(Asked::Digest),
            ClientMessage::History(_) => Some(Asked::History),
            _ => None,
        }
    }

    fn within_ms(self) -> u64 {
        match self {
            Asked::Push | Asked::Subscribe => ANSWER_MS,
            Asked::Digest | Asked::History => LONG_ANSWER_MS,
        }
    }
}

impl Awaited {
    /// A frame of this number is sent.
    pub(crate) fn sent(&mut self, frame: u64, message: &ClientMessage, now_ms: u64) {
        if let Some(to) = Asked::of(message) {
            let until_ms = now_ms + to.within_ms();
            self.0.insert(frame, Answer { to, until_ms });
        }
    }

    /// A message has come: the answer to one of them, or what keeps others waiting.
    pub(crate) fn heard(&mut self, message: &ServerMessage, now_ms: u64) {
        match message {
            ServerMessage::Ack(ack) => self.answered(ack.re),
            ServerMessage::Error(error) => self.answered(error.re),
            ServerMessage::Digested(digested) => self.answered(digested.re),
            ServerMessage::Past(past) => self.answered(Some(past.re)),
            // They come in the order of what they answer, and name no frame.
            ServerMessage::Subscribed(_) => self.first_answered(Asked::Subscribe),
            // A long update is under way, and what is asked of the server waits behind it.
            ServerMessage::Update(update) if update.to.is_none() => self.put_off(now_ms),
            _ => {}
        }
    }

    fn answered(&mut self, frame: Option<u64>) {
        if let Some(frame) = frame {
            self.0.remove(&frame);
        }
    }

    fn first_answered(&mut self, asked: Asked) {
        let first = self.0.iter().find(|(_, answer)| answer.to == asked);
        let first = first.map(|(frame, _)| *frame);
        self.answered(first);
    }

    fn put_off(&mut self, now_ms: u64) {
        let others = { self.0.values_mut() }.filter(|answer| answer.to != Asked::Push);
        for answer in others {
            answer.until_ms = now_ms + answer.to.within_ms();
        }
    }

    /// From when on the next answer is too late.
    pub(crate) fn until_ms(&self) -> Option<u64> {
        self.0.values().map(|answer| answer.until_ms).min()
    }

    /// What has not been answered in time, in words.
    pub(crate) fn overdue(&self, now_ms: u64) -> Option<&'static str> {
        let late = self.0.values().find(|answer| now_ms >= answer.until_ms)?;
        Some(match late.to {
            Asked::Push => "did not answer a push",
            Asked::Subscribe => "did not answer a subscribe",
            Asked::Digest => "did not answer a digest",
            Asked::History => "did not answer a history",
        })
    }
}
