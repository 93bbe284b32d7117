//! [`Path`]: both directions of one connection, and the faults on it.

use super::lane::{Content, Lane, Next};
use super::wire::{Unit, fragmented};
use super::{Fault, Kind, Way};
use crate::dice::Dice;

/// So many bytes may be on their way in each direction; beyond it nothing more is taken in, so that who does not read is felt at the other side.
const QUEUE_BYTES_MAX: usize = 64 * 1024;

/// A connection between a client and the server.
///
/// Bytes go in by [`handle_bytes`](Path::handle_bytes), while there is [`room`](Path::has_room), and an end by
/// [`handle_end`](Path::handle_end). After each of these, and when the time has come, ask both directions by [`poll`](Path::poll), again and again until both wait.
/// Times are microseconds since a moment that stays the same.
#[derive(Debug)]
pub struct Path {
    up: Lane,
    down: Lane,
    active: Vec<Active>,
    dice: Dice,
    end: Option<End>,
}

#[derive(Debug)]
struct Active {
    fault: Fault,
    begun: bool,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// One side has left, and the other is told.
    Left,
    /// A fault has cut it.
    Cut,
    /// A fault has cut it: the server gets a TCP reset.
    Reset,
}

/// What is to be done in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes at the far side.
    Write(Vec<u8>),
    /// Nothing before this time; none: nothing before something goes in.
    Wait(Option<u64>),
    /// The connection is over.
    End(End),
}

impl Path {
    /// A new connection with these faults.
    #[must_use]
    pub fn new(seed: u64, faults: impl IntoIterator<Item = Fault>, now_us: u64) -> Path {
        let mut path = Path {
            up: Lane::default(),
            down: Lane::default(),
            active: Vec::new(),
            dice: Dice::new(seed),
            end: None,
        };
        faults.into_iter().for_each(|fault| path.add(fault, now_us));
        path
    }

    /// Another fault.
    pub fn add(&mut self, fault: Fault, now_us: u64) {
        let at_once = fault.at.is_none();
        self.active.push(Active {
            fault,
            begun: false,
        });
        if at_once {
            self.begin(self.active.len() - 1, Way::Up, now_us);
        }
    }

    /// All faults are over. What was held goes on; where something was lost, no stream can go on: it is reset.
    pub fn heal(&mut self) {
        self.active.clear();
        self.up.release();
        self.down.release();
        if self.up.silent || self.down.silent {
            self.end.get_or_insert(End::Reset);
        }
    }

    /// Whether more may go in.
    #[must_use]
    pub fn has_room(&self, way: Way) -> bool {
        self.lane(way).queued_bytes() < QUEUE_BYTES_MAX
    }

    /// Bytes come in.
    pub fn handle_bytes(&mut self, way: Way, bytes: &[u8], now_us: u64) {
        self.lane_mut(way).units.extend(bytes);
        while let Some(unit) = self.lane_mut(way).units.next() {
            self.pass(way, &unit, now_us);
        }
    }

    /// The side where bytes came in has left.
    pub fn handle_end(&mut self, way: Way, now_us: u64) {
        let lane = self.lane_mut(way);
        if !lane.silent {
            let rest = lane.units.rest();
            lane.put(now_us, rest);
            lane.close(now_us, End::Left);
        }
    }

    /// What is to be done in this direction.
    pub fn poll(&mut self, way: Way, now_us: u64) -> Output {
        if let Some(end) = self.end {
            return Output::End(end);
        }
        match self.lane_mut(way).next(now_us) {
            Next::Now(Content::Bytes(bytes)) => Output::Write(bytes),
            Next::Now(Content::End(end)) => {
                self.end = Some(end);
                Output::End(end)
            }
            Next::At(time) => Output::Wait(time),
        }
    }

    /// Whether nothing passes in some direction, until it is healed.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.up.is_blocked() || self.down.is_blocked()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    fn lane(&self, way: Way) -> &Lane {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }

