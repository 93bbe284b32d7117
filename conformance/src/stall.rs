//! Stalls: times in which the runner's machine stood still, as a virtual machine does that is paused, or had no moment for the runner.
//!
//! What came late then may have been in time: deadlines are extended by what was lost, and a failure that overlaps a stall is judged anew. A stall can make a right
//! server look wrong, never a wrong one right, so passes need no second look. A thread of its own sleeps a little again and again, and looks how long
//! that took: it sees both a machine that is paused and one that is so busy that the runner does not get to run.

use std::sync::{LazyLock, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// The thread sleeps so long at a time.
const TICK: Duration = Duration::from_millis(50);

/// A tick that takes longer than this is a stall.
const STALL_MIN: Duration = Duration::from_millis(500);

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static THREAD: Once = Once::new();
static WATCH: Mutex<Watch> = Mutex::new(Watch::new());

/// A point in time, from which on stalls are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(Duration);

impl Mark {
    /// From now on. The first mark starts the watch.
    pub(crate) fn now() -> Mark {
        THREAD.call_once(start);
        Mark(lost())
    }

    /// How long the machine stood still since the mark, or since it was last asked.
    pub(crate) fn lost(&mut self) -> Duration {
        let lost = lost();
        let since = lost.saturating_sub(self.0);
        self.0 = self.0.max(lost);
        since
    }
}

fn lost() -> Duration {
    let watch = WATCH.lock().unwrap_or_else(PoisonError::into_inner);
    watch.lost(STARTED.elapsed())
}

fn start() {
    let watch = || WATCH.lock().unwrap_or_else(PoisonError::into_inner);
    let run = move || {
        loop {
            watch().tick(STARTED.elapsed());
            std::thread::sleep(TICK);
        }
    };
    let named = std::thread::Builder::new().name("stall-watch".to_owned());
    // Without the thread stalls are not seen: no reason not to judge.
    let _ = named.spawn(run);
}

/// What is known of stalls. Times are since the start.
struct Watch {
    /// The last tick; none before the first.
    ticked: Option<Duration>,
    /// How long all stalls took together that are over.
    over: Duration,
}

impl Watch {
    const fn new() -> Watch {
        Watch {
            ticked: None,
            over: Duration::ZERO,
        }
    }

    fn tick(&mut self, now: Duration) {
        self.over = self.lost(now);
        self.ticked = Some(now);
    }

    /// All that was lost up to now, with the stall that has just ended and that the thread need not have seen yet.
    fn lost(&self, now: Duration) -> Duration {
        let since = self
            .ticked
            .map_or(Duration::ZERO, |ticked| now.saturating_sub(ticked));
        if since > STALL_MIN {
            self.over + since
        } else {
            self.over
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tick_is_a_stall_and_is_counted_once() {
        let ms = Duration::from_millis;
        let mut watch = Watch::new();
        assert_eq!(watch.lost(ms(9_000)), ms(0));
        watch.tick(ms(10_000));
        watch.tick(ms(10_050));
        assert_eq!(watch.lost(ms(10_400)), ms(0));
        assert_eq!(watch.lost(ms(16_050)), ms(6_000));
        watch.tick(ms(16_060));
        assert_eq!(watch.lost(ms(16_100)), ms(6_010));
        watch.tick(ms(16_110));
        assert_eq!(watch.lost(ms(16_200)), ms(6_010));
    }
}
