//! A [`Link`] joins a connection's task and its workspace's task: what is to be sent, and how much of either side waits.
//!
//! Two bounds keep one connection from costing the others anything (`CONN-ISOLATION`, `UPD-SLOW`):
//!
//! - Of what is to be sent: the workspace asks for [`Link::room`] before it makes updates, and nothing more is read from a connection that has no
//!   room, so that it cannot cause answers. What comes all the same (acks of what was
//!   pushed elsewhere) is bounded by a second, hard bound: beyond it the connection is a slow consumer.
//! - Of what was read and not yet decided: nothing more is read until the workspace has caught up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;

use crate::closing::Closing;

/// How many times its bound an outbox may hold of what no update is.
const HARD_BOUND: usize = 2;

/// What a frame costs beside its bytes, so that very many small ones are bounded too.
const FRAME_COST: usize = 64;

/// What a frame counts for in an outbox.
pub(crate) fn cost(frame: &Utf8Bytes) -> usize {
    frame.len() + FRAME_COST
}

/// What a connection's task and its workspace's task share.
pub(crate) struct Link {
    outbox: Mutex<Outbox>,
    outbox_bytes_max: usize,
    inbox_bytes: AtomicUsize,
    inbox_bytes_max: usize,
    /// Something came from the peer since the writer last looked.
    heard: AtomicBool,
    to_write: Notify,
    to_read: Notify,
    closed: Notify,
    aborted: Notify,
}

#[derive(Default)]
struct Outbox {
    frames: VecDeque<Utf8Bytes>,
    /// What the frames cost, those included that the writer has taken and not yet written.
    bytes: usize,
    closing: Option<Closing>,
    /// The workspace wants to know when there is room again.
    starved: bool,
}

/// What the writer does next.
pub(crate) enum Next {
    /// Send these.
    Frames(VecDeque<Utf8Bytes>),
    /// Nothing comes any more: say why, and close.
    Close(Closing),
}

