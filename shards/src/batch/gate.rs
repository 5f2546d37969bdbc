//! A wake-up for one task of the same thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// Wakes one waiting task of this thread. An opening that nobody waited for is kept.
#[derive(Debug, Default)]
pub struct Gate {
    open: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Gate {
    /// Opens the gate: the task that waits, or the next one that does, passes once.
    pub fn open(&self) {
        if !self.open.replace(true)
            && let Some(waker) = self.waiting.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// Passes when the gate is open, and closes it behind.
    pub async fn pass(&self) {
        poll_fn(|context| self.poll_pass(context)).await;
    }

    /// [`Gate::pass`] for hand-written futures.
    pub fn poll_pass(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.open.replace(false) {
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

/// Lets every other task that is ready run once.
pub(crate) async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
