//! Time and random bits for the core.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use syncline_client_core::Env;
use tokio::sync::watch;
use tokio::time::Instant;

/// The clocks of a client: the wall's, which says how old a write is, and a steady one, which says how long to wait.
///
/// Both are the system's, unless they are moved: a test that holds a clone need not live through a wait of minutes, and can let a device
/// have the wrong date.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    moved: Arc<watch::Sender<Moved>>,
}

/// How far the clocks are ahead of the system's.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    wall_ms: i64,
    steady_ms: u64,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock {
            start: Instant::now(),
            moved: Arc::new(watch::Sender::new(Moved::default())),
        }
    }
}

impl Clock {
    /// Sets the wall clock to this moment, in milliseconds since 1970; it runs on from there.
    pub fn set_wall(&self, now_ms: u64) {
        self.moved
            .send_modify(|moved| moved.wall_ms = now_ms.cast_signed() - system_ms().cast_signed());
    }

    /// Lets so much time pass at once, on both clocks: what was to be waited for meanwhile is due.
    pub fn skip(&self, time: Duration) {
        let ms = time.as_millis() as u64;
        self.moved.send_modify(|moved| {
            moved.wall_ms = moved.wall_ms.saturating_add_unsigned(ms);
            moved.steady_ms += ms;
        });
    }

    /// The time now, with fresh random bits.
    pub(crate) fn env(&self) -> Env {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the system has random bits");
        let moved = *self.moved.borrow();
        Env {
            wall_ms: system_ms().saturating_add_signed(moved.wall_ms),
            steady_ms: self.start.elapsed().as_millis() as u64 + moved.steady_ms,
            random: u128::from_le_bytes(random),
        }
    }

    /// Waits until the steady clock says this; for ever, if there is no such moment.
    pub(crate) async fn reach(&self, steady_ms: Option<u64>) {
        let Some(steady_ms) = steady_ms else {
            return std::future::pending().await;
        };
        let mut moves = self.moved.subscribe();
        loop {
            let real_ms = steady_ms.saturating_sub(moves.borrow_and_update().steady_ms);
            tokio::select! {
                () = tokio::time::sleep_until(self.start + Duration::from_millis(real_ms)) => return,
                _ = moves.changed() => {}
            }
        }
    }
}

/// The system's clock. Before 1970 counts as 1970: ages are computed from differences.
fn system_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_skipped_has_passed() {
        let clock = Clock::default();
        let before = clock.env();
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.reach(Some(before.steady_ms + 3_600_000)).await }
        });
        clock.skip(Duration::from_secs(3_600));
        waiting.await.unwrap();
        assert!(clock.env().wall_ms >= before.wall_ms + 3_600_000);
    }

    #[test]
    fn the_wall_clock_alone_can_be_set() {
        let clock = Clock::default();
        let before = clock.env();
        clock.set_wall(1_000);
        let now = clock.env();
        assert!((1_000..60_000).contains(&now.wall_ms));
        assert!(now.steady_ms - before.steady_ms < 60_000);
    }
}
