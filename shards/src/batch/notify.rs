//! Wakes one task of the same thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// Wakes one waiting task of this thread. A notification that nobody waited for is kept.
#[derive(Debug, Default)]
pub struct Notify {
    is_notified: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Notify {
    /// Wakes the task that waits, or lets the next one that would wait go on.
    pub fn notify(&self) {
        if !self.is_notified.replace(true)
            && let Some(waker) = self.waiting.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// Waits for a notification and takes it.
    pub async fn notified(&self) {
        poll_fn(|context| self.poll_notified(context)).await;
    }

    /// [`Notify::notified`] for hand-written futures.
    pub fn poll_notified(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_notified.replace(false) {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        match &mut *waiting {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waiting = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}