    fn lane_mut(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// A unit comes in: faults that it sets off begin before it or after it.
    fn pass(&mut self, way: Way, unit: &Unit, now_us: u64) {
        let mut after = Vec::new();
        for index in 0..self.active.len() {
            let Active { fault, begun } = &self.active[index];
            let message = unit.message.as_ref().filter(|_| !begun);
            match message.and_then(|message| fault.fires(way, message)) {
                Some(true) => after.push(index),
                Some(false) => self.begin(index, way, now_us),
                None => {}
            }
        }
        if !self.lane(way).closed {
            self.carry(way, unit, now_us);
        }
        for index in after {
            self.begin(index, way, now_us);
        }
    }

    fn begin(&mut self, index: usize, way: Way, now_us: u64) {
        let active = &mut self.active[index];
        active.begun = true;
        let (kind, ways) = (active.fault.kind, active.fault.ways);
        if matches!(kind, Kind::Cut | Kind::Reset) {
            active.fault.mark.hit();
        }
        match kind {
            Kind::Cut => self.lane_mut(way).close(now_us, End::Cut),
            Kind::Reset => self.lane_mut(way).close(now_us, End::Reset),
            Kind::Silence | Kind::Stall(_) => {
                for way in [Way::Up, Way::Down]
                    .into_iter()
                    .filter(|way| ways.holds(*way))
                {
                    let lane = self.lane_mut(way);
                    match kind {
                        Kind::Stall(ms) => lane.hold(ms.map(|ms| now_us + ms * 1000)),
                        _ => lane.silent = true,
                    }
                }
            }
            Kind::Delay(..) | Kind::Throttle(_) | Kind::Chop(_) | Kind::Fragment(_) => {}
        }
    }

    /// Sends a unit on its way, as the faults let it.
    fn carry(&mut self, way: Way, unit: &Unit, now_us: u64) {
        let (mut due_us, mut bytes) = (now_us, unit.bytes.clone());
        let (mut piece, mut us_per_byte) = (usize::MAX, 0.0);
        let held = self.lane(way).is_held(now_us);
        let begun = self.active.iter().filter(|active| active.begun);
        for Active { fault, .. } in begun.filter(|active| active.fault.ways.holds(way)) {
            let hits = match fault.kind {
                Kind::Silence => true,
                Kind::Stall(_) => held,
                Kind::Delay(ms, jitter_ms) => {
                    due_us += ms * 1000 + self.dice.below(jitter_ms * 1000 + 1);
                    true
                }
                Kind::Throttle(bytes) => {
                    us_per_byte = f64::max(us_per_byte, 1e6 / bytes.max(1) as f64);
                    true
                }
                Kind::Chop(bytes) => {
                    let at_most = usize::try_from(bytes.max(1)).unwrap_or(usize::MAX);
                    piece = piece.min(at_most);
                    unit.bytes.len() > at_most
                }
                // The handshake's head is no frame.
                Kind::Fragment(parts) if unit.message.is_some() => {
                    let parts = usize::try_from(parts).unwrap_or(usize::MAX);
                    // Of the whole: what is in fragments already is no frame any more.
                    let fragments = fragmented(&unit.bytes, parts);
                    let hits = fragments.len() > unit.bytes.len();
                    if fragments.len() > bytes.len() {
                        bytes = fragments;
                    }
                    hits
                }
                Kind::Cut | Kind::Reset | Kind::Fragment(_) => false,
            };
            if hits && unit.message.is_some() {
                fault.mark.hit();
            }
        }
        let lane = self.lane_mut(way);
        if lane.silent {
            return;
        }
        for part in bytes.chunks(piece) {
            let late_us = (us_per_byte * part.len() as f64) as u64;
            let due_us = due_us.max(if late_us > 0 { lane.last_due_us() } else { 0 });
            lane.put(due_us + late_us, part.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Mark, Trigger, Ways};
    use super::*;

    const HEAD: &[u8] = b"x\r\n\r\n";

    /// An unmasked text frame.
    fn frame(kind: &str) -> Vec<u8> {
        let text = format!(r#"{{"type":"{kind}"}}"#);
        [&[0x81, text.len() as u8], text.as_bytes()].concat()
    }

    fn fault(kind: Kind, ways: Ways, at: Option<Trigger>) -> Fault {
        let mark = Arc::new(Mark::default());
        Fault {
            kind,
            ways,
            at,
            mark,
        }
    }

    fn at(way: Way, frame: &str, nth: u64, after: bool) -> Option<Trigger> {
        let frame = Some(frame.to_owned());
        Some(Trigger {
            way,
            frame,
            nth,
            after,
        })
    }

    /// All that goes out in a direction until it waits: how many bytes, and what it waits for or how it ended.
    fn drain(path: &mut Path, way: Way, now_us: u64) -> (usize, Output) {
        let mut bytes = 0;
        loop {
            match path.poll(way, now_us) {
                Output::Write(part) => bytes += part.len(),
                other => return (bytes, other),
            }
        }
    }

    fn with(fault: &Fault) -> Path {
        let mut path = Path::new(1, [fault.clone()], 0);
        for way in [Way::Up, Way::Down] {
            path.handle_bytes(way, HEAD, 0);
        }
        path
    }

    #[test]
    fn a_cut_at_a_frame_lets_through_what_came_before_it() {
        for (after, passes) in [(false, 1), (true, 2)] {
            let fault = fault(Kind::Cut, Ways::Both, at(Way::Down, "ack", 2, after));
            let mut path = with(&fault);
            for kind in ["update", "ack"] {
                path.handle_bytes(Way::Down, &frame(kind), 0);
            }
            let (bytes, output) = drain(&mut path, Way::Down, 0);
            assert_eq!(
                (bytes, output),
                (
                    HEAD.len() + frame("update").len() + frame("ack").len(),
                    Output::Wait(None)
                )
            );
            assert!(!fault.is_spent() && fault.mark.hits() == 0);
            path.handle_bytes(Way::Down, &frame("ack"), 0);
            path.handle_bytes(Way::Down, &frame("update"), 0);
            let (bytes, output) = drain(&mut path, Way::Down, 0);
            assert_eq!(
                (bytes, output),
                ((passes - 1) * frame("ack").len(), Output::End(End::Cut))
            );
            assert_eq!(path.poll(Way::Up, 0), Output::End(End::Cut));
            assert!(fault.is_spent() && fault.mark.hits() == 1);
        }
    }

    #[test]
    fn silence_swallows_one_way_and_healing_resets() {
        let fault = fault(Kind::Silence, Ways::Down, None);
        let mut path = with(&fault);
        path.handle_bytes(Way::Down, &frame("ack"), 0);
        path.handle_bytes(Way::Up, &frame("push"), 0);
        path.handle_end(Way::Down, 0);
        assert_eq!(drain(&mut path, Way::Down, 9).0, 0);
        assert_eq!(
            drain(&mut path, Way::Up, 9).0,
            HEAD.len() + frame("push").len()
        );
        assert_eq!(fault.mark.hits(), 1);
        path.heal();
        assert_eq!(path.poll(Way::Up, 9), Output::End(End::Reset));
    }

    #[test]
    fn a_stall_holds_until_it_is_healed_and_loses_nothing() {
        let fault = fault(Kind::Stall(None), Ways::Up, None);
        let mut path = with(&fault);
        path.handle_bytes(Way::Up, &frame("push"), 0);
        path.handle_end(Way::Up, 5);
        assert_eq!(
            drain(&mut path, Way::Up, 1_000_000),
            (0, Output::Wait(None))
        );
        assert_eq!(fault.mark.hits(), 1);
        path.heal();
        let (bytes, output) = drain(&mut path, Way::Up, 1_000_001);
        assert_eq!(
            (bytes, output),
            (HEAD.len() + frame("push").len(), Output::End(End::Left))
        );
    }

    #[test]
    fn a_stall_with_a_time_goes_on_by_itself() {
        let mut path = with(&fault(Kind::Stall(Some(3)), Ways::Both, None));
        assert_eq!(drain(&mut path, Way::Up, 0), (0, Output::Wait(Some(3000))));
        assert_eq!(drain(&mut path, Way::Up, 3000).0, HEAD.len());
    }

    #[test]
    fn what_is_late_stays_in_order() {
        let mut path = with(&fault(Kind::Delay(10, 30), Ways::Both, None));
        for _ in 0..50 {
            path.handle_bytes(Way::Down, &frame("update"), 0);
        }
        let mut now_us = 0;
        let mut bytes = 0;
        loop {
            let (more, output) = drain(&mut path, Way::Down, now_us);
            bytes += more;
            match output {
                Output::Wait(Some(time)) => {
                    assert!(time > now_us && (10_000..=40_000).contains(&time), "{time}");
                    now_us = time;
                }
                _ => break,
            }
        }
        assert_eq!(bytes, HEAD.len() + 50 * frame("update").len());
    }

    #[test]
    fn a_throttle_takes_its_time_and_a_chop_makes_pieces() {
        let slow = fault(Kind::Throttle(1000), Ways::Up, None);
        let mut path = with(&slow);
        path.handle_bytes(Way::Up, &[frame("push"), frame("push")].concat(), 0);
        let all_us = 1000 * (HEAD.len() + 2 * frame("push").len()) as u64;
        assert_eq!(
            drain(&mut path, Way::Up, all_us - 1).1,
            Output::Wait(Some(all_us))
        );
        let chopped = fault(Kind::Chop(2), Ways::Up, None);
        let mut path = with(&chopped);
        assert_eq!(path.poll(Way::Up, 0), Output::Write(HEAD[..2].to_vec()));
        path.handle_bytes(Way::Up, &frame("push"), 0);
        assert_eq!((slow.mark.hits(), chopped.mark.hits()), (2, 1));
    }

    #[test]
    fn two_faults_of_a_kind_are_no_more_than_the_stronger() {
        let split = |parts| fault(Kind::Fragment(parts), Ways::Up, None);
        let sent = |faults: &[u64]| {
            let mut path = Path::new(1, faults.iter().map(|parts| split(*parts)), 0);
            path.handle_bytes(Way::Up, HEAD, 0);
            path.handle_bytes(Way::Up, &frame("push"), 0);
            drain(&mut path, Way::Up, 0).0
        };
        assert_eq!(sent(&[3, 2]), sent(&[3]));
        assert!(sent(&[3]) > sent(&[2]));
    }

    #[test]
    fn who_does_not_read_is_felt_at_the_other_side() {
        let mut path = with(&fault(Kind::Stall(None), Ways::Down, None));
        assert!(path.has_room(Way::Down));
        for _ in 0..QUEUE_BYTES_MAX / frame("update").len() + 1 {
            path.handle_bytes(Way::Down, &frame("update"), 0);
        }
        assert!(!path.has_room(Way::Down) && path.has_room(Way::Up));
    }
}