impl Link {
    pub(crate) fn new(outbox_bytes_max: usize, inbox_bytes_max: usize) -> Link {
        Link {
            outbox: Mutex::default(),
            outbox_bytes_max,
            inbox_bytes: AtomicUsize::new(0),
            inbox_bytes_max,
            heard: AtomicBool::new(false),
            to_write: Notify::new(),
            to_read: Notify::new(),
            closed: Notify::new(),
            aborted: Notify::new(),
        }
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- the workspace's side ----

    /// Bytes of updates that the connection can be given now.
    pub(crate) fn room(&self) -> usize {
        self.outbox_bytes_max.saturating_sub(self.outbox().bytes)
    }

    /// Gives the connection a frame. `false`: it holds too much already, and was closed.
    pub(crate) fn send(&self, frame: Utf8Bytes) -> bool {
        let mut outbox = self.outbox();
        if outbox.closing.is_some() {
            return true;
        }
        if outbox.bytes > HARD_BOUND * self.outbox_bytes_max {
            drop(outbox);
            self.abort(Closing::slow_consumer());
            return false;
        }
        outbox.bytes += cost(&frame);
        outbox.frames.push_back(frame);
        if outbox.frames.len() == 1 {
            self.to_write.notify_one();
        }
        true
    }

    /// Asks to be told of room by [`Link::written`]. `true`: there is room already.
    pub(crate) fn starve(&self) -> bool {
        let mut outbox = self.outbox();
        let room = outbox.bytes <= self.low_water();
        outbox.starved = !room;
        room
    }

    /// A frame of so many bytes was decided upon.
    pub(crate) fn decided(&self, bytes: usize) {
        let before = self.inbox_bytes.fetch_sub(bytes, Relaxed);
        if before >= self.inbox_bytes_max {
            self.to_read.notify_one();
        }
    }

    // ---- both sides ----

    /// Closes the connection after what it has been given. The first reason counts.
    pub(crate) fn close(&self, closing: Closing) {
        let mut outbox = self.outbox();
        if outbox.closing.is_none() {
            outbox.closing = Some(closing);
            self.to_write.notify_one();
            self.closed.notify_one();
        }
    }

    /// Closes the connection now: what it has been given is not sent.
    pub(crate) fn abort(&self, closing: Closing) {
        let mut outbox = self.outbox();
        outbox.frames = VecDeque::new();
        outbox.closing.get_or_insert(closing);
        self.to_write.notify_one();
        self.closed.notify_one();
        self.aborted.notify_one();
    }

    // ---- the reader's side ----

    /// Returns when more may be read.
    pub(crate) async fn readable(&self) {
        while self.inbox_bytes.load(Relaxed) >= self.inbox_bytes_max || self.room() == 0 {
            self.to_read.notified().await;
        }
    }

    /// A frame of so many bytes goes to the workspace.
    pub(crate) fn received(&self, bytes: usize) {
        self.inbox_bytes.fetch_add(bytes, Relaxed);
    }

    /// Returns when the connection is to be closed. For the reader alone.
    pub(crate) async fn closed(&self) {
        while self.outbox().closing.is_none() {
            self.closed.notified().await;
        }
    }

    /// Something came from the peer.
    pub(crate) fn hear(&self) {
        self.heard.store(true, Relaxed);
    }

    // ---- the writer's side ----

    /// Whether something came from the peer since the last time that this was asked.
    pub(crate) fn heard(&self) -> bool {
        self.heard.swap(false, Relaxed)
    }

    /// Returns when there is something to do.
    pub(crate) async fn next(&self) -> Next {
        loop {
            {
                let mut outbox = self.outbox();
                if !outbox.frames.is_empty() {
                    return Next::Frames(std::mem::take(&mut outbox.frames));
                }
                if let Some(closing) = &outbox.closing {
                    return Next::Close(closing.clone());
                }
            }
            self.to_write.notified().await;
        }
    }

    /// Returns when what is being written should be given up. For the writer alone.
    pub(crate) async fn aborted(&self) {
        self.aborted.notified().await;
    }

    /// A frame of this cost is written. `true`: the workspace waited for this and wants to be told.
    pub(crate) fn written(&self, bytes: usize) -> bool {
        let mut outbox = self.outbox();
        let was_full = outbox.bytes >= self.outbox_bytes_max;
        outbox.bytes = outbox.bytes.saturating_sub(bytes);
        if was_full && outbox.bytes < self.outbox_bytes_max {
            self.to_read.notify_one();
        }
        outbox.bytes <= self.low_water() && std::mem::take(&mut outbox.starved)
    }

    fn low_water(&self) -> usize {
        self.outbox_bytes_max / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of this cost.
    fn frame(cost: usize) -> Utf8Bytes {
        "x".repeat(cost - FRAME_COST).into()
    }

    #[tokio::test]
    async fn frames_come_before_the_close() {
        let link = Link::new(1000, 100);
        assert!(link.send(frame(65)));
        link.close(Closing::slow_consumer());
        assert!(link.send(frame(65)), "after the close a frame goes nowhere");
        assert!(matches!(link.next().await, Next::Frames(frames) if frames.len() == 1));
        assert!(matches!(link.next().await, Next::Close(_)));
        link.closed().await;
    }

    #[tokio::test]
    async fn an_outbox_beyond_its_hard_bound_is_given_up() {
        let link = Link::new(1000, 100);
        let taken = (0..100).take_while(|_| link.send(frame(400))).count();
        assert_eq!(
            taken, 6,
            "2000 are the bound, and the frame that passes it is still taken"
        );
        assert!(matches!(link.next().await, Next::Close(_)));
        link.aborted().await;
    }

    #[tokio::test]
    async fn room_comes_back_with_writing() {
        let link = Link::new(1000, 100);
        assert!(link.starve(), "an empty outbox has room");
        assert!(link.send(frame(1000)));
        assert_eq!(link.room(), 0);
        assert!(!link.starve());
        assert!(!link.written(400), "600 of 1000 wait still");
        assert!(link.written(100), "500 of 1000 is half");
        assert!(!link.written(100), "said once");
        link.readable().await;
    }

    #[tokio::test]
    async fn reading_waits_for_the_workspace() {
        let link = Link::new(10, 10);
        link.received(12);
        let mut reading = Box::pin(link.readable());
        assert!(futures_util::FutureExt::now_or_never(&mut reading).is_none());
        link.decided(12);
        reading.await;
    }
}
